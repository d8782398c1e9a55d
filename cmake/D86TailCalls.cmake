# SPDX-License-Identifier: GPL-2.0-or-later
# May the executor's handlers go on to each other by tail calls (docs/architecture.md, "Threaded dispatch")? Only if the
# compiler makes jumps of them, or each instruction of the guest leaves something on the stack. No macro of the
# compiler's tells: __OPTIMIZE__ is set for -Og and -O1, too, where GCC and clang call. So it is tried, with the
# flags of this build. Where they call, or where that cannot be tried, handlers return to a loop: slower, and as right.

set(D86_THREADED 0)
if(NOT D86_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
    add_compile_options("$<$<COMPILE_LANGUAGE:C>:-foptimize-sibling-calls>") # not among -O1's otherwise
    unset(tail_calls_compiled CACHE)
    unset(tail_calls_run CACHE)
    set(CMAKE_TRY_COMPILE_CONFIGURATION "${CMAKE_BUILD_TYPE}")
    try_run(tail_calls_run tail_calls_compiled
        "${PROJECT_BINARY_DIR}/tail_calls" "${PROJECT_SOURCE_DIR}/cmake/tail_calls.c"
        COMPILE_DEFINITIONS -foptimize-sibling-calls)
    unset(CMAKE_TRY_COMPILE_CONFIGURATION)
    if(tail_calls_compiled AND tail_calls_run EQUAL 0)
        set(D86_THREADED 1)
    else()
        message(STATUS "Without tail calls, which these compiler flags do not give: the interpreter is slower")
    endif()
endif()
add_compile_definitions("$<$<COMPILE_LANGUAGE:C>:D86_THREADED=${D86_THREADED}>")
