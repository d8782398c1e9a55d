# SPDX-License-Identifier: GPL-2.0-or-later
# The code cache, with page walks and scanner, but over records instead of host mappings (unit/code_rig.c):
# so its files are compiled here once more instead of taken from the executor.
set(executor "${PROJECT_SOURCE_DIR}/monitor/executor")
add_library(code-rig OBJECT
    ${executor}/code_audit.c ${executor}/code_cache.c ${executor}/code_exposed.c ${executor}/code_map.c ${executor}/code_mode.c
    ${executor}/code_nexus.c ${executor}/code_trap.c ${executor}/code_write.c ${executor}/paging.c
    unit/code_rig.c)
target_include_directories(code-rig PUBLIC ${executor})
target_link_libraries(code-rig PRIVATE d86-warnings PkgConfig::CHECK)

foreach(suite IN ITEMS code_cache code_link code_nexus code_random code_write)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES code-rig d86-translator
                  INCLUDES ${executor} TIMEOUT 120)
endforeach()
