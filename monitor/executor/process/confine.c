/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's seccomp filter. It is the last line: what the scanner, the split and the shadow tables miss
 * must end here, so a process that guest code has taken over still has nothing but its own virtual machine.
 * Executor process. seccomp(2); Linux, Documentation/userspace-api/seccomp_filter.rst.
 */
#include "confine.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "../../library/arena.h"
#include "channel.h"
#include "helper/duplex86_tlb.h"
#include "host.h"

/* Start of the image's text and its end, from the linker. */
extern const char __executable_start[], etext[];

/* ---- Writing a filter ---------------------------------------------------------------------------------- */

enum { FILTER_MAX = 128 };

struct filter {
    struct sock_filter insn[FILTER_MAX];
    unsigned count;
};

static void emit(struct filter *f, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    if (f->count < FILTER_MAX)
        f->insn[f->count++] = (struct sock_filter){ code, if_true, if_false, k };
}

static void load(struct filter *f, unsigned offset)
{
    emit(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void verdict(struct filter *f, uint32_t action)
{
    emit(f, BPF_RET | BPF_K, action, 0, 0);
}

/* A condition on what was loaded last: when it fails, `action`. */
static void unless(struct filter *f, uint16_t jump, uint32_t k, uint32_t action)
{
    emit(f, BPF_JMP | BPF_K | jump, k, 1, 0);
    verdict(f, action);
}

static void unless_not(struct filter *f, uint16_t jump, uint32_t k, uint32_t action)
{
    emit(f, BPF_JMP | BPF_K | jump, k, 0, 1);
    verdict(f, action);
}

static unsigned argument(unsigned n, bool high)
{
    return (unsigned)offsetof(struct seccomp_data, args) + 8 * n + (high ? 4 : 0);
}

/* ---- The rules -------------------------------------------------------------------------------------------
 */

/*
 * From this image's text only, in the 64-bit way. Addresses are compared by their upper halves (the image is
 * smaller than 4 GiB and does not cross such a boundary) and then by the lower ones.
 */
static void rule_origin(struct filter *f)
{
    uint64_t start = (uint64_t)(uintptr_t)__executable_start, end = (uint64_t)(uintptr_t)etext;
    load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
    unless(f, BPF_JEQ, (uint32_t)(start >> 32), SECCOMP_RET_TRAP);
    load(f, offsetof(struct seccomp_data, instruction_pointer));
    unless(f, BPF_JGE, (uint32_t)start, SECCOMP_RET_TRAP);
    unless_not(f, BPF_JGE, (uint32_t)end, SECCOMP_RET_TRAP);
    load(f, offsetof(struct seccomp_data, arch));
    unless(f, BPF_JEQ, AUDIT_ARCH_X86_64, SECCOMP_RET_KILL_PROCESS);
}

static void rule_allow(struct filter *f, uint32_t number)
{
    load(f, offsetof(struct seccomp_data, nr));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    verdict(f, SECCOMP_RET_ALLOW);
}

/* Leave out the rules up to patch_skip() for other system calls. */
static unsigned only_for(struct filter *f, uint32_t number)
{
    load(f, offsetof(struct seccomp_data, nr));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 0);
    return f->count - 1;
}

static void patch_skip(struct filter *f, unsigned at)
{
    f->insn[at].jf = (uint8_t)(f->count - at - 1);
}

/* Where the guest is: below 4 GiB, or in the windows of translated code. */
static void rule_place(struct filter *f)
{
    load(f, argument(0, true));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0);
    unless(f, BPF_JGE, (uint32_t)(SYSTEM_WINDOW(0) >> 32), SECCOMP_RET_KILL_PROCESS);
    unless_not(f, BPF_JGE, (uint32_t)(SYSTEM_WINDOW(SYSTEM_SPACES) >> 32), SECCOMP_RET_KILL_PROCESS);
}

/* What is executable lies below 4 GiB. */
static void rule_executable_place(struct filter *f)
{
    load(f, argument(2, false));
    emit(f, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 3);
    load(f, argument(0, true));
    unless(f, BPF_JEQ, 0, SECCOMP_RET_KILL_PROCESS);
}

/* There, and never writable and executable at once, nor executable at all without `exec`. */
static void rule_range(struct filter *f, bool exec)
{
    rule_place(f);
    rule_executable_place(f);
    load(f, argument(1, true));
    unless(f, BPF_JEQ, 0, SECCOMP_RET_KILL_PROCESS);
    load(f, argument(2, false));
    if (exec) {
        emit(f, BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC, 0, 0);
        unless_not(f, BPF_JEQ, PROT_WRITE | PROT_EXEC, SECCOMP_RET_KILL_PROCESS);
    } else {
        unless_not(f, BPF_JSET, PROT_EXEC, SECCOMP_RET_KILL_PROCESS);
    }
}

static void rules_native(struct filter *f)
{
    unsigned skip = only_for(f, __NR_mmap);
    rule_range(f, true);
    load(f, argument(3, false));
    emit(f, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)MAP_POPULATE, 0, 0);
    unless(f, BPF_JEQ, MAP_SHARED | MAP_FIXED, SECCOMP_RET_KILL_PROCESS);
    verdict(f, SECCOMP_RET_ALLOW);
    patch_skip(f, skip);

    skip = only_for(f, __NR_mprotect);
    rule_range(f, false);
    verdict(f, SECCOMP_RET_ALLOW);
    patch_skip(f, skip);

    skip = only_for(f, __NR_pkey_mprotect);
    rule_range(f, true);
    verdict(f, SECCOMP_RET_ALLOW);
    patch_skip(f, skip);

    skip = only_for(f, __NR_munmap);
    rule_place(f);
    verdict(f, SECCOMP_RET_ALLOW);
    patch_skip(f, skip);

    rule_allow(f, __NR_rt_sigaction); /* to die of a signal: native.c */
    rule_allow(f, __NR_modify_ldt);
}

/* The split `tlb`: priming a page and settling it, by the ring-0 helper's device, which shows this process
 * its own only. */
static void rule_helper(struct filter *f)
{
    unsigned skip = only_for(f, __NR_ioctl);
    load(f, argument(0, false));
    unless(f, BPF_JEQ, CHANNEL_FD_TLB, SECCOMP_RET_KILL_PROCESS);
    load(f, argument(1, false));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, D86_TLB_SETTLE, 2, 0);
    unless(f, BPF_JEQ, D86_TLB_PRIME, SECCOMP_RET_KILL_PROCESS);
    verdict(f, SECCOMP_RET_ALLOW);
    patch_skip(f, skip);
}

/*
 * SPEC_ALLOW: kernels before 5.16 otherwise switch off speculative store bypass for whoever has a filter,
 * which slows all guest code down and protects nobody: the process holds nothing but the guest's own.
 */
int confine(bool native, bool primed)
{
    static struct filter f; /* not on the stack: it is large */
    f.count = 0;
    rule_origin(&f);
    rule_allow(&f, __NR_rt_sigreturn); /* the most frequent one */
    rule_allow(&f, __NR_futex);
    rule_allow(&f, __NR_timer_settime);
    rule_allow(&f, __NR_clock_gettime);
    if (native)
        rules_native(&f);
    if (primed)
        rule_helper(&f);
    rule_allow(&f, __NR_exit_group);
    verdict(&f, SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog program = { (unsigned short)f.count, f.insn };
    int result = host_call_int(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    if (result == 0)
        result = host_call_int(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                               (long)&program, 0, 0, 0);
    return result;
}

/* ---- Breaking it on purpose ---------------------------------------------------------------------------- */

static void int80_getpid(void)
{
    long result = 20;
    __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
}

/* FUTEX_WAKE by a SYSCALL instruction that is not in the image: `syscall; ret` in the arena's executable
 * part. */
static void foreign_futex(struct arena *arena)
{
    uint64_t *slot = &arena->native_code[ARENA_NATIVE_SLOTS - 1];
    const void *text = &arena->native.text[ARENA_NATIVE_SLOTS - 1];
    *slot = 0xc3050f;
    long result = __NR_futex;
    __asm__ volatile("call *%[text]"
                     : "+a"(result)
                     : [text] "r"(text), "D"(&arena->channel.turn), "S"((long)FUTEX_WAKE), "d"(0l)
                     : "rcx", "r11", "memory");
}

void confine_subvert(struct arena *arena, unsigned what)
{
    const struct {
        unsigned what;
        long number, a, b, c;
    } calls[] = {
        { CHANNEL_OPEN_FILE, __NR_openat, -100 /* AT_FDCWD */, (long)"/etc/passwd", 0 },
        { CHANNEL_SOCKET, __NR_socket, 2 /* AF_INET */, 1 /* SOCK_STREAM */, 0 },
        { CHANNEL_EXECVE, __NR_execve, (long)"/bin/true", 0, 0 },
        { CHANNEL_FORK, __NR_clone, 17 /* SIGCHLD */, 0, 0 },
        { CHANNEL_KILL, __NR_kill, 1, 0, 0 },
        { CHANNEL_PTRACE, __NR_ptrace, 16 /* PTRACE_ATTACH */, 1, 0 },
        { CHANNEL_READ_PROCESS, __NR_process_vm_readv, 1, 0, 0 },
        { CHANNEL_MEMFD, __NR_memfd_create, (long)"x", 0, 0 },
        { CHANNEL_READ_LIFELINE, __NR_read, CHANNEL_FD_LIFELINE, (long)&arena->channel.start_error, 1 },
    };
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].what == what)
            host_call(calls[i].number, calls[i].a, calls[i].b, calls[i].c, 0, 0, 0);
    }
    if (what == CHANNEL_INT80)
        int80_getpid();
    if (what == CHANNEL_FOREIGN_TEXT)
        foreign_futex(arena);
}
