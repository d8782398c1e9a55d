# SPDX-License-Identifier: GPL-2.0-or-later
# Helpers for tests/. Labels: unit, guest, boot, oracle, docs; `long` marks what the default run leaves out.

if(D86_TESTS)
    pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
    find_package(Python3 3.8 REQUIRED COMPONENTS Interpreter)
endif()

# One suite of the unit tests (a program using `check`), registered under its own name.
#
#   d86_unit_test(test_i8254 SOURCES unit/test_i8254.c LIBRARIES d86-devices)
#
# INCLUDES names folders whose private headers the suite needs, ARGS what the program is called
# with, LABELS replaces the label `unit`, TIMEOUT is in seconds (60 unless said). A suite whose libraries do
# not exist yet is left out, so folders may arrive one by one.
function(d86_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBRARIES;INCLUDES;ARGS;LABELS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "d86_unit_test(${name}): do not know '${arg_UNPARSED_ARGUMENTS}'")
    endif()
    foreach(library IN LISTS arg_LIBRARIES)
        if(library MATCHES "^d86-" AND NOT TARGET ${library})
            message(STATUS "Suite ${name} waits for ${library}: skipped")
            return()
        endif()
    endforeach()
    foreach(source IN LISTS arg_SOURCES)
        if(NOT IS_ABSOLUTE "${source}" AND NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
            message(STATUS "Suite ${name} waits for ${source}: skipped")
            return()
        endif()
    endforeach()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${arg_INCLUDES})
    target_link_libraries(${name} PRIVATE d86-warnings ${arg_LIBRARIES} PkgConfig::CHECK)
    add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
