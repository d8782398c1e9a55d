# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of devices/: one for each chip, and one for the machine they make.
foreach(suite IN ITEMS i8259 i8254 mc146818 i8042 uart16550 pc)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices)
endforeach()
