# SPDX-License-Identifier: GPL-2.0-or-later
# The scanner: its policy, its rules, the pages it makes of compiled code, its fuzz target and its tool.

d86_unit_test(test_scan_policy
    SOURCES unit/test_scan_policy.c unit/decode_cases.c
    LIBRARIES d86-translator)
d86_unit_test(test_scan
    SOURCES unit/test_scan.c
    LIBRARIES d86-translator)
d86_unit_test(test_scan_promote
    SOURCES unit/test_scan_promote.c
    LIBRARIES d86-translator)
d86_unit_test(test_scan_rotate
    SOURCES unit/test_scan_rotate.c
    LIBRARIES d86-translator)
d86_unit_test(test_scan_guard
    SOURCES unit/test_scan_guard.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE
    TIMEOUT 600)

add_subdirectory(fuzz)

add_test(NAME test_scan_tool
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_scan_tool.py"
        $<TARGET_FILE:duplex86-scan> "${CMAKE_C_COMPILER}")
set_tests_properties(test_scan_tool PROPERTIES LABELS unit TIMEOUT 120)

# Promoted code beside the original, on the processor. It uses addresses below 4 GiB at random, and there is the
# address sanitizer's own shadow memory.
if(NOT D86_SANITIZE)
    d86_unit_test(test_scan_native
        SOURCES unit/test_scan_native.c unit/test_scan_native_gen.c unit/test_scan_native_run.c
        LIBRARIES d86-translator
        TIMEOUT 300)
    add_test(NAME test_scan_native_long COMMAND test_scan_native 1000000 1000000)
    set_tests_properties(test_scan_native_long PROPERTIES LABELS long TIMEOUT 3600)
endif()
