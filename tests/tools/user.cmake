# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of tests/guest_user run on the host and in the distribution's kernels, and must say the same.
# An engine the program or the host refuses is no failure: the test is skipped and prints why.

if(D86_SANITIZE)
    return()
endif()

# Unlike those of boot.cmake they measure nothing, so they may run side by side.
function(d86_user_test_properties name)
    set_tests_properties(${name} PROPERTIES LABELS "boot;${ARGN}" TIMEOUT 400 SKIP_RETURN_CODE 77)
endfunction()

# d86_user_test(<name> <kernel> <engine> [options of user_session.py...])
function(d86_user_test name kernel engine)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/user_session.py"
                 --program $<TARGET_FILE:duplex86> --engine ${engine}
                 --kernel "${D86_GUESTS}/${kernel}" --initrd "${D86_GUESTS}/initramfs.gz"
                 --programs "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs" ${ARGN})
    d86_user_test_properties(${name})
endfunction()

foreach(engine IN ITEMS interp sbe)
    d86_user_test(user_686_${engine} vmlinuz-686 ${engine})
    d86_user_test(user_686_pae_${engine} vmlinuz-686-pae ${engine})
endforeach()

# More code than there are private pages; and more data pages than a process may have mappings, which is slow.
d86_user_test(user_686_sbe_codepages vmlinuz-686 sbe --no-shell --large --only codepages
    --expect-counter code_evictions)
d86_user_test(user_686_sbe_sparse vmlinuz-686 sbe --no-shell --large --only sparse --ram 1500 --timeout 360
    --expect-counter shadow_evictions)
d86_user_test_properties(user_686_sbe_sparse long)

# For an hour or so, with checks.
d86_user_test(user_686_pae_sbe_soak vmlinuz-686-pae sbe --no-shell --large --only soaklong --timeout 7200
    --program-arg=--audit=20000 --expect-counter translation_audits)
d86_user_test_properties(user_686_pae_sbe_soak long)
set_tests_properties(user_686_pae_sbe_soak PROPERTIES TIMEOUT 7300)

# A kernel that patches its functions and takes probes in and out, with checks; and for half an hour.
d86_user_test(user_686_sbe_patching vmlinuz-686 sbe --no-shell --large --only "^patching$" --timeout 300
    --program-arg=--audit=20000 --expect-counter translation_audits)
d86_user_test(user_686_pae_sbe_patching vmlinuz-686-pae sbe --no-shell --large --only "^patchinglong$" --timeout 7200
    --program-arg=--audit=20000 --expect-counter translation_audits)
d86_user_test_properties(user_686_pae_sbe_patching long)
set_tests_properties(user_686_pae_sbe_patching PROPERTIES TIMEOUT 7300)

# The engine checks its mappings while it runs.
d86_user_test(user_686_pae_sbe_audit vmlinuz-686-pae sbe --no-shell --short --timeout 120 --program-arg=--audit=500
    --expect-counter shadow_audits)

# Programs that cross all the time do so by doors, and jumps to any byte of these do no harm.
d86_user_test(user_686_sbe_doors vmlinuz-686 sbe --no-shell --only "^doors$" --program-arg=--audit=500
    --expect-counter native_doors --expect-counter forms_jump)

# Nothing in place: programs are translated as their kernel is. And with checks of what is kept.
d86_user_test(user_686_translated vmlinuz-686 sbe --no-shell --program-arg=--translate=only)
d86_user_test(user_686_pae_translated_audit vmlinuz-686-pae sbe --no-shell --short --timeout 120
    --program-arg=--translate=only --program-arg=--audit=2000 --expect-counter translation_audits)

# Programs that take turns: natively whatever can be, so that the vCPU changes its process all the time; and by what
# pays, with as many processes as there can be, and with one for all.
d86_user_test(user_686_sbe_turns vmlinuz-686 sbe --no-shell --only "^(turns|processes|threads)$" --program-arg=--audit=300
    --expect-counter space_moves --expect-counter moves)
d86_user_test(user_686_pae_sbe_turns_8 vmlinuz-686-pae sbe --no-shell --only "^(turns|processes)$" --weigh --program-arg=--spaces=8
    --expect-counter space_moves)
d86_user_test(user_686_sbe_turns_1 vmlinuz-686 sbe --no-shell --only "^(turns|processes)$" --weigh --program-arg=--spaces=1
    --expect-counter moves)

# One of them is killed, at any moment.
function(d86_kill_test name rounds)
    add_test(NAME ${name}
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/kill_session.py"
                 --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
                 --initrd "${D86_GUESTS}/initramfs.gz" --programs "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs"
                 --rounds ${rounds})
    d86_user_test_properties(${name} ${ARGN})
endfunction()
d86_kill_test(user_686_sbe_kill 5)
d86_kill_test(user_686_sbe_kill_long 60 long)

# Both engines at once, checking each other, at 10 us an instruction: what is quick, and everything.
d86_user_test(user_686_lockstep vmlinuz-686 lockstep --no-shell --short --timeout 120
    --only "^(jit|segments|cpuidtest|places|doors)$")
# As on a host with protection keys, where code and data at one place put each other out.
d86_user_test(user_686_lockstep_keys vmlinuz-686 lockstep --no-shell --short --timeout 120 --only "^places$"
    --program-arg=--simulate-keys --program-arg=--split=segment --expect-counter code_conflicts)
d86_user_test(user_686_lockstep_all vmlinuz-686 lockstep --boot-timeout 390 --timeout 600)
d86_user_test(user_686_pae_lockstep_all vmlinuz-686-pae lockstep --no-shell --timeout 600)
foreach(name IN ITEMS user_686_lockstep_all user_686_pae_lockstep_all)
    d86_user_test_properties(${name} long)
    set_tests_properties(${name} PROPERTIES TIMEOUT 3600)
endforeach()

# The benchmark program and its script work; the figures are for docs/measurements.md (see native_bench.py).
add_test(NAME user_bench_smoke
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/native_bench.py"
             --program $<TARGET_FILE:duplex86> --kernel "${D86_GUESTS}/vmlinuz-686"
             --initrd "${D86_GUESTS}/initramfs.gz" --bench "${CMAKE_CURRENT_BINARY_DIR}/guest_user/programs/bench"
             --rounds 1 --milliseconds 10 --engine interp --without-qemu)
d86_user_test_properties(user_bench_smoke bench)
