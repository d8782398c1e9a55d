# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of tests/guest_user run on the host and in the distribution's kernels, and must say the same.
# An engine the program or the host refuses is no failure: the test is skipped and prints why.

if(D86_SANITIZE)
    return()
endif()

# d86_user_test(<name> <kernel> <engine> [options of user_session.py...])
function(d86_user_test name kernel engine)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/user_session.py"
                 --program $<TARGET_FILE:duplex86> --engine ${engine}
                 --kernel "${D86_GUESTS}/${kernel}" --initrd "${D86_GUESTS}/initramfs.gz"
                 --programs "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs" ${ARGN})
    d86_boot_test_properties(${name})
endfunction()

foreach(engine IN ITEMS interp sbe)
    d86_user_test(user_686_${engine} vmlinuz-686 ${engine})
    d86_user_test(user_686_pae_${engine} vmlinuz-686-pae ${engine})
endforeach()

# Both engines at once, checking each other: slow, so with time to spare, and not by default.
d86_user_test(user_686_lockstep vmlinuz-686 lockstep --boot-timeout 390 --timeout 300)
set_tests_properties(user_686_lockstep PROPERTIES LABELS "boot;long" TIMEOUT 1800)

# The benchmark program and its script work; the figures are for docs/measurements.md (see native_bench.py).
add_test(NAME user_bench_smoke
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/native_bench.py"
             --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
             --initrd "${D86_GUESTS}/initramfs.gz" --bench "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs/bench"
             --rounds 1 --milliseconds 10 --engine interp --without-qemu)
d86_boot_test_properties(user_bench_smoke bench)
