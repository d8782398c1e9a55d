# SPDX-License-Identifier: GPL-2.0-or-later
# What is kept of translated code, with the generator and page walks, but without the executor around it.
set(executor "${PROJECT_SOURCE_DIR}/monitor/executor")
d86_unit_test(test_translation
              SOURCES unit/test_translation.c ${executor}/memory/paging.c ${executor}/memory/paging_seen.c
                      ${executor}/translated/translation.c
                      ${executor}/translated/translation_apart.c ${executor}/translated/translation_audit.c ${executor}/translated/translation_link.c ${executor}/translated/translation_place.c
                      ${executor}/translated/translation_space.c
              LIBRARIES d86-translator SEES d86-executor-translated TIMEOUT 120)
