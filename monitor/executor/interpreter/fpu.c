/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who owns the host's FP registers, and when an FP instruction may run at all. Executor side.
 *
 * The guest's state is loaded at the first FP instruction of a run and given up by fpu_leave(). The host must
 * never take an FP exception: a pending one is looked for before each waiting instruction, so the stub that
 * follows finds none. SDM 1, "x87 FPU Exception Handling"; SDM 3A, "Interrupt 7" and "Interrupt 16".
 */
#include "fpu.h"

#include "bind.h"
#include "cpu_model.h"
#include "fpu_state.h"

/* ---- The state in the host's registers ----------------------------------------------------------------- */

static void host_load(const uint8_t *image)
{
    __asm__ volatile("fxrstor (%0)" : : "r"(image) : "memory");
}

static void host_save(uint8_t *image)
{
    __asm__ volatile("fxsave (%0)" : : "r"(image) : "memory");
}

void fpu_save(struct vcpu *v)
{
    if (v->fpu.live)
        host_save(v->fpu.image);
}

void fpu_load(struct vcpu *v)
{
    if (v->fpu.live)
        host_load(v->fpu.image);
}

static void acquire(struct vcpu *v)
{
    if (v->fpu.live || !FPU_STAYS_LIVE)
        return;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(v->fpu.host_mxcsr), "=m"(v->fpu.host_fcw));
    host_load(v->fpu.image);
    v->fpu.live = true;
}

/* Set or clear pending exceptions in the image; ES and B follow. */
static void image_set_flags(struct vcpu *v, unsigned set, unsigned clear)
{
    unsigned fsw = (fx_read16(v->fpu.image, FX_FSW) | set) & ~(clear | FSW_ES | FSW_B);
    if (fsw & ~fx_read16(v->fpu.image, FX_FCW) & FCW_MASKS)
        fsw |= FSW_ES | FSW_B;
    fx_write16(v->fpu.image, FX_FSW, (uint16_t)fsw);
}

void fpu_leave(struct vcpu *v)
{
    if (v->fpu.live) {
        host_save(v->fpu.image);
        __asm__ volatile("fninit\n\tfldcw %0\n\tldmxcsr %1" : : "m"(v->fpu.host_fcw), "m"(v->fpu.host_mxcsr));
        v->fpu.live = false;
    }
    if (v->fpu.hidden) {
        image_set_flags(v, v->fpu.hidden, 0);
        v->fpu.hidden = 0;
    }
    v->exit->ferr = !(v->cr0 & X86_CR0_NE) && (fx_read16(v->fpu.image, FX_FSW) & FSW_ES);
    if (!v->exit->ferr)
        v->fpu.ignne = false; /* the PC's latch holds IGNNE# no longer than FERR# is active */
    fpu_invalidate(v);
}

/* ---- May it run? --------------------------------------------------------------------------------------- */

static void guard_update(struct vcpu *v)
{
    unsigned guard = 0;
    if ((v->cr0 & (X86_CR0_EM | X86_CR0_TS)) || v->fpu.hidden || v->fpu.live != FPU_STAYS_LIVE)
        guard = FPU_CLASSES & ~(unsigned)FPU_WAIT;
    if ((v->cr0 & X86_CR0_TS) && (v->cr0 & X86_CR0_MP))
        guard |= FPU_WAIT;
    if (!(v->cr4 & X86_CR4_OSFXSR))
        guard |= FPU_SSE | FPU_SSE_MATH;
    if (v->fpu.unmasked)
        guard |= FPU_X87 | FPU_MMX | FPU_WAIT;
    if (v->fpu.simd_unmasked)
        guard |= FPU_SSE_MATH;
    v->fpu.guard = (uint8_t)guard;
}

static uint16_t host_read_fcw(void)
{
    uint16_t fcw;
    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    return fcw;
}

static uint32_t host_read_mxcsr(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr;
}

static uint16_t host_read_fsw(void)
{
    uint16_t fsw;
    __asm__ volatile("fnstsw %0" : "=a"(fsw));
    return fsw;
}

void fpu_controls_changed(struct vcpu *v)
{
    uint32_t fcw = v->fpu.live ? host_read_fcw() : fx_read16(v->fpu.image, FX_FCW);
    uint32_t mxcsr = v->fpu.live ? host_read_mxcsr() : fx_read32(v->fpu.image, FX_MXCSR);
    v->fpu.unmasked = (fcw & FCW_MASKS) != FCW_MASKS;
    v->fpu.simd_unmasked = (mxcsr & MXCSR_MASKS) != MXCSR_MASKS;
    guard_update(v);
}

/*
 * IGNNE#: the instruction runs although an exception is pending. The host would trap, so the flags that
 * make it pending are kept aside until the next FP instruction, which takes the slow path and puts them back.
 */
static void hide_pending(struct vcpu *v)
{
    fpu_save(v);
    unsigned fsw = fx_read16(v->fpu.image, FX_FSW), fcw = fx_read16(v->fpu.image, FX_FCW);
    v->fpu.hidden = (uint8_t)(fsw & ~fcw & FCW_MASKS);
    image_set_flags(v, 0, v->fpu.hidden);
    fpu_load(v);
}

static void show_pending(struct vcpu *v)
{
    fpu_save(v);
    image_set_flags(v, v->fpu.hidden, 0);
    v->fpu.hidden = 0;
    fpu_load(v);
}

/* An exception is unmasked; is one pending? #MF, or with CR0.NE clear FERR#, as the PC has it. */
static void stop_if_pending(struct vcpu *v, const struct uop *u)
{
    uint16_t fsw = v->fpu.live ? host_read_fsw() : fx_read16(v->fpu.image, FX_FSW);
    if (!(fsw & FSW_ES)) {
        v->fpu.ignne = false;
        return;
    }
    if (v->cr0 & X86_CR0_NE)
        raise_exception(v, u, X86_MF);
    if (v->fpu.ignne) {
        hide_pending(v);
        return;
    }
    cpu_sync(v, u);
    v->step_state.shadow =
        false; /* the shadow of STI ends here as at HLT: an interrupt is what we wait for */
    v->exit->reason = D86_EXIT_FERR;
    exec_exit(v);
}

static __attribute__((noinline, cold)) void check_controls(struct vcpu *v, const struct uop *u,
                                                           unsigned classes)
{
    if (classes & FPU_WAIT) {
        if ((v->cr0 & X86_CR0_MP) && (v->cr0 & X86_CR0_TS))
            raise_exception(v, u, X86_NM);
        return;
    }
    if ((v->cr0 & X86_CR0_EM))
        raise_exception(v, u, classes & (FPU_X87 | FPU_CONTROL) ? X86_NM : X86_UD);
    if ((classes & (FPU_SSE | FPU_SSE_MATH)) && !(v->cr4 & X86_CR4_OSFXSR))
        raise_exception(v, u, X86_UD);
    if (v->cr0 & X86_CR0_TS)
        raise_exception(v, u, X86_NM);
}

bool fpu_admit(struct vcpu *v, const struct uop *u, unsigned classes)
{
    check_controls(v, u, classes);
    acquire(v);
    if (v->fpu.hidden)
        show_pending(v);
    if (v->fpu.unmasked && (classes & (FPU_X87 | FPU_MMX | FPU_WAIT)))
        stop_if_pending(v, u);
    guard_update(v);
    return v->fpu.simd_unmasked && (classes & FPU_SSE_MATH);
}

static bool is_pending(const struct vcpu *v)
{
    return v->fpu.unmasked && (host_read_fsw() & FSW_ES);
}

/*
 * Our own pointers and the host's are of one instruction only when that ran natively: what the interpreter
 * executes, the host sees at a stub's address. An exception pending at the entry is the interpreter's.
 */
void fpu_before_native(struct vcpu *v)
{
    acquire(v);
    v->fpu.fip_before = 0;
    if (is_pending(v)) {
        fpu_save(v);
        v->fpu.fip_before = fx_read32(v->fpu.image, FX_FIP);
    }
}

/*
 * Which instruction an unmasked exception is pending from. Without one nobody can tell: processors need not
 * save the pointers then (AMD64 Architecture Programmer's Manual 2, "FXSAVE"), and the last ones we know
 * stay.
 */
static void take_pointers(struct vcpu *v)
{
    fpu_save(v);
    if (fx_read32(v->fpu.image, FX_FIP) == v->fpu.fip_before)
        return;
    v->fpu.fip = fx_read32(v->fpu.image, FX_FIP);
    v->fpu.fdp = fx_read32(v->fpu.image, FX_FDP);
    v->fpu.fop = fx_read16(v->fpu.image, FX_FOP) & 0x7ff;
    v->fpu.fcs = v->seg[X86_CS].selector;
    v->fpu.fds = v->seg[X86_DS].selector;
}

void fpu_after_native(struct vcpu *v)
{
    fpu_controls_changed(v);
    if (is_pending(v))
        take_pointers(v);
}

/* ---- Reset, state in and out ------------------------------------------------------------------------------
 */

/* Only architectural bits: 17 (MM) is AMD's misaligned mode, which no CPUID model offers. */
static uint32_t host_mxcsr_mask(void)
{
    _Alignas(16) uint8_t image[FX_SIZE];
    fpu_zero(image, sizeof(image));
    host_save(image);
    uint32_t mask = fx_read32(image, FX_MXCSR_MASK);
    return (mask ? mask : 0xffbfu) & 0xffffu; /* SDM 1, "Guidelines for Writing to the MXCSR Register" */
}

/* SDM 3A, "Processor State After Reset": FCW 0040, all registers +0.0 and in use, MXCSR 1F80. */
void fpu_reset(struct vcpu *v)
{
    uint32_t mask = host_mxcsr_mask();
    fpu_zero(&v->fpu, sizeof(v->fpu));
    v->fpu.mxcsr_mask = mask;
    fx_write16(v->fpu.image, FX_FCW, 0x40);
    v->fpu.image[FX_FTW] = 0xff;
    fx_write32(v->fpu.image, FX_MXCSR, MXCSR_RESET);
    fx_write32(v->fpu.image, FX_MXCSR_MASK, mask);
    fpu_controls_changed(v);
    fpu_invalidate(v);
}

void fpu_export(const struct vcpu *v, uint8_t image[FX_SIZE])
{
    fpu_copy(image, v->fpu.image, FX_SIZE);
    fx_write16(image, FX_FOP, v->fpu.fop);
    fx_write32(image, FX_FIP, v->fpu.fip);
    fx_write32(image, FX_FCS, v->fpu.fcs);
    fx_write32(image, FX_FDP, v->fpu.fdp);
    fx_write32(image, FX_FDS, v->fpu.fds);
    fx_write32(image, FX_MXCSR_MASK, v->fpu.mxcsr_mask);
    fpu_zero(image + FX_USED, FX_SIZE - FX_USED);
}

bool fpu_import(struct vcpu *v, const uint8_t image[FX_SIZE])
{
    if (fx_read32(image, FX_MXCSR) & ~v->fpu.mxcsr_mask)
        return false;
    fpu_copy(v->fpu.image, image, FX_USED);
    image_set_flags(v, 0, 0);
    v->fpu.fop = fx_read16(image, FX_FOP) & 0x7ff;
    v->fpu.fip = fx_read32(image, FX_FIP);
    v->fpu.fcs = fx_read16(image, FX_FCS);
    v->fpu.fdp = fx_read32(image, FX_FDP);
    v->fpu.fds = fx_read16(image, FX_FDS);
    v->fpu.hidden = 0;
    fpu_controls_changed(v);
    fpu_invalidate(v);
    return true;
}

/* ---- The pool of host instructions --------------------------------------------------------------------- */

/*
 * The pool is its own hash table: a stub is one 8-byte slot, found by hashing its bytes; an empty slot is 0,
 * which no stub is, since each holds a RET (C3). Writing through one mapping and executing through another
 * is safe without serializing because a slot is executed only after it was written, and never rewritten
 * before fpu_pool_reset().
 */
const void *fpu_emit(struct vcpu *v, const uint8_t *bytes, unsigned n)
{
    struct native_pool *pool = v->native;
    uint64_t stub = 0;
    for (unsigned i = 0; i < n; i++)
        stub |= (uint64_t)bytes[i] << 8 * i;
    stub |= (uint64_t)0xc3 << 8 * n;

    uint32_t mask = pool->slots - 1;
    uint32_t slot = (uint32_t)((stub * 0x9e3779b97f4a7c15ull) >> 32) & mask;
    while (pool->code[slot] && pool->code[slot] != stub)
        slot = (slot + 1) & mask;
    if (!pool->code[slot]) {
        if (pool->used >= pool->slots / 4 * 3) { /* keeps the search short */
            pool->full = true;
            return NULL;
        }
        pool->code[slot] = stub;
        pool->used++;
    }
    return &pool->text[slot];
}

void fpu_pool_reset(struct vcpu *v)
{
    struct native_pool *pool = v->native;
    if (!pool || !pool->full)
        return;
    fpu_zero(pool->code, pool->slots * (unsigned)sizeof(*pool->code));
    pool->used = 0;
    pool->full = false;
}

/* ---- Operands the fast path does not reach ------------------------------------------------------------- */

/* SDM 3A, "Interrupt 17": what counts as aligned depends on the operand's type. */
void fpu_check_alignment(struct vcpu *v, const struct uop *u, guest_la la, unsigned align)
{
    if ((la & (align - 1)) && (v->cr0 & X86_CR0_AM) && (v->eflags & X86_AC) && v->cpl == 3)
        raise_error(v, u, X86_VEC_AC, 0);
}

const void *fpu_fetch(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint8_t *buffer)
{
    if (size <= 8) {
        *(mem_u64 *)buffer = mem_read_slow(v, u, la, size);
    } else {
        fpu_check_alignment(v, u, la, size == 10 ? 8 : 4);
        mem_read_bytes(v, u, la, buffer, size);
    }
    return buffer;
}

void fpu_store(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, const uint8_t *buffer)
{
    if (size <= 8) {
        uint64_t value = size == 8   ? *(const mem_u64 *)buffer
                         : size == 4 ? *(const mem_u32 *)buffer
                         : size == 2 ? *(const mem_u16 *)buffer
                                     : *buffer;
        mem_write_slow(v, u, la, size, value);
    } else {
        mem_write_bytes(v, u, la, buffer, size);
    }
}

void fpu_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    guest_la last = la + size - 1;
    mem_probe_write(v, u, la, 1);
    if ((la ^ last) & ~0xfffu)
        mem_probe_write(v, u, last & ~0xfffu, 1);
}

const struct uop *fpu_undefined(struct vcpu *v, const struct uop *u)
{
    raise_exception(v, u, X86_UD);
}

/* The CPUID feature that goes with the decoder's row. */
bool simd_offered(const struct vcpu *v, const struct insn *in)
{
    switch (in->isa) {
    case X86_ISA_X87:
        return cpu_has(v, CPU_FPU);
    case X86_ISA_FXSR:
        return cpu_has(v, CPU_FXSR);
    case X86_ISA_CLFSH:
        return cpu_has(v, CPU_CLFSH);
    case X86_ISA_CMOV:
        return cpu_has(v, CPU_CMOV);
    case X86_ISA_MMX:
        return cpu_has(v, CPU_MMX);
    case X86_ISA_SSE:
        return cpu_has(v, CPU_SSE);
    case X86_ISA_SSE2:
        return cpu_has(v, CPU_SSE2);
    case X86_ISA_SSE3:
        return cpu_has(v, CPU_SSE3);
    case X86_ISA_SSSE3:
        return cpu_has(v, CPU_SSSE3);
    case X86_ISA_SSE41:
        return cpu_has(v, CPU_SSE41);
    case X86_ISA_SSE42:
        return cpu_has(v, CPU_SSE42);
    case X86_ISA_POPCNT:
        return cpu_has(v, CPU_POPCNT);
    default:
        return true;
    }
}

bool bind_fpu(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u, bool *ends)
{
    *ends = false;
    return bind_fpu_state(v, in, u) || bind_x87(v, in, mode, u) || bind_simd_misc(v, in, u) ||
           bind_simd(v, in, mode, u);
}
