# SPDX-License-Identifier: GPL-2.0-or-later
# The code generator: its forms, its tables, and what its code does on the processor.

d86_unit_test(test_generate
    SOURCES unit/test_generate.c
    LIBRARIES d86-translator PkgConfig::CAPSTONE)
