/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C half of native entry: signal set-up, and the handler that turns a signal in guest code into a return
 * of native_enter(). Executor process; the other half is native_entry.S.
 *
 * The executor has no thread-local storage, so the guest's FS and GS may stay loaded in the handler. The
 * kernel saved the guest's FP state in the signal frame, from where native_go_on() takes it back.
 */
#include "native.h"

#include <asm/errno.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>

#include "channel.h"
#include "deadline.h"
#include "executor.h"
#include "host.h"
#include "host_segments.h"
#include "translator/scan.h"

struct native_frame {
    uint64_t rsp;
    const char *door; /* native_door: set by native_switch() */
    uint32_t gpr[8];
    uint32_t eip, eflags;
    uint32_t es, cs, ss, ds, fs, gs;
    uint64_t fs_base, gs_base;
    uint32_t set_fs, set_gs;
    const uint32_t *pending;
    uint32_t load_all, load_gs;
    uint32_t far_eip;
    uint16_t far_cs;
};

_Static_assert(offsetof(struct native_frame, gpr) == 16 && offsetof(struct native_frame, eip) == 48 &&
                   offsetof(struct native_frame, es) == 56 && offsetof(struct native_frame, fs_base) == 80 &&
                   offsetof(struct native_frame, set_fs) == 96 &&
                   offsetof(struct native_frame, pending) == 104 &&
                   offsetof(struct native_frame, load_all) == 112 &&
                   offsetof(struct native_frame, load_gs) == 116 &&
                   offsetof(struct native_frame, far_eip) == 120 &&
                   offsetof(struct native_frame, far_cs) == 124 &&
                   offsetof(struct native_frame, door) == SCAN_DOOR_OFFSET,
               "native_entry.S");

_Static_assert(offsetof(struct ucontext, uc_mcontext) == 40 && offsetof(struct sigcontext, eflags) == 136,
               "native_entry.S");

enum { SWITCH_CANCELLED, SWITCH_SIGNAL, SWITCH_DOOR };
int native_switch(struct native_frame *f);
extern const char native_window[], native_window_end[], native_return[];
void native_handler(int signal, siginfo_t *info, void *context);
void native_restorer(void);
void native_signal(int signal, const siginfo_t *info, struct ucontext *context);
NORETURN void native_go_on(const char *where, uint64_t rsp, const void *fpu, uint64_t r15);

/* The kernel's own layout of struct sigaction on x86-64. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* Of the one vCPU of this process. */
static struct {
    struct native_frame frame;
    struct native_trap trap;
    uint32_t *native;
    uint64_t loaded; /* host_segments_written() when segment registers were loaded */
    bool gave_up;    /* a signal came before they were */
} run;

/* The XSAVE area of the largest host state is some 11 KiB. */
static _Alignas(64) uint8_t signal_stack[64 << 10];

/* ---- The handler ----------------------------------------------------------------------------------- */

/* A signal that says nothing about the guest: the executor itself is broken, or was escaped into. Die of it.
 */
static void die_of(int signal)
{
    const struct kernel_sigaction fatal = { .restorer = native_restorer, .flags = 0x04000000ul };
    host_call(__NR_rt_sigaction, signal, (long)&fatal, 0, sizeof(fatal.mask), 0, 0);
}

static void registers_from(const struct sigcontext *c)
{
    struct native_frame *f = &run.frame;
    f->gpr[X86_EAX] = (uint32_t)c->rax;
    f->gpr[X86_ECX] = (uint32_t)c->rcx;
    f->gpr[X86_EDX] = (uint32_t)c->rdx;
    f->gpr[X86_EBX] = (uint32_t)c->rbx;
    f->gpr[X86_ESP] = (uint32_t)c->rsp;
    f->gpr[X86_EBP] = (uint32_t)c->rbp;
    f->gpr[X86_ESI] = (uint32_t)c->rsi;
    f->gpr[X86_EDI] = (uint32_t)c->rdi;
    f->eip = (uint32_t)c->rip;
    f->eflags = (uint32_t)c->eflags;
}

/* Does the signal come from outside, for the run to end? */
static bool is_kick(int signal)
{
    return signal == CHANNEL_KICK_SIGNAL || signal == DEADLINE_SIGNAL;
}

/* What a signal in guest code was. */
static void trap_from(int signal, const struct sigcontext *c)
{
    struct native_trap *t = &run.trap;
    t->vector = (uint8_t)c->trapno;
    t->error = (uint32_t)c->err;
    t->address = c->cr2;
    t->cause = NATIVE_FAULT;
    if (is_kick(signal)) {
        t->cause = NATIVE_KICK;
    } else if (signal == SIGSYS) {
        /* EIP is behind the instruction; INT 80, SYSCALL and SYSENTER are all two bytes long. */
        t->cause = NATIVE_SYSCALL;
        run.frame.eip -= 2;
    } else if (t->vector == X86_BP || t->vector == X86_VEC_OF) {
        run.frame.eip--; /* traps: EIP is behind INT3 or INTO */
    }
}

static bool in_window(uint64_t rip)
{
    return rip - (uintptr_t)native_window < (uintptr_t)(native_window_end - native_window);
}

/*
 * The guest's x87 and SSE state in a signal's frame, as FXRSTOR wants it: the frame is an XSAVE area, whose
 * first part Linux always fills in. NULL: there is none.
 */
static const void *frame_fpu(const struct sigcontext *c)
{
    return c->fpstate;
}

void native_leave(struct sigcontext *c, const char *where, uint64_t rsp, uint64_t r15)
{
    const void *fpu = frame_fpu(c);
    if (fpu)
        native_go_on(where, rsp, fpu, r15);
    c->rip = (uintptr_t)where;
    c->rsp = rsp;
    c->r15 = r15;
    c->eflags = X86_FLAGS_ONE | X86_IF;
    c->cs = HOST_CODE64;
    c->ss = HOST_FLAT_DATA;
}

/* A handler that was interrupted knows what it does: it will look at what is pending, or who comes after it.
 */
static bool met_a_handler(const struct sigcontext *c)
{
    return c->cs == HOST_CODE64 && c->rsp - (uint64_t)(uintptr_t)signal_stack < sizeof(signal_stack);
}

/*
 * Guest code, or the 64-bit half of a door, where the guest's registers still are in the processor and its
 * instruction is not done. Nothing else lies below 4 GiB, but a call of ours that goes astray might lead
 * there.
 */
static bool met_guest(const struct sigcontext *c)
{
    return c->cs != HOST_CODE64 || (c->rip <= UINT32_MAX && run.native && *run.native);
}

void native_signal(int signal, const siginfo_t *info, struct ucontext *context)
{
    (void)info;
    struct sigcontext *c = &context->uc_mcontext;
    if (signal == DEADLINE_SIGNAL)
        deadline_passed();
    if (met_a_handler(c)) {
        if (!is_kick(signal))
            die_of(signal);
        return;
    }
    if (!met_guest(c) && translated_signal(signal, is_kick(signal), c))
        return;
    if (met_guest(c)) {
        registers_from(c);
        trap_from(signal, c);
    } else if (in_window(c->rip)) {
        run.gave_up = true;
        run.trap = (struct native_trap){ .cause = is_kick(signal) ? NATIVE_KICK : NATIVE_REFUSED };
    } else {
        if (!is_kick(signal))
            die_of(signal);
        if (signal == SIGSYS)
            c->rip -= 2; /* a refused system call does not come again by itself */
        return;
    }
    native_leave(c, native_return, run.frame.rsp, 0);
}

/* ---- Set-up and entry ------------------------------------------------------------------------------ */

int native_handle(int signal)
{
    /*
     * Nothing blocked while it runs, since it is left by a jump. A kick that meets the handler only leaves
     * word; a fault in the handler itself ends the process.
     */
    const struct kernel_sigaction action = { .handler = native_handler,
                                             .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER |
                                                      0x04000000ul /* SA_RESTORER */,
                                             .restorer = native_restorer,
                                             .mask = 0 };
    return host_call_int(__NR_rt_sigaction, signal, (long)&action, 0, sizeof(action.mask), 0, 0);
}

int native_init(uint32_t *native)
{
    static const uint8_t signals[] = {
        SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, CHANNEL_KICK_SIGNAL
    };
    const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
    int result = host_call_int(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
    for (unsigned i = 0; result == 0 && i < sizeof(signals); i++)
        result = native_handle(signals[i]);
    run.native = native;
    return result;
}

void native_enter(struct vcpu *v, const struct native_segments *s, uint32_t *eflags, struct native_trap *trap)
{
    struct native_frame *f = &run.frame;
    for (unsigned i = 0; i < 8; i++)
        f->gpr[i] = v->gpr.d[i];
    f->eip = f->far_eip = v->eip;
    f->far_cs = s->cs;
    f->eflags = *eflags;
    f->pending = &v->pending;
    f->es = s->es, f->cs = s->cs, f->ss = s->ss, f->ds = s->ds, f->fs = s->fs, f->gs = s->gs;
    f->fs_base = s->fs_base, f->gs_base = s->gs_base;
    f->set_fs = s->fs == HOST_FLAT_DATA, f->set_gs = s->gs == HOST_FLAT_DATA;
    f->load_all = run.loaded != host_segments_written();
    /* Translated code has GS's base for itself, behind the selector's back. */
    f->load_gs = f->load_all || (s->gs != 0 && !f->set_gs);
    run.gave_up = false;

    __atomic_store_n(run.native, 1, __ATOMIC_RELAXED);
    uint64_t began = v->timing ? host_ticks() : 0;
    int how = native_switch(f);
    if (how != SWITCH_CANCELLED && !run.gave_up)
        run.loaded = host_segments_written();
    if (how != SWITCH_SIGNAL)
        run.trap = (struct native_trap){ .cause = how == SWITCH_DOOR ? NATIVE_DOOR : NATIVE_KICK };
    __atomic_store_n(run.native, 0, __ATOMIC_RELAXED);
    if (v->timing)
        v->counts.native_ns += host_ticks() - began; /* in ticks: the library converts */

    for (unsigned i = 0; i < 8; i++)
        v->gpr.d[i] = f->gpr[i];
    v->eip = f->eip;
    *eflags = f->eflags;
    *trap = run.trap;
}
