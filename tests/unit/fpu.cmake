# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of the executor's FP and SIMD handlers. The handlers run alone, on a vCPU made by
# fpu_rig_guest.c, so they are compiled here once more instead of taken from the executor.
set(interpreter "${PROJECT_SOURCE_DIR}/monitor/executor/interpreter")
add_library(fpu-rig OBJECT
    ${interpreter}/fpu.c ${interpreter}/fpu_env.c ${interpreter}/fpu_x87.c ${interpreter}/simd.c
    ${interpreter}/simd_math.c ${interpreter}/simd_misc.c "${PROJECT_SOURCE_DIR}/monitor/executor/host/unwind.S"
    unit/fpu_rig_guest.c)
target_compile_options(fpu-rig PRIVATE
    "$<$<COMPILE_LANGUAGE:C>:-fno-stack-protector;-mgeneral-regs-only>" -fcf-protection=none)
d86_sees(fpu-rig PRIVATE d86-executor-interpreter)
target_link_libraries(fpu-rig PRIVATE d86-warnings)

d86_unit_test(test_fpu SOURCES unit/test_fpu.c unit/fpu_rig_host.c
              LIBRARIES fpu-rig d86-translator TIMEOUT 120)
d86_unit_test(test_fpu_state SOURCES unit/test_fpu_state.c LIBRARIES fpu-rig d86-translator)
# The suite provokes signals and catches them itself.
set_tests_properties(test_fpu PROPERTIES
    ENVIRONMENT "ASAN_OPTIONS=handle_segv=0:handle_sigfpe=0:handle_sigill=0:handle_sigbus=0")
