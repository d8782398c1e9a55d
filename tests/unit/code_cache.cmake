# SPDX-License-Identifier: GPL-2.0-or-later
# The code cache, with page walks and scanner, but over records instead of host mappings (unit/code_rig.c):
# so its files are compiled here once more instead of taken from the executor.
set(inplace "${PROJECT_SOURCE_DIR}/monitor/executor/inplace")
add_library(code-rig OBJECT
    "${PROJECT_SOURCE_DIR}/monitor/executor/memory/paging.c"
    "${PROJECT_SOURCE_DIR}/monitor/executor/memory/paging_seen.c"
    ${inplace}/code_audit.c ${inplace}/code_cache.c ${inplace}/code_exposed.c ${inplace}/code_map.c ${inplace}/code_mode.c
    ${inplace}/code_nexus.c ${inplace}/code_trap.c ${inplace}/code_write.c
    unit/code_rig.c)
d86_sees(code-rig PUBLIC d86-executor-inplace)
target_link_libraries(code-rig PRIVATE d86-warnings PkgConfig::CHECK)

foreach(suite IN ITEMS code_cache code_link code_nexus code_random code_write)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES code-rig d86-translator TIMEOUT 120)
endforeach()
