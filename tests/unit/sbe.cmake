# SPDX-License-Identifier: GPL-2.0-or-later
# The engine sbe through the public API. Sanitizer builds do not have it.
if(NOT D86_SANITIZE)
    find_package(Threads REQUIRED)
    d86_unit_test(test_sbe SOURCES unit/test_sbe.c LIBRARIES d86-library SEES d86-executor-engine)
    d86_unit_test(test_lockstep SOURCES unit/test_lockstep.c LIBRARIES d86-library SEES d86-executor-engine)
    d86_unit_test(test_discard SOURCES unit/test_discard.c LIBRARIES d86-library TIMEOUT 240)
    d86_unit_test(test_a20 SOURCES unit/test_a20.c LIBRARIES d86-library)
    d86_unit_test(test_sbe_kick SOURCES unit/test_sbe_kick.c LIBRARIES d86-library Threads::Threads
                  TIMEOUT 240)
    d86_unit_test(test_kernel_random SOURCES unit/test_kernel_random.c unit/random_machines.c unit/kernel_gen.c
                  LIBRARIES d86-library Threads::Threads TIMEOUT 300)
    set_tests_properties(test_kernel_random PROPERTIES SKIP_RETURN_CODE 77)
    d86_unit_test(test_kernel_sweep SOURCES unit/test_kernel_sweep.c unit/kernel_gen.c
                  LIBRARIES d86-library SEES d86-executor-engine TIMEOUT 240)
    set_tests_properties(test_kernel_sweep PROPERTIES SKIP_RETURN_CODE 77)
    add_test(NAME test_kernel_sweep_long COMMAND test_kernel_sweep 500 1000)
    set_tests_properties(test_kernel_sweep_long PROPERTIES LABELS "unit;long" TIMEOUT 3600 SKIP_RETURN_CODE 77)
    add_test(NAME test_kernel_random_long COMMAND test_kernel_random 20000 1000000)
    set_tests_properties(test_kernel_random_long PROPERTIES LABELS "unit;long" TIMEOUT 3600 SKIP_RETURN_CODE 77)
    d86_unit_test(test_segmented_random
                  SOURCES unit/test_segmented_random.c unit/random_machines.c unit/segmented_gen.c
                  LIBRARIES d86-library Threads::Threads TIMEOUT 300)
    set_tests_properties(test_segmented_random PROPERTIES SKIP_RETURN_CODE 77)
    add_test(NAME test_segmented_random_long COMMAND test_segmented_random 20000 1000000)
    set_tests_properties(test_segmented_random_long PROPERTIES LABELS "unit;long" TIMEOUT 3600 SKIP_RETURN_CODE 77)
    # Every program by lockstep, too.
    foreach(guest IN ITEMS kernel segmented)
        add_test(NAME test_${guest}_random_lockstep COMMAND test_${guest}_random 2000 2000000 0 1)
        set_tests_properties(test_${guest}_random_lockstep PROPERTIES
                             LABELS "unit;long" TIMEOUT 7200 SKIP_RETURN_CODE 77)
    endforeach()
    add_test(NAME test_sbe_kick_long COMMAND test_sbe_kick 100000)
    set_tests_properties(test_sbe_kick_long PROPERTIES LABELS "unit;long" TIMEOUT 1200)
endif()
