# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of shadow paging. The shadow and the page walks run alone, on a vCPU made by shadow_rig.c, so they are
# compiled here once more instead of taken from the executor.
set(executor "${PROJECT_SOURCE_DIR}/monitor/executor")
add_library(shadow-rig OBJECT
    ${executor}/paging.c ${executor}/shadow.c ${executor}/shadow_audit.c ${executor}/shadow_table.c
    unit/shadow_rig.c)
target_include_directories(shadow-rig PUBLIC ${executor} ${CMAKE_CURRENT_SOURCE_DIR}/unit)
target_link_libraries(shadow-rig PRIVATE d86-warnings)

d86_unit_test(test_shadow SOURCES unit/test_shadow.c unit/shadow_space.c LIBRARIES shadow-rig)
d86_unit_test(test_shadow_random SOURCES unit/test_shadow_random.c unit/shadow_space.c LIBRARIES shadow-rig
              TIMEOUT 120)
