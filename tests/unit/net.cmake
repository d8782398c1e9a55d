# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of devices/net/ and frontend/net/. D86_LONG=1 in the environment, or the tests labelled `long`, have more
# guests that do anything.
foreach(suite IN ITEMS e1000 ne2000 virtio_net)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices)
    add_test(NAME test_${suite}_long COMMAND test_${suite})
    set_tests_properties(test_${suite}_long PROPERTIES LABELS "unit;long" TIMEOUT 7200 ENVIRONMENT "D86_LONG=1")
endforeach()

foreach(suite IN ITEMS cable nat_rules segments)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-net)
endforeach()
