# SPDX-License-Identifier: GPL-2.0-or-later
# What a builder may choose, and the flags that follow from it.

option(D86_WERROR "Treat warnings as errors (on in the dev and ci presets)" OFF)
option(D86_TESTS "Build the tests" ON)
option(D86_STATIC_LIBRARY "Install a static libduplex86.a beside the shared one" OFF)
option(D86_SDL "Show the guest's screen in a window, by SDL 2 (--display sdl)" ON)
set(D86_SANITIZE "" CACHE STRING
    "Sanitizers to build with, as -fsanitize= takes them, e.g. address,undefined")
set(D86_GUESTS "${PROJECT_SOURCE_DIR}/build/guests" CACHE PATH
    "Folder with the guest kernels and initramfs that './setup guests' makes; tests boot them")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Static helper libraries end up in the shared library, so everything is position-independent.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# The installed program finds the library beside it, whatever the prefix.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
# CMake's default for RelWithDebInfo adds -DNDEBUG; invariants stay checked in what we ship.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_ASM_FLAGS_RELWITHDEBINFO "-g")

add_library(d86-warnings INTERFACE)
target_compile_options(d86-warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes>"
    "$<$<COMPILE_LANGUAGE:C>:-Wpointer-arith;-Wundef;-Wvla>"
    "$<$<AND:$<BOOL:${D86_WERROR}>,$<COMPILE_LANGUAGE:C>>:-Werror>")

if(D86_SANITIZE)
    # A sanitizer report ends the program, so that a test which provokes one fails.
    add_compile_options(-fsanitize=${D86_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${D86_SANITIZE})
    # Code that must know (it maps fixed addresses, or times itself) asks with #ifdef.
    add_compile_definitions(D86_SANITIZED=1)
endif()
