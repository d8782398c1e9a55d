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
                 $<TARGET_FILE:d86-executor> $<TARGET_FILE:d86-translator> $<TARGET_FILE:d86-near>)
    set_tests_properties(executor_needs_no_libc PROPERTIES LABELS unit)
    get_target_property(rooms d86-executor D86_ROOMS)
    list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
    add_test(NAME rooms_call_up_as_documented
             COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/tools/check_rooms.py" "${PROJECT_SOURCE_DIR}"
                 ${objects}
             COMMAND_EXPAND_LISTS)
    set_tests_properties(rooms_call_up_as_documented PROPERTIES LABELS "unit;docs")
endif()

# Only where handlers are to jump to each other at all (cmake/D86TailCalls.cmake).
if(D86_THREADED)
    set(check_handlers "${CMAKE_COMMAND}" -E env "OBJDUMP=${CMAKE_OBJDUMP}"
        "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tests/tools/check_handlers.py")
    add_test(NAME handlers_jump
             COMMAND ${check_handlers} --at-least 900
                 $<TARGET_FILE:d86-executor-image> $<TARGET_FILE:d86-library>)
    # The check finds what it is for.
    add_library(handlers-that-call MODULE tools/handlers_that_call.c)
    d86_sees(handlers-that-call PRIVATE d86-executor-interpreter)
    target_link_libraries(handlers-that-call PRIVATE d86-warnings)
    d86_freestanding(handlers-that-call)
    add_test(NAME handlers_jump_finds_calls COMMAND ${check_handlers} $<TARGET_FILE:handlers-that-call>)
    set_tests_properties(handlers_jump_finds_calls PROPERTIES PASS_REGULAR_EXPRESSION
        "uop_calls_another calls the handler uop_keeps_a_local.*uop_keeps_a_local ends in a call.*4 handlers")
    set_tests_properties(handlers_jump handlers_jump_finds_calls PROPERTIES LABELS unit)
endif()
