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

# What the documentation shows: eighteen times SeaBIOS, which takes long under sanitizers.
if(NOT D86_SANITIZE)
    add_test(NAME test_examples
        COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_examples.py" $<TARGET_FILE:duplex86>
                "${PROJECT_SOURCE_DIR}")
    set_tests_properties(test_examples PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
