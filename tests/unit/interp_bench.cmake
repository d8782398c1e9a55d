# SPDX-License-Identifier: GPL-2.0-or-later
# What the interpreter does in a second (docs/measurements.md). Built only when asked for, since the guest needs a
# compiler that knows -m32:
#
#   cmake --build build --target interp_bench && build/tests/interp_bench build/tests/guest_integer.bin
if(TARGET d86-library)
    set(bench_guest "${CMAKE_CURRENT_BINARY_DIR}/guest_integer.bin")
    add_custom_command(OUTPUT "${bench_guest}"
        COMMAND "${CMAKE_C_COMPILER}" -m32 -march=pentium2 -O2 -ffreestanding -fno-pic -no-pie -fno-stack-protector
                -fcf-protection=none -nostdlib -static -Wl,--build-id=none
                -T "${CMAKE_CURRENT_SOURCE_DIR}/bench/guest.ld" -o "${bench_guest}"
                "${CMAKE_CURRENT_SOURCE_DIR}/bench/guest_integer.c"
        DEPENDS bench/guest_integer.c bench/guest.ld
        COMMENT "Building the interpreter's benchmark guest")
    add_custom_target(guest_integer DEPENDS "${bench_guest}")
    add_executable(interp_bench EXCLUDE_FROM_ALL bench/interp_bench.c)
    target_link_libraries(interp_bench PRIVATE d86-warnings d86-library)
    add_dependencies(interp_bench guest_integer)
endif()
