/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's system calls without a libc: raw, returning -errno. Executor side; the oracle's native side,
 * which may not touch errno either, has it from here.
 */
#pragma once

#include <asm/unistd.h>

static inline long host_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/*
 * A system call whose result is an int: all that do not return an address or a size. Of RAX the lower half
 * counts then, and nothing else: the kernel gives 64-bit code what modify_ldt() refuses as 00000000_FFFFFFEAh
 * (-EINVAL), a seccomp filter in its place as FFFFFFFF_FFFFFFEAh. So a libc takes the former for success, and
 * `< 0` does.
 */
static inline int host_call_int(long number, long a, long b, long c, long d, long e, long f)
{
    return (int)host_call(number, a, b, c, d, e, f);
}
