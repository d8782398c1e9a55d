#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Linux, 64-bit code: what modify_ldt(2) refuses comes back as a 32-bit number that is not sign-extended. RAX holds
# 00000000_FFFFFFEAh for -EINVAL, so libc's syscall() finds no error: it returns 4294967274 and leaves errno alone.
# (modify_ldt has no wrapper in glibc; its manual page has one call it by syscall(), and -1 as the answer.) Nothing
# but the lower half counts. A refusal by a seccomp filter in the same place is sign-extended as usual. Seen with
# Linux 6.18; arch/x86/kernel/ldt.c of the kernel's source says that this is meant so.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
cat >"$work/ldt.c" <<'PROGRAM'
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    struct user_desc entry = { .entry_number = LDT_ENTRIES, .limit = 0xfff }; /* one more than there are */
    unsigned long rax = SYS_modify_ldt;

    __asm__ volatile("syscall" : "+a"(rax) : "D"(0x11l), "S"(&entry), "d"(sizeof(entry)) : "rcx", "r11", "memory");
    printf("modify_ldt: rax %016lx\n", rax);
    errno = 0;
    long result = syscall(SYS_modify_ldt, 0x11, &entry, sizeof(entry));
    printf("modify_ldt: syscall() returns %ld, errno %d\n", result, errno);
    errno = 0;
    result = syscall(SYS_mprotect, 1, 1, 0);
    printf("mprotect:   syscall() returns %ld, errno %d\n", result, errno);
    return 0;
}
PROGRAM
"${CC:-cc}" -o "$work/ldt" "$work/ldt.c" || cannot "cannot build its program"
echo "Linux $(uname -r)"
"$work/ldt" >"$work/seen"
! grep -q 'rax ffffffffffffff[df]' "$work/seen" || cannot "this kernel, or a filter, gives no process an LDT"
expect <<'EXPECTED'
modify_ldt: rax 00000000ffffffea
modify_ldt: syscall() returns 4294967274, errno 0
mprotect:   syscall() returns -1, errno 22
EXPECTED
