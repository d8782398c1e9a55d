# SPDX-License-Identifier: GPL-2.0-or-later
# Linux with each network adapter. Included where boot.cmake has defined d86_boot_test_properties().

if(D86_SANITIZE)
    return()
endif()

# d86_net_test(<name> <labels;...> options...)
function(d86_net_test name labels)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/net_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar" ${ARGN})
    d86_boot_test_properties(${name} ${labels})
endfunction()

foreach(model IN ITEMS e1000 ne2k_pci ne2k_isa virtio)
    d86_net_test(boot_net_${model} "" --model ${model})
    d86_net_test(boot_net_${model}_long long --model ${model} --size 100)
    set_tests_properties(boot_net_${model}_long PROPERTIES TIMEOUT 3600)
endforeach()
d86_net_test(boot_net_cable "" --cable stream --model virtio)
d86_net_test(boot_net_cable_udp "" --cable udp)
# On a tap interface, in namespaces of the test's own.
foreach(model IN ITEMS virtio e1000)
    add_test(NAME boot_tap_${model}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/tap_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --modules "${D86_GUESTS}/modules-686.tar" --model ${model})
    d86_boot_test_properties(boot_tap_${model})
endforeach()
# From the network by SeaBIOS and iPXE, with each adapter that has a ROM.
foreach(model IN ITEMS e1000 ne2k_pci virtio)
    add_test(NAME boot_pxe_${model}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/pxe_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --model ${model})
    d86_boot_test_properties(boot_pxe_${model})
endforeach()

d86_net_test(boot_net_restricted "" --restricted)
