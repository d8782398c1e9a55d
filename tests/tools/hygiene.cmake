# SPDX-License-Identifier: GPL-2.0-or-later
# Rules that no compiler checks.

add_test(NAME docs_name_existing_paths
         COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/check_docs.py"
             "${PROJECT_SOURCE_DIR}")
set_tests_properties(docs_name_existing_paths PROPERTIES LABELS docs)

# A sanitizer adds calls of its own.
if(NOT D86_SANITIZE)
    add_test(NAME translator_needs_no_libc
             COMMAND "${PROJECT_SOURCE_DIR}/tests/tools/check_undefined.sh" library
                 $<TARGET_FILE:d86-translator>)
    set_tests_properties(translator_needs_no_libc PROPERTIES LABELS unit)
    add_test(NAME executor_needs_no_libc
             COMMAND "${PROJECT_SOURCE_DIR}/tests/tools/check_undefined.sh" image
                 "$<TARGET_OBJECTS:d86-executor>" "$<TARGET_OBJECTS:d86-translator>" "$<TARGET_OBJECTS:d86-near>"
             COMMAND_EXPAND_LISTS)
    set_tests_properties(executor_needs_no_libc PROPERTIES LABELS unit)
endif()
