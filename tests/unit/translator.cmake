# SPDX-License-Identifier: GPL-2.0-or-later
# The translator: its instruction decoder. D86_LONG=1 in the environment, or the tests labelled `long`, take
# more random bytes and every ModRM byte.

set(decoder "${PROJECT_SOURCE_DIR}/translator/decoder")

d86_unit_test(test_decode
    SOURCES unit/test_decode.c unit/decode_cases.c
    LIBRARIES d86-translator INCLUDES "${decoder}")
d86_unit_test(test_decode_capstone
    SOURCES unit/test_decode_capstone.c unit/decode_cases.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE INCLUDES "${decoder}")
d86_unit_test(test_decode_operands
    SOURCES unit/test_decode_operands.c unit/decode_cases.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE)

foreach(suite IN ITEMS test_decode test_decode_capstone)
    add_test(NAME ${suite}_long COMMAND ${suite})
    set_tests_properties(${suite}_long PROPERTIES
        LABELS long TIMEOUT 1800 ENVIRONMENT "D86_LONG=1")
endforeach()
