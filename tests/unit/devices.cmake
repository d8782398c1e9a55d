# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of devices/: one for each chip, one for those next to the processor together, and two for the machine
# they make: one of them for lending. D86_LONG=1 in the environment, or the test labelled `long`, takes more
# random states.
foreach(suite IN ITEMS i8259 i8254 mc146818 i8042 i8042_register uart16550 pc pc_known pc_lend i440fx fw_cfg
                floppy apic sb16 isa_pnp speaker vga vga_lent vga_modes)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices)
endforeach()

# All of the machine, and a guest that does anything.
d86_unit_test(test_pc_random SOURCES unit/test_pc_random.c LIBRARIES d86-devices)
add_test(NAME test_pc_random_long COMMAND test_pc_random)
set_tests_properties(test_pc_random_long PROPERTIES LABELS "unit;long" TIMEOUT 7200 ENVIRONMENT "D86_LONG=1")

# The PCI bus with functions of the test's own.
foreach(suite IN ITEMS pci piix3)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices
                  INCLUDES "${PROJECT_SOURCE_DIR}/devices/board" "${PROJECT_SOURCE_DIR}/devices/pci")
endforeach()

d86_unit_test(test_piix4_pm SOURCES unit/test_piix4_pm.c LIBRARIES d86-devices
              INCLUDES "${PROJECT_SOURCE_DIR}/devices/near")
target_compile_definitions(test_piix4_pm PRIVATE IASL="${IASL}" _GNU_SOURCE)

foreach(suite IN ITEMS near near_state late_ticks)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-near)
endforeach()
add_test(NAME test_near_long COMMAND test_near_state)
set_tests_properties(test_near_long PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT "D86_LONG=1")
