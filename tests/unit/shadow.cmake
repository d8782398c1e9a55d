# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of shadow paging. The shadow and the page walks run alone, on a vCPU made by shadow_rig.c, so they are
# compiled here once more instead of taken from the executor.
set(inplace "${PROJECT_SOURCE_DIR}/monitor/executor/inplace")
add_library(shadow-rig OBJECT
    "${PROJECT_SOURCE_DIR}/monitor/executor/memory/paging.c"
    "${PROJECT_SOURCE_DIR}/monitor/executor/memory/paging_seen.c"
    "${PROJECT_SOURCE_DIR}/monitor/executor/translated/system_space.c"
    ${inplace}/shadow.c ${inplace}/shadow_audit.c ${inplace}/shadow_table.c
    unit/shadow_rig.c)
target_include_directories(shadow-rig PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/unit)
d86_sees(shadow-rig PUBLIC d86-executor-translated)
target_link_libraries(shadow-rig PRIVATE d86-warnings)

d86_unit_test(test_shadow SOURCES unit/test_shadow.c unit/shadow_space.c LIBRARIES shadow-rig)
d86_unit_test(test_shadow_random SOURCES unit/test_shadow_random.c unit/shadow_space.c LIBRARIES shadow-rig
              TIMEOUT 120)
d86_unit_test(test_system_space SOURCES unit/test_system_space.c LIBRARIES shadow-rig
              TIMEOUT 200)

# The pool of address spaces, and the lists for processes that sleep, over the system calls of the suite's own.
add_library(pool-space OBJECT "${PROJECT_SOURCE_DIR}/monitor/executor/process/space.c")
d86_sees(pool-space PRIVATE d86-executor-process)
target_compile_options(pool-space PRIVATE -include "${CMAKE_CURRENT_SOURCE_DIR}/unit/pool_host.h")
target_link_libraries(pool-space PRIVATE d86-warnings)
d86_unit_test(test_pool SOURCES unit/test_pool.c "${PROJECT_SOURCE_DIR}/monitor/executor/engine/pool.c"
              LIBRARIES shadow-rig pool-space SEES d86-executor-process TIMEOUT 200)
