# SPDX-License-Identifier: GPL-2.0-or-later
# The distribution's kernels boot to a shell, a session runs there, and the machine ends as it should.
# The guests are in D86_GUESTS ('./setup guests' puts them there); without them these tests are skipped, as is one
# with an engine that the host refuses.

if(D86_SANITIZE)
    return()
endif()

# Exit statuses of the program (enum status in frontend/status.h, duplex86(1)).
set(status_of_poweroff 0)
set(status_of_reboot 2)
set(status_of_escape 8)

# Boot tests run alone: they compare the guest's clock with the host's, and count what an idle guest does.
function(d86_boot_test_properties name)
    set_tests_properties(${name} PROPERTIES
        LABELS "boot;${ARGN}" TIMEOUT 400 RUN_SERIAL TRUE SKIP_RETURN_CODE 77)
endfunction()

# d86_boot_test(<name> <kernel> <engine> <how it ends> [labels...] [APPEND command-line] [PROGRAM_ARG argument]
#               [SAYS pattern...] [SAYS_NOT pattern...])
function(d86_boot_test name kernel engine end)
    cmake_parse_arguments(PARSE_ARGV 4 arg "" "APPEND" "PROGRAM_ARG;SAYS;SAYS_NOT")
    list(TRANSFORM arg_PROGRAM_ARG PREPEND "--program-arg=")
    list(TRANSFORM arg_SAYS PREPEND "--says=")
    list(TRANSFORM arg_SAYS_NOT PREPEND "--says-not=")
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/boot_session.py"
                 --program $<TARGET_FILE:duplex86>
                 --kernel "${D86_GUESTS}/${kernel}" --initrd "${D86_GUESTS}/initramfs.gz"
                 --engine ${engine}
                 "$<$<BOOL:${arg_APPEND}>:--append=${arg_APPEND}>"
                 ${arg_PROGRAM_ARG}
                 ${arg_SAYS} ${arg_SAYS_NOT}
                 --end ${end} --end-status ${status_of_${end}}
             COMMAND_EXPAND_LISTS)
    d86_boot_test_properties(${name} ${arg_UNPARSED_ARGUMENTS})
endfunction()

d86_boot_test(boot_686 vmlinuz-686 interp poweroff)
d86_boot_test(boot_686_sbe vmlinuz-686 sbe reboot)
d86_boot_test(boot_686_pae vmlinuz-686-pae interp reboot)
d86_boot_test(boot_686_pae_sbe vmlinuz-686-pae sbe poweroff)
d86_boot_test(boot_686_pci vmlinuz-686 sbe poweroff PROGRAM_ARG --machine=pc
              SAYS "ACPI: PM: .supports S0 S5" "LNKA configured for IRQ" "PM-Timer IO Port: 0x608"
              SAYS_NOT "ACPI.*([Ee]rror|[Ww]arning|BIOS [Bb]ug)")
d86_boot_test(boot_686_apic vmlinuz-686 sbe poweroff PROGRAM_ARG --machine=pc --apic=on
              SAYS "Enabling APIC mode" "Using IOAPIC for interrupt routing" "TIMER: vector=0x.* pin1=2"
              SAYS_NOT "MP-BIOS bug" "Marking TSC unstable" "APIC error")
d86_boot_test(boot_686_mp_table vmlinuz-686 sbe reboot long PROGRAM_ARG --machine=pc --apic=on
              APPEND "console=ttyS0 acpi=off"
              SAYS "MultiProcessor Specification v1.4" "IOAPIC.0.: apic_id 1" "Enabling APIC mode" "DMI: Duplex86 PC"
              SAYS_NOT "MP-BIOS bug" "APIC error" "BIOS bug")
d86_boot_test(boot_686_reboot vmlinuz-686 interp reboot long)
d86_boot_test(boot_686_pae_poweroff vmlinuz-686-pae interp poweroff long)
d86_boot_test(boot_686_escape vmlinuz-686 sbe escape long)

# The distribution's SeaBIOS through its POST, also with memory above 4 GiB.
function(d86_seabios_test name engine ram)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/seabios_session.py"
                 --program $<TARGET_FILE:duplex86> --engine ${engine} --ram ${ram})
    d86_boot_test_properties(${name})
endfunction()

d86_seabios_test(boot_seabios interp 32)
d86_seabios_test(boot_seabios_sbe sbe 4608)

# Another firmware for the same chipset.
foreach(apic IN ITEMS off on)
    if(apic STREQUAL "on")
        set(name boot_uboot_apic)
    else()
        set(name boot_uboot)
    endif()
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/uboot_session.py"
                 --program $<TARGET_FILE:duplex86> --apic ${apic})
    d86_boot_test_properties(${name} long)
endforeach()

add_test(NAME boot_memtest
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/memtest_session.py"
             --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/memtest86+ia32.bin")
d86_boot_test_properties(boot_memtest)

# Machines driven by their control socket: SeaBIOS by its screen and keyboard, Linux beside its console.
foreach(engine IN ITEMS interp sbe)
    add_test(NAME control_seabios_${engine}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/control_session.py"
                 --program $<TARGET_FILE:duplex86> --engine ${engine})
    d86_boot_test_properties(control_seabios_${engine})
endforeach()
add_test(NAME control_linux
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/control_session.py"
             --program $<TARGET_FILE:duplex86> --engine sbe
             --kernel "${D86_GUESTS}/vmlinuz-686" --initrd "${D86_GUESTS}/initramfs.gz")
d86_boot_test_properties(control_linux)
add_test(NAME control_linux_screen
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/control_session.py"
             --program $<TARGET_FILE:duplex86> --engine sbe --screen
             --kernel "${D86_GUESTS}/vmlinuz-686" --initrd "${D86_GUESTS}/initramfs.gz")
d86_boot_test_properties(control_linux_screen)

# The window under Xvfb. Skipped without Xvfb and xdotool.
if(D86_SDL)
    add_test(NAME window_session
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/window_session.py"
                 --program $<TARGET_FILE:duplex86> --engine sbe)
    d86_boot_test_properties(window_session)
endif()
