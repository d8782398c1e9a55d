/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions that move the FP state to and from memory: FNSTENV, FLDENV, FNSAVE, FRSTOR, FXSAVE, FXRSTOR,
 * LDMXCSR, STMXCSR. The host does the moving in its 32-bit protected-mode format; the guest's format and its
 * instruction and data pointers, which the host does not know, are put on here. Executor side.
 * SDM 1, "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE"; SDM 2A, FXSAVE.
 */
#include "fpu.h"
#include "fpu_state.h"

enum {
    ENV16_SIZE = 14,
    ENV32_SIZE = 28,
    STACK_SIZE = 80, /* ST(0)..ST(7) follow the environment in FNSAVE's format */
};

/* ---- The environment's four formats -------------------------------------------------------------------- */

struct environment {
    uint16_t fcw, fsw, ftw;
    uint16_t fcs, fds, fop;
    uint32_t fip, fdp;
};

static unsigned environment_size(const struct uop *u)
{
    return u->flags & UOP_O16 ? ENV16_SIZE : ENV32_SIZE;
}

/* Pointers of the real-mode formats are linear addresses. */
static uint32_t real_address(uint16_t selector, uint32_t offset)
{
    return ((uint32_t)selector << 4) + offset;
}

static void environment_write(const struct vcpu *v, const struct uop *u, const struct environment *e,
                              uint8_t *p)
{
    mem_u16 *w = (mem_u16 *)p;
    mem_u32 *d = (mem_u32 *)p;
    bool real = !cpu_pmode(v);
    uint32_t fip = real ? real_address(e->fcs, e->fip) : e->fip;
    uint32_t fdp = real ? real_address(e->fds, e->fdp) : e->fdp;
    if (u->flags & UOP_O16) {
        w[0] = e->fcw;
        w[1] = e->fsw;
        w[2] = e->ftw;
        w[3] = (uint16_t)fip;
        w[4] = real ? (uint16_t)((fip >> 16 & 15) << 12 | e->fop) : e->fcs;
        w[5] = (uint16_t)fdp;
        w[6] = real ? (uint16_t)((fdp >> 16 & 15) << 12) : e->fds;
        return;
    }
    d[0] = 0xffff0000u | e->fcw; /* processors set the reserved upper halves */
    d[1] = 0xffff0000u | e->fsw;
    d[2] = 0xffff0000u | e->ftw;
    d[3] = real ? 0xffff0000u | (fip & 0xffff) : fip;
    d[4] = real ? (fip >> 16) << 12 | e->fop : (uint32_t)e->fop << 16 | e->fcs;
    d[5] = real ? 0xffff0000u | (fdp & 0xffff) : fdp;
    d[6] = real ? (fdp >> 16) << 12 : 0xffff0000u | e->fds;
}

static void environment_read(const struct vcpu *v, const struct uop *u, struct environment *e,
                             const uint8_t *p)
{
    const mem_u16 *w = (const mem_u16 *)p;
    const mem_u32 *d = (const mem_u32 *)p;
    bool real = !cpu_pmode(v);
    *e = (struct environment){ 0 };
    if (u->flags & UOP_O16) {
        e->fcw = w[0];
        e->fsw = w[1];
        e->ftw = w[2];
        e->fip = w[3] | (real ? (uint32_t)(w[4] >> 12) << 16 : 0);
        e->fdp = w[5] | (real ? (uint32_t)(w[6] >> 12) << 16 : 0);
        e->fop = real ? w[4] & 0x7ff : 0;
        e->fcs = real ? 0 : w[4];
        e->fds = real ? 0 : w[6];
        return;
    }
    e->fcw = (uint16_t)d[0];
    e->fsw = (uint16_t)d[1];
    e->ftw = (uint16_t)d[2];
    e->fip = real ? (d[3] & 0xffff) | (d[4] >> 12 & 0xffff) << 16 : d[3];
    e->fdp = real ? (d[5] & 0xffff) | (d[6] >> 12 & 0xffff) << 16 : d[5];
    e->fop = (real ? d[4] : d[4] >> 16) & 0x7ff;
    e->fcs = real ? 0 : (uint16_t)d[4];
    e->fds = real ? 0 : (uint16_t)d[6];
}

/* ---- FNSTENV, FNSAVE, FLDENV, FRSTOR ---------------------------------------------------------------------
 */

static void pointers_get(const struct vcpu *v, struct environment *e)
{
    e->fip = v->fpu.fip;
    e->fdp = v->fpu.fdp;
    e->fcs = v->fpu.fcs;
    e->fds = v->fpu.fds;
    e->fop = v->fpu.fop;
}

static void pointers_set(struct vcpu *v, const struct environment *e)
{
    v->fpu.fip = e->fip;
    v->fpu.fdp = e->fdp;
    v->fpu.fcs = e->fcs;
    v->fpu.fds = e->fds;
    v->fpu.fop = e->fop;
}

/*
 * Both change the state after storing it (FNSTENV masks all exceptions, FNSAVE initialises), and the store
 * may fault or make the instruction run twice: so execute, take the FPU back, store, execute for good.
 */
static NOINLINE void store_state(struct vcpu *v, const struct uop *u, unsigned stack)
{
    _Alignas(16) uint8_t before[FX_SIZE];
    uint8_t host[ENV32_SIZE + STACK_SIZE], guest[ENV32_SIZE + STACK_SIZE];
    struct environment e;

    if (unlikely(v->fpu.guard & FPU_CONTROL))
        fpu_admit(v, u, FPU_CONTROL);
    unsigned size = environment_size(u);
    guest_la la = ea_checked(v, u, size + stack, true);
    fpu_check_alignment(v, u, la, u->flags & UOP_O16 ? 2 : 4);

    fpu_save(v);
    fpu_copy(before, v->fpu.image, FX_SIZE);
    fpu_call(v, u->native, host, 0);
    fpu_copy(v->fpu.image, before, FX_SIZE);
    fpu_load(v);

    e.fcw = *(const mem_u16 *)host;
    e.fsw = *(const mem_u16 *)(host + 4);
    e.ftw = *(const mem_u16 *)(host + 8);
    pointers_get(v, &e);
    environment_write(v, u, &e, guest);
    fpu_copy(guest + size, host + ENV32_SIZE, stack);
    mem_write_bytes(v, u, la, guest, size + stack);
    fpu_call(v, u->native, host, 0);
}

HANDLER(env_fnstenv)
{
    store_state(v, u, 0);
    fpu_controls_changed(v);
    NEXT(v, u);
}

HANDLER(env_fnsave)
{
    store_state(v, u, STACK_SIZE);
    pointers_set(v, &(const struct environment){ 0 });
    v->fpu.ignne = false;
    fpu_controls_changed(v);
    NEXT(v, u);
}

static NOINLINE void load_state(struct vcpu *v, const struct uop *u, unsigned stack)
{
    uint8_t host[ENV32_SIZE + STACK_SIZE], guest[ENV32_SIZE + STACK_SIZE];
    struct environment e;

    if (unlikely(v->fpu.guard & FPU_X87))
        fpu_admit(v, u, FPU_X87);
    unsigned size = environment_size(u);
    guest_la la = ea_checked(v, u, size + stack, false);
    fpu_check_alignment(v, u, la, u->flags & UOP_O16 ? 2 : 4);
    mem_read_bytes(v, u, la, guest, size + stack);

    environment_read(v, u, &e, guest);
    fpu_zero(host, ENV32_SIZE);
    *(mem_u16 *)host = e.fcw;
    *(mem_u16 *)(host + 4) = e.fsw;
    *(mem_u16 *)(host + 8) = e.ftw;
    fpu_copy(host + ENV32_SIZE, guest + size, stack);
    fpu_call(v, u->native, host, 0);
    pointers_set(v, &e);
    fpu_controls_changed(v);
}

HANDLER(env_fldenv)
{
    load_state(v, u, 0);
    NEXT(v, u);
}

HANDLER(env_frstor)
{
    load_state(v, u, STACK_SIZE);
    NEXT(v, u);
}

/* ---- FXSAVE, FXRSTOR ----------------------------------------------------------------------------------- */

static guest_la fxsave_area(struct vcpu *v, const struct uop *u, bool write)
{
    if (unlikely(v->fpu.guard & FPU_CONTROL))
        fpu_admit(v, u, 0); /* #UD for CR0.EM, unlike x87 instructions */
    guest_la la = ea_checked(v, u, FX_SIZE, write);
    if (la & 15)
        raise_error(v, u, X86_GP, 0);
    return la;
}

/*
 * With CR4.OSFXSR clear the XMM registers and MXCSR take no part. Bytes from FX_USED on are left alone, but
 * must be writable all the same.
 */
static NOINLINE void save_image(struct vcpu *v, const struct uop *u)
{
    uint8_t image[FX_SIZE];
    guest_la la = fxsave_area(v, u, true);
    fpu_probe_write(v, u, la, FX_SIZE);
    fpu_save(v);
    fpu_export(v, image);
    if (v->cr4 & X86_CR4_OSFXSR) {
        mem_write_bytes(v, u, la, image, FX_USED);
    } else {
        mem_write_bytes(v, u, la, image, FX_MXCSR);
        mem_write_bytes(v, u, la + FX_ST, image + FX_ST, FX_XMM - FX_ST);
    }
}

HANDLER(env_fxsave)
{
    save_image(v, u);
    NEXT(v, u);
}

static NOINLINE void restore_image(struct vcpu *v, const struct uop *u)
{
    uint8_t image[FX_SIZE];
    guest_la la = fxsave_area(v, u, false);
    mem_read_bytes(v, u, la, image, FX_SIZE);
    if (!(v->cr4 & X86_CR4_OSFXSR)) {
        fpu_save(v);
        fpu_copy(image + FX_MXCSR, v->fpu.image + FX_MXCSR, 4);
        fpu_copy(image + FX_XMM, v->fpu.image + FX_XMM, FX_USED - FX_XMM);
    }
    if (!fpu_import(v, image))
        raise_error(v, u, X86_GP, 0);
    fpu_load(v);
    fpu_controls_changed(v);
}

HANDLER(env_fxrstor)
{
    restore_image(v, u);
    NEXT(v, u);
}

/* ---- MXCSR --------------------------------------------------------------------------------------------- */

HANDLER(env_ldmxcsr)
{
    if (unlikely(v->fpu.guard & FPU_SSE))
        fpu_admit(v, u, FPU_SSE);
    uint32_t mxcsr = (uint32_t)mem_read(v, u, ea_checked(v, u, 4, false), 4);
    if (mxcsr & ~v->fpu.mxcsr_mask)
        raise_error(v, u, X86_GP, 0);
    v->fpu_word = mxcsr;
    fpu_call(v, u->native, &v->fpu_word, 0);
    bool unmasked = (mxcsr & MXCSR_MASKS) != MXCSR_MASKS;
    if (unlikely(unmasked != v->fpu.simd_unmasked))
        fpu_controls_changed(v);
    NEXT(v, u);
}

HANDLER(env_stmxcsr)
{
    if (unlikely(v->fpu.guard & FPU_SSE))
        fpu_admit(v, u, FPU_SSE);
    guest_la la = ea_checked(v, u, 4, true);
    fpu_call(v, u->native, &v->fpu_word, 0);
    mem_write(v, u, la, 4, v->fpu_word);
    NEXT(v, u);
}

/* ---- Binding
 * ---------------------------------------------------------------------------------------------------------
 */

bool bind_fpu_state(struct vcpu *v, const struct insn *in, struct uop *u)
{
    static const struct {
        uint16_t op;
        uint8_t length;
        uint8_t bytes[3]; /* the host instruction, memory operand at [rsi]; none for FXSAVE and FXRSTOR */
        uop_fn *run;
    } rows[] = {
        { X86_FLDENV, 2, { 0xd9, 0x26 }, env_fldenv },
        { X86_FNSTENV, 2, { 0xd9, 0x36 }, env_fnstenv },
        { X86_FRSTOR, 2, { 0xdd, 0x26 }, env_frstor },
        { X86_FNSAVE, 2, { 0xdd, 0x36 }, env_fnsave },
        { X86_LDMXCSR, 3, { 0x0f, 0xae, 0x16 }, env_ldmxcsr },
        { X86_STMXCSR, 3, { 0x0f, 0xae, 0x1e }, env_stmxcsr },
        { X86_FXSAVE, 0, { 0 }, env_fxsave },
        { X86_FXRSTOR, 0, { 0 }, env_fxrstor },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].op != in->op)
            continue;
        u->run = simd_offered(v, in) ? rows[i].run : fpu_undefined;
        if (rows[i].length)
            u->native = fpu_emit(v, rows[i].bytes, rows[i].length);
        return true;
    }
    return false;
}
