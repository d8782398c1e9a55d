# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of devices/storage/ and frontend/media/.
foreach(suite IN ITEMS ata atapi pc_drives)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices)
endforeach()
d86_unit_test(test_medium SOURCES unit/test_medium.c LIBRARIES d86-media)
target_compile_definitions(test_medium PRIVATE _GNU_SOURCE)
