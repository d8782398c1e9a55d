/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the FP and SIMD handlers: how one host instruction runs on the guest's FP state.
 *
 * Executor C code never touches FP registers (-mgeneral-regs-only), so the guest's state stays loaded in
 * the host's own from the first FP instruction until fpu_leave(). Sanitizer builds cannot promise that (the
 * sanitizer's run-time library uses XMM registers): there every instruction is wrapped in FXRSTOR and FXSAVE.
 * FPU_STAYS_LIVE and the macros beside it are the only place that knows. docs/fpu.md tells the whole story.
 */
#pragma once

#include "executor.h"
#include "mem.h"

/*
 * What an instruction belongs to (uop.aux), and so which conditions stop it. v->fpu.guard has the bits of the
 * classes that must call fpu_admit() first; the fast path is one test of a byte.
 */
enum fpu_class {
    FPU_X87 = 1 << 0,      /* x87, waiting */
    FPU_CONTROL = 1 << 1,  /* x87, not waiting: FNSTSW and the like */
    FPU_WAIT = 1 << 2,     /* FWAIT */
    FPU_MMX = 1 << 3,      /* touches MMX registers */
    FPU_SSE = 1 << 4,      /* touches XMM registers or MXCSR */
    FPU_SSE_MATH = 1 << 5, /* ... and can raise SIMD floating-point exceptions */
    FPU_CLASSES = (1 << 6) - 1,
};

/* FXSAVE image: SDM 1, "FXSAVE Area" */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4, /* abridged: bit set for a register in use, by physical number */
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FCS = 12,
    FX_FDP = 16,
    FX_FDS = 20,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,
    FX_XMM = 160,
    FX_USED = 288, /* the rest is XMM8..15, which 32-bit code does not see, and reserved */
    FX_SIZE = 512,
};

#define FCW_MASKS        0x3fu
#define FSW_P            0x20u
#define FSW_ES           0x80u /* an unmasked exception is pending */
#define FSW_B            0x8000u
#define FSW_TOP          0x3800u
#define MXCSR_FLAGS      0x3fu
#define MXCSR_DAZ        0x40u
#define MXCSR_MASKS      0x1f80u
#define MXCSR_MASK_SHIFT 7
#define MXCSR_RC_SHIFT   13
#define MXCSR_FZ         0x8000u
#define MXCSR_RESET      0x1f80u

_Static_assert(offsetof(struct fpu, image) == 0, "the assembly below addresses the image as struct fpu");

#ifdef D86_SANITIZED
#define FPU_STAYS_LIVE false
#define FPU_ENTER      "stmxcsr %c[hm](%[fpu])\n\tfnstcw %c[hc](%[fpu])\n\tfxrstor (%[fpu])\n\t"
#define FPU_EXIT       "fxsave (%[fpu])\n\tfninit\n\tfldcw %c[hc](%[fpu])\n\tldmxcsr %c[hm](%[fpu])\n\t"
#define FPU_OPERANDS                                                                                         \
    , [fpu] "r"(&v->fpu), [hm] "i"(offsetof(struct fpu, host_mxcsr)), [hc] "i"(offsetof(struct fpu, host_fcw))
#else
#define FPU_STAYS_LIVE true
#define FPU_ENTER
#define FPU_EXIT
#define FPU_OPERANDS
#endif

/* The compiler does not know that there is a call, and may keep data in the red zone: step over it. */
#define FPU_CALL(before, after)                                                                              \
    "leaq -128(%%rsp), %%rsp\n\t" FPU_ENTER before "call *%[native]\n\t" FPU_EXIT after                      \
    "leaq 128(%%rsp), %%rsp"

/* Run a stub: memory operand at [rsi], general register EAX. */
static ALWAYS_INLINE uint32_t fpu_call(struct vcpu *v, const void *native, const void *operand, uint32_t eax)
{
    (void)v;
    __asm__ volatile(FPU_CALL("", "")
                     : "+a"(eax)
                     : [native] "r"(native), "S"(operand)FPU_OPERANDS
                     : "memory", "cc");
    return eax;
}

/* The same with the guest's arithmetic flags in and out (ARITH_* layout; see alu.h for the idiom). */
static ALWAYS_INLINE uint16_t fpu_call_arith(struct vcpu *v, const void *native, const void *operand,
                                             uint16_t arith)
{
    uint32_t eax = arith;
    (void)v;
    __asm__ volatile(FPU_CALL("addb $0x7f, %%al\n\tsahf\n\t", "lahf\n\tseto %%al\n\t")
                     : "+a"(eax)
                     : [native] "r"(native), "S"(operand)FPU_OPERANDS
                     : "memory", "cc");
    return (uint16_t)eax;
}

static inline uint16_t fx_read16(const uint8_t *image, unsigned at)
{
    return *(const mem_u16 *)(image + at);
}

static inline uint32_t fx_read32(const uint8_t *image, unsigned at)
{
    return *(const mem_u32 *)(image + at);
}

static inline void fx_write16(uint8_t *image, unsigned at, uint16_t value)
{
    *(mem_u16 *)(image + at) = value;
}

static inline void fx_write32(uint8_t *image, unsigned at, uint32_t value)
{
    *(mem_u32 *)(image + at) = value;
}

/* Small copies that stay in line: a call to memcpy() could end in a library's, which uses XMM registers. */
static ALWAYS_INLINE void fpu_copy(void *to, const void *from, unsigned size)
{
    uint64_t count = size;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static ALWAYS_INLINE void fpu_zero(void *to, unsigned size)
{
    uint64_t count = size;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
}

/* ---- fpu.c --------------------------------------------------------------------------------------------- */

/*
 * May an instruction of these classes run? Raises #UD, #NM or #MF, or leaves for FERR#, if not; then loads
 * the guest's state. True: MXCSR leaves exceptions unmasked and the instruction may raise them:
 * simd_careful().
 */
bool fpu_admit(struct vcpu *v, const struct uop *u, unsigned classes);
/* Recompute unmasked, simd_unmasked and guard after FCW, MXCSR or the whole state was loaded. */
void fpu_controls_changed(struct vcpu *v);
/* Native guest code runs on the state in the host's registers: have it there; and look what it left. */
void fpu_before_native(struct vcpu *v);
void fpu_after_native(struct vcpu *v);
/* Have the current state in v->fpu.image (it stays live); and the reverse, after editing the image. */
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);
/*
 * The host code for an instruction of n <= 7 bytes; RET is added. NULL: the pool is full, v->native->full is
 * set, and the builder flushes all blocks (which calls fpu_pool_reset()) and builds again.
 */
const void *fpu_emit(struct vcpu *v, const uint8_t *bytes, unsigned n);
/* Operand memory that is not simply in the TLB: fetched into buffer (16 bytes), which is returned. */
const void *fpu_fetch(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint8_t *buffer);
/* #PF if the operand's pages, two at most, may not be written. */
void fpu_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
/* Store an operand where the TLB does not help. */
void fpu_store(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, const uint8_t *buffer);
/* #AC(0) if alignment checking is on and la is not a multiple of align. */
void fpu_check_alignment(struct vcpu *v, const struct uop *u, guest_la la, unsigned align);
DECLARE_UOP(fpu_undefined); /* handler: #UD */

/* ---- fpu_x87.c, fpu_env.c, simd.c, simd_misc.c: binding ------------------------------------------------ */

bool bind_x87(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u);
bool bind_fpu_state(struct vcpu *v, const struct insn *in, struct uop *u);
bool bind_simd(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u);
bool bind_simd_misc(struct vcpu *v, const struct insn *in, struct uop *u);
/* fpu.c: does the CPU model offer this instruction? */
bool simd_offered(const struct vcpu *v, const struct insn *in);

/* ---- simd_math.c: SSE arithmetic with unmasked exceptions -----------------------------------------------
 */

/* What the slow path must know of an instruction: uop.imm of SIMD handlers, made in simd.c. */
enum simd_kind {
    SIMD_PLAIN, /* raises nothing after computing but P, or has no memory of its own: the host's flags will do
                 */
    SIMD_ADD,
    SIMD_SUB,
    SIMD_MUL,
    SIMD_DIV,
    SIMD_SQRT,
    SIMD_NARROW, /* double to single */
    SIMD_ADDSUB,
    SIMD_HADD,
    SIMD_HSUB,
    SIMD_DOT, /* DPPS, DPPD */
};

#define SIMD_KIND(d) ((d)&15u)
#define SIMD_DOUBLE  (1u << 4)        /* source elements are 64 bits */
#define SIMD_SCALAR  (1u << 5)        /* element 0 only */
#define SIMD_TO_MMX  (1u << 6)        /* has an MMX register */
#define SIMD_REG(d)  ((d) >> 8 & 7u)  /* ModRM.reg */
#define SIMD_RM(d)   ((d) >> 12 & 7u) /* ModRM.rm */
#define SIMD_IS_MEM  (1u << 7)
#define SIMD_IMM(d)  ((d) >> 16 & 0xffu)

/* Results outside the FP state; committed by the caller when simd_careful() comes back. */
struct simd_result {
    uint32_t eax;
    uint16_t arith;
};

/*
 * Run u->native under a guest MXCSR that leaves exceptions unmasked; raises #XM (or #UD) with all registers
 * but MXCSR as they were.
 */
void simd_careful(struct vcpu *v, const struct uop *u, const void *operand, bool with_flags,
                  struct simd_result *result);
