/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entering guest code natively, and coming back: by a signal or a door. Either copies what the processor had
 * into v and goes on inside of native_enter(); FP state is where it was, in the host's registers.
 * Executor process only.
 */
#pragma once

#include "cpu.h"

/* Selectors every Linux process finds in the GDT (arch/x86: __USER32_CS, __USER_CS, __USER_DS). */
enum { HOST_CODE32 = 0x23, HOST_CODE64 = 0x33, HOST_FLAT_DATA = 0x2b };

enum native_cause {
    NATIVE_KICK,    /* v->pending is set */
    NATIVE_FAULT,   /* the processor raised `vector` at v->eip (INT3, INTO: EIP of the instruction) */
    NATIVE_SYSCALL, /* a system call instruction; the host kernel was kept from doing anything */
    NATIVE_DOOR,    /* v->eip is that of a door's far jump, in a snippet */
    NATIVE_REFUSED, /* the state cannot be entered: a selector or EIP is refused */
};

/* Why native code ended. */
struct native_trap {
    uint8_t cause;    /* enum native_cause */
    uint8_t vector;   /* NATIVE_FAULT */
    bool in_snippet;  /* set by sbe.c: EIP was in the nexus, and is the guest's now */
    uint32_t error;   /* its error code */
    uint64_t address; /* #PF: host linear address */
};

/* Selectors and bases to run with; made from v->seg by host_segments(). */
struct native_segments {
    uint16_t es, cs, ss, ds, fs, gs;
    uint32_t fs_base, gs_base; /* valid if the selector is HOST_FLAT_DATA */
};

/* Install handlers and the alternate stack. `native` is set while guest code runs. 0 or -errno. */
int native_init(uint32_t *native);
/* Have the handler of native_init() for one more signal. 0 or -errno. */
int native_handle(int signal);

/*
 * In a handler: go on in compiled code, at `where`, with this stack pointer and R15; the FP state is the
 * guest's again. May return, with the signal's context changed to do so when the handler does.
 */
struct sigcontext;
void native_leave(struct sigcontext *c, const char *where, uint64_t rsp, uint64_t r15);

/*
 * Run guest code from v's registers until something happens; v's general registers, EIP and flags are then as
 * the processor had them, *trap says what. Returns at once with NATIVE_KICK if v->pending is set. The guest's
 * FP state must be live (fpu_before_native()). eflags: to run with; after that the processor's, all bits of
 * it.
 */
void native_enter(struct vcpu *v, const struct native_segments *segments, uint32_t *eflags,
                  struct native_trap *trap);

/* ---- translated/translated_signal.c, whose signals arrive here, too ------------------------------------ */

struct sigcontext;

/*
 * A signal in 64-bit code. True: it met translated code, or what leads there and back, and the context is
 * changed to where execution goes on.
 */
bool translated_signal(int signal, bool kick, struct sigcontext *c);
