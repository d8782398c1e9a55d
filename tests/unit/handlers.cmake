# SPDX-License-Identifier: GPL-2.0-or-later
# Every handler of the executor, linked with the executor and nothing of the library. unwind.S is compiled here once
# more, since the rig comes before unwind_to().
d86_unit_test(test_handlers
    SOURCES unit/test_handlers.c unit/handlers_rig.c "${PROJECT_SOURCE_DIR}/monitor/executor/host/unwind.S"
    LIBRARIES d86-executor PkgConfig::LIBELF
    SEES d86-executor-interpreter
    TIMEOUT 300)
target_compile_definitions(test_handlers PRIVATE "$<$<COMPILE_LANGUAGE:ASM>:unwind_to=unwind_for_real>")
