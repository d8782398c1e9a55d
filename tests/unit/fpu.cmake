# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of the executor's FP and SIMD handlers. The handlers run alone, on a vCPU made by
# fpu_rig_guest.c, so they are compiled here once more instead of taken from the executor.
set(executor "${PROJECT_SOURCE_DIR}/monitor/executor")
add_library(fpu-rig OBJECT
    ${executor}/fpu.c ${executor}/fpu_env.c ${executor}/fpu_x87.c ${executor}/simd.c
    ${executor}/simd_math.c ${executor}/simd_misc.c ${executor}/unwind.S
    unit/fpu_rig_guest.c)
target_compile_options(fpu-rig PRIVATE
    "$<$<COMPILE_LANGUAGE:C>:-fno-stack-protector;-mgeneral-regs-only>" -fcf-protection=none)
target_include_directories(fpu-rig PRIVATE ${executor})
target_link_libraries(fpu-rig PRIVATE d86-warnings)

d86_unit_test(test_fpu SOURCES unit/test_fpu.c unit/fpu_rig_host.c
              LIBRARIES fpu-rig d86-translator TIMEOUT 120)
d86_unit_test(test_fpu_state SOURCES unit/test_fpu_state.c LIBRARIES fpu-rig d86-translator)
# The suite provokes signals and catches them itself.
set_tests_properties(test_fpu PROPERTIES
    ENVIRONMENT "ASAN_OPTIONS=handle_segv=0:handle_sigfpe=0:handle_sigill=0:handle_sigbus=0")
