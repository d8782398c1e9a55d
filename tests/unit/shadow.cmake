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
