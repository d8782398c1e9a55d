# SPDX-License-Identifier: GPL-2.0-or-later
# Disks and CDs: Linux works on them, and SeaBIOS and GRUB start from them. Included where boot.cmake has defined
# d86_boot_test_properties().

if(D86_SANITIZE)
    return()
endif()

# d86_disk_test(<name> <labels;...> options...)
function(d86_disk_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/disk_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
endfunction()

d86_disk_test(boot_disk_dma "")
d86_disk_test(boot_disk_pio "" --pio)
d86_disk_test(boot_disk_dma_interp long --engine interp)
d86_disk_test(boot_disk_kill "" --kill 2)
d86_disk_test(boot_disk_kill_long long --kill 30)
d86_disk_test(boot_disk_qcow2 "" --format qcow2)
foreach(format IN ITEMS vmdk vdi vpc vhdx)
    d86_disk_test(boot_disk_${format} long --format ${format})
endforeach()
d86_disk_test(boot_disk_qcow2_kill "" --format qcow2 --kill 2 --seed 1)
d86_disk_test(boot_disk_qcow2_kill_long long --format qcow2 --kill 30)

# Linux's driver for the sound card.
foreach(engine IN ITEMS sbe interp)
    set(name boot_sound)
    set(labels "")
    if(engine STREQUAL "interp")
        set(name boot_sound_interp)
        set(labels long)
    endif()
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/sound_session.py"
                 --program $<TARGET_FILE:duplex86> --engine ${engine} --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar")
    d86_boot_test_properties(${name} ${labels})
endforeach()

d86_disk_test(boot_disk_virtio "" --virtio)
d86_disk_test(boot_disk_virtio_kill "" --virtio --kill 2)
d86_disk_test(boot_disk_virtio_kill_long long --virtio --kill 30)

# d86_virtio_test(<name> <labels;...> options...)
function(d86_virtio_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/virtio_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar"
                 --programs "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
endfunction()

d86_virtio_test(boot_virtio_disks "" --check disks)
d86_virtio_test(boot_virtio_rng "" --check rng)
d86_virtio_test(boot_virtio_tablet "" --check tablet)
d86_virtio_test(boot_virtio_balloon "" --check balloon)
foreach(engine IN ITEMS interp lockstep)
    d86_virtio_test(boot_virtio_balloon_${engine} long --check balloon --engine ${engine})
endforeach()
d86_virtio_test(boot_virtio_keyboard "" --check keyboard)
d86_virtio_test(boot_virtio_console "" --check console)
d86_virtio_test(boot_virtio_console_interp long --check console --engine interp)
d86_virtio_test(boot_virtio_share "" --check share)
d86_virtio_test(boot_virtio_share_interp long --check share --engine interp)
d86_virtio_test(boot_virtio_disks_long long --check disks --rounds 5000)

# A GRUB rescue CD, as a CD, as a disk, and chosen in SeaBIOS's menu.
foreach(how IN ITEMS cd disk menu)
    add_test(NAME boot_grub_${how}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/grub_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --as ${how})
    d86_boot_test_properties(boot_grub_${how})
endforeach()

# Debian on a disk (./setup disk), to systemd's logins, and switched off by the power button.
# d86_debian_test(<name> <labels;...> options...)
function(d86_debian_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/debian_session.py"
                 --program $<TARGET_FILE:duplex86> --disk "${D86_GUESTS}/debian.img" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
    set_tests_properties(${name} PROPERTIES TIMEOUT 1500)
endfunction()

d86_debian_test(boot_debian "" --engine sbe)
d86_debian_test(boot_debian_apic long --engine sbe --program-arg=--apic=on
                "--says=Using IOAPIC for interrupt routing" --reboot --program-arg=--reboot)
d86_debian_test(boot_debian_reboot long --engine sbe --reboot --program-arg=--reboot
                "--says=ACPI: Interpreter enabled" "--says=PCI: Using configuration type 1")
d86_debian_test(boot_debian_interp long --engine interp)
d86_debian_test(boot_debian_audit long --engine sbe --program-arg=--audit=50000)

# What the distribution has that starts on a bare PC. The long form has the installer, too.
# d86_guests_test(<name> <labels;...> options...)
function(d86_guests_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/guests_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
    set_tests_properties(${name} PROPERTIES TIMEOUT 1500)
endfunction()

d86_guests_test(boot_guests "" --engine sbe --only "rescue|ipxe|memdisk|isolinux")
d86_guests_test(boot_guests_all long --engine sbe)
d86_guests_test(boot_guests_apic long --engine sbe --program-arg=--apic=on)
d86_guests_test(boot_guests_interp long --engine interp --only "rescue|ipxe|memdisk|linux")

# Linux at work that is saved, killed and goes on.
# d86_snapshot_test(<name> <labels;...> options...)
function(d86_snapshot_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/snapshot_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
endfunction()

d86_snapshot_test(boot_snapshot "" --rounds 4 --seed 3)
d86_snapshot_test(boot_snapshot_interp long --rounds 20 --engine interp)
d86_snapshot_test(boot_snapshot_long long --rounds 1000)
