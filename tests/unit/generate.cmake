# SPDX-License-Identifier: GPL-2.0-or-later
# The code generator: its forms, its tables, and what its code does on the processor.

d86_unit_test(test_generate
    SOURCES unit/test_generate.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE)

d86_unit_test(test_generate_segmented
    SOURCES unit/test_generate_segmented.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE)

d86_unit_test(test_generate_random
    SOURCES unit/test_generate_random.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE)
add_test(NAME test_generate_random_long COMMAND test_generate_random 3000000 1000000)
set_tests_properties(test_generate_random_long PROPERTIES LABELS long TIMEOUT 3600)
