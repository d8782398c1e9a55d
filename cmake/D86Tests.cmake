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
# INCLUDES names folders whose private headers the suite needs, SEES rooms (cmake/D86Rooms.cmake), ARGS what the program is called
# with, LABELS replaces the label `unit`, TIMEOUT is in seconds (60 unless said).
function(d86_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBRARIES;INCLUDES;SEES;ARGS;LABELS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "d86_unit_test(${name}): do not know '${arg_UNPARSED_ARGUMENTS}'")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${arg_INCLUDES})
    d86_sees(${name} PRIVATE ${arg_SEES})
    target_link_libraries(${name} PRIVATE d86-warnings ${arg_LIBRARIES} PkgConfig::CHECK)
    add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
