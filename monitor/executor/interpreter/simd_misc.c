/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SIMD-era instructions that do not fit simd.c's templates: implied memory (MASKMOVQ), implied registers
 * (PCMPESTRI), general registers only (MOVNTI, POPCNT, CRC32), fences, prefetches and CLFLUSH.
 * Executor side. SDM 2A to 2D.
 */
#include "fpu.h"

/* ---- MASKMOVQ, MASKMOVDQU -------------------------------------------------------------------------------
 */

static void mask_move(struct vcpu *v, const void *native, uint8_t *to)
{
    (void)v;
    __asm__ volatile(FPU_CALL("", "") : "+D"(to) : [native] "r"(native)FPU_OPERANDS : "memory", "cc");
}

/*
 * Which bytes are selected shows when the instruction runs over two different backgrounds. Only pages with
 * selected bytes are touched; all are checked before the first byte is stored.
 */
static NOINLINE void store_selected(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint8_t zeros[16], ones[16];
    unsigned selected = 0;

    if (unlikely(v->fpu.guard & u->aux))
        fpu_admit(v, u, u->aux);
    guest_la la = ea_checked(v, u, size, true);
    fpu_zero(zeros, sizeof(zeros));
    for (unsigned i = 0; i < sizeof(ones); i++)
        ones[i] = 0xff;
    mask_move(v, u->native, zeros);
    mask_move(v, u->native, ones);
    for (unsigned i = 0; i < size; i++)
        selected |= (unsigned)(zeros[i] == ones[i]) << i;
    for (unsigned i = 0; i < size; i++)
        if (selected >> i & 1)
            mem_probe_write(v, u, la + i, 1);
    for (unsigned i = 0; i < size; i++)
        if (selected >> i & 1)
            mem_write(v, u, la + i, 1, zeros[i]);
}

HANDLER(simd_maskmovq)
{
    store_selected(v, u, 8);
    NEXT(v, u);
}

HANDLER(simd_maskmovdqu)
{
    store_selected(v, u, 16);
    NEXT(v, u);
}

/* ---- PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: lengths in EAX and EDX, index to ECX ------------------ */

static NOINLINE void compare_strings(struct vcpu *v, const struct uop *u)
{
    uint8_t buffer[16];
    const void *operand = NULL;
    uint32_t eax = v->gpr.d[X86_EAX], ecx = v->gpr.d[X86_ECX], edx = v->gpr.d[X86_EDX];

    if (unlikely(v->fpu.guard & FPU_SSE))
        fpu_admit(v, u, FPU_SSE);
    if (u->flags & UOP_MEM) {
        guest_la la = ea_checked(v, u, 16, false);
        operand = mem_hit_read(v, la, 16);
        if (!operand)
            operand = fpu_fetch(v, u, la, 16, buffer);
    }
    __asm__ volatile(FPU_CALL("", "lahf\n\tseto %%al\n\t")
                     : "+a"(eax), "+c"(ecx)
                     : "d"(edx), "S"(operand), [native] "r"(u->native)FPU_OPERANDS
                     : "memory", "cc");
    v->gpr.d[X86_ECX] = ecx;
    v->arith = (uint16_t)eax;
}

HANDLER(simd_string_compare)
{
    compare_strings(v, u);
    NEXT(v, u);
}

/* ---- General registers and memory only: no FP state, no CR0 or CR4 bit matters ------------------------- */

HANDLER(simd_movnti)
{
    mem_write(v, u, ea_checked(v, u, 4, true), 4, v->gpr.d[u->src]);
    NEXT(v, u);
}

/* The flags are the host's: ZF by the operand, the others clear. */
HANDLER(simd_popcnt)
{
    unsigned size = u->aux;
    uint32_t value = opnd_read_src(v, u, size), count, flags;
    __asm__("popcntl %k2, %k1\n\tlahf\n\tseto %%al" : "=&a"(flags), "=&r"(count) : "r"(value) : "cc");
    gpr_write(v, u->dst, size, count);
    v->arith = (uint16_t)flags;
    NEXT(v, u);
}

HANDLER(simd_crc32)
{
    unsigned size = u->aux;
    uint32_t value = opnd_read_src(v, u, size), crc = v->gpr.d[u->dst];
    if (size == 4)
        __asm__("crc32l %k1, %k0" : "+r"(crc) : "r"(value));
    else if (size == 2)
        __asm__("crc32w %w1, %k0" : "+r"(crc) : "r"(value));
    else
        __asm__("crc32b %b1, %k0" : "+r"(crc) : "q"(value));
    v->gpr.d[u->dst] = crc;
    NEXT(v, u);
}

HANDLER(simd_fence)
{
    __asm__ volatile("mfence" : : : "memory");
    NEXT(v, u);
}

/* A hint, and one that never faults. */
HANDLER(simd_prefetch)
{
    NEXT(v, u);
}

/*
 * Checked as a byte read; there is no cache to flush.
 * Differs from hardware: of a device's memory the byte is really read, since the check is the access.
 */
HANDLER(simd_clflush)
{
    guest_la la = ea_checked(v, u, 1, false);
    if (!mem_hit_read(v, la, 1))
        mem_read_slow(v, u, la, 1);
    NEXT(v, u);
}

/* ---- Binding ------------------------------------------------------------------------------------------- */

/* Host code with the guest's own bytes, register form or memory at [rsi]. */
static const void *emit_string_compare(struct vcpu *v, const struct insn *in)
{
    uint8_t modrm = in->modrm < 0xc0 ? (in->modrm & 0x38) | 6 : in->modrm;
    const uint8_t bytes[6] = { 0x66, 0x0f, 0x3a, in->opcode, modrm, (uint8_t)in->imm };
    return fpu_emit(v, bytes, sizeof(bytes));
}

static const void *emit_mask_move(struct vcpu *v, const struct insn *in)
{
    const uint8_t mmx[3] = { 0x0f, 0xf7, in->modrm }, xmm[4] = { 0x66, 0x0f, 0xf7, in->modrm };
    return in->op == X86_MASKMOVQ ? fpu_emit(v, mmx, sizeof(mmx)) : fpu_emit(v, xmm, sizeof(xmm));
}

/* True if the instruction is one of this file's; u->run is set. */
static bool choose(struct vcpu *v, const struct insn *in, struct uop *u)
{
    switch (in->op) {
    case X86_MASKMOVQ:
    case X86_MASKMOVDQU:
        u->run = in->op == X86_MASKMOVQ ? simd_maskmovq : simd_maskmovdqu;
        u->aux = in->op == X86_MASKMOVQ ? FPU_MMX : FPU_SSE;
        u->native = emit_mask_move(v, in);
        return true;
    case X86_PCMPESTRM:
    case X86_PCMPESTRI:
    case X86_PCMPISTRM:
    case X86_PCMPISTRI:
        u->run = simd_string_compare;
        u->native = emit_string_compare(v, in);
        return true;
    case X86_MOVNTI:
        u->run = simd_movnti;
        u->src = in->opnd[1].reg;
        return true;
    case X86_POPCNT:
    case X86_CRC32:
        u->run = in->op == X86_POPCNT ? simd_popcnt : simd_crc32;
        u->aux = in->opnd[1].size;
        return true;
    case X86_LFENCE:
    case X86_MFENCE:
    case X86_SFENCE:
        u->run = simd_fence;
        return true;
    case X86_CLFLUSH:
        u->run = simd_clflush;
        return true;
    case X86_PREFETCHNTA:
    case X86_PREFETCHT0:
    case X86_PREFETCHT1:
    case X86_PREFETCHT2:
    case X86_PREFETCH:
    case X86_PREFETCHW:
        u->run = simd_prefetch;
        return true;
    default:
        return false;
    }
}

bool bind_simd_misc(struct vcpu *v, const struct insn *in, struct uop *u)
{
    if (!choose(v, in, u))
        return false;
    /* Prefetches are hints in opcode space that was made of no-operations before SSE. */
    if (u->run != simd_prefetch && !simd_offered(v, in))
        u->run = fpu_undefined;
    return true;
}
