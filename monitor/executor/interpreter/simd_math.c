/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SSE arithmetic while MXCSR leaves exceptions unmasked. The host must not trap, so the instruction runs with
 * all exceptions masked, and from the flags it leaves follows what the guest's MXCSR would have made of it.
 *
 * SDM 1, "SIMD Floating-Point Exception Conditions": I, D and Z are found in all elements before anything is
 * computed, and if one of them is unmasked nothing more happens. O, U and P come after. Unmasking changes
 * two of those: U is then raised by any tiny result, inexact or not, and P with O or U tells whether
 * rounding alone (to any exponent) lost something. Those are evaluated per element on the host's x87, whose
 * exponent range holds every such result. Executor side.
 */
#include "fpu.h"

enum {
    FLAG_I = 1,
    FLAG_D = 2,
    FLAG_Z = 4,
    FLAG_O = 8,
    FLAG_U = 16,
    FLAG_P = 32,
    FLAGS_BEFORE = FLAG_I | FLAG_D | FLAG_Z, /* found before computing */
};

/* The scalar operations an instruction is made of. */
struct lanes {
    unsigned n;
    bool is_double; /* operands have 64 bits */
    bool to_single; /* the result has 32 */
    struct {
        enum simd_kind op; /* SIMD_ADD .. SIMD_NARROW */
        uint64_t a, b;
    } lane[4];
};

/* ---- One element on the x87 ---------------------------------------------------------------------------- */

struct extended {
    uint64_t mantissa;
    uint16_t exponent; /* and sign */
    bool inexact;
};

/*
 * a op b (op b for SQRT and NARROW), rounded to the result's precision but not to its exponent range: that is
 * what the precision control of FCW does. The guest's x87 state is in the image; the host's is left empty.
 */
static struct extended evaluate(enum simd_kind op, const uint64_t *a, const uint64_t *b, bool is_double,
                                bool to_single, unsigned rounding)
{
    uint16_t fcw = (uint16_t)(FCW_MASKS | (to_single ? 0 : 0x200) | rounding << 10), old, fsw;
    uint8_t r[10];
    struct extended e;

#define EVALUATE(instructions)                                                                               \
    __asm__ volatile("fnstcw %[old]\n\tfninit\n\tfldcw %[fcw]\n\t" instructions                              \
                     "\n\tfnstsw %[fsw]\n\tfstpt %[r]\n\tfninit\n\tfldcw %[old]"                             \
                     : [old] "=m"(old), [fsw] "=a"(fsw), [r] "=m"(r)                                         \
                     : [fcw] "m"(fcw), [a] "m"(*a), [b] "m"(*b))
#define EVALUATE_EITHER(l_form, s_form)                                                                      \
    do {                                                                                                     \
        if (is_double)                                                                                       \
            EVALUATE(l_form);                                                                                \
        else                                                                                                 \
            EVALUATE(s_form);                                                                                \
    } while (0)

    switch (op) {
    case SIMD_ADD:
        EVALUATE_EITHER("fldl %[a]\n\tfaddl %[b]", "flds %[a]\n\tfadds %[b]");
        break;
    case SIMD_SUB:
        EVALUATE_EITHER("fldl %[a]\n\tfsubl %[b]", "flds %[a]\n\tfsubs %[b]");
        break;
    case SIMD_MUL:
        EVALUATE_EITHER("fldl %[a]\n\tfmull %[b]", "flds %[a]\n\tfmuls %[b]");
        break;
    case SIMD_DIV:
        EVALUATE_EITHER("fldl %[a]\n\tfdivl %[b]", "flds %[a]\n\tfdivs %[b]");
        break;
    case SIMD_SQRT:
        EVALUATE_EITHER("fldl %[b]\n\tfsqrt", "flds %[b]\n\tfsqrt");
        break;
    default: /* SIMD_NARROW: loading does not round, multiplying does */
        EVALUATE_EITHER("fldl %[b]\n\tfld1\n\tfmulp", "flds %[b]\n\tfld1\n\tfmulp");
        break;
    }
#undef EVALUATE_EITHER
#undef EVALUATE
    e.mantissa = *(const mem_u64 *)r;
    e.exponent = *(const mem_u16 *)(r + 8);
    e.inexact = fsw & FSW_P;
    return e;
}

/* DAZ: a denormal operand counts as a zero of its sign. */
static uint64_t operand_value(uint64_t x, bool is_double, bool daz)
{
    uint64_t exponent = is_double ? 0x7ff0000000000000ull : 0x7f800000ull;
    uint64_t sign = is_double ? 0x8000000000000000ull : 0x80000000ull;
    return daz && !(x & exponent) ? x & sign : x;
}

/* O, U and P of one result under this MXCSR. */
static unsigned result_flags(const struct extended *e, bool single, uint32_t mxcsr)
{
    int biased = e->exponent & 0x7fff, exponent = biased - 16383;
    int min = single ? -126 : -1022, max = single ? 127 : 1023, precision = single ? 24 : 53;
    unsigned unmasked = ~(mxcsr >> MXCSR_MASK_SHIFT), inexact = e->inexact ? FLAG_P : 0;

    if (biased == 0x7fff || !e->mantissa)
        return inexact;
    if (exponent > max)
        return FLAG_O | (unmasked & FLAG_O ? inexact : FLAG_P);
    if (exponent >= min)
        return inexact;
    if (unmasked & FLAG_U)
        return FLAG_U | inexact;
    int lost = 64 - precision + min - exponent; /* low mantissa bits a denormal has no room for */
    bool exact = !e->inexact && lost < 64 && !(e->mantissa & ((1ull << lost) - 1));
    return exact && !(mxcsr & MXCSR_FZ) ? 0 : FLAG_U | FLAG_P;
}

static unsigned lanes_flags(const struct lanes *l, uint32_t mxcsr)
{
    unsigned flags = 0;
    for (unsigned i = 0; i < l->n; i++) {
        uint64_t a = operand_value(l->lane[i].a, l->is_double, mxcsr & MXCSR_DAZ);
        uint64_t b = operand_value(l->lane[i].b, l->is_double, mxcsr & MXCSR_DAZ);
        struct extended e =
            evaluate(l->lane[i].op, &a, &b, l->is_double, l->to_single, mxcsr >> MXCSR_RC_SHIFT & 3);
        flags |= result_flags(&e, l->to_single, mxcsr);
    }
    return flags;
}

/*
 * Given the flags of the masked run: the flags the guest gets. l is NULL if the instruction cannot overflow
 * or underflow. True: an unmasked exception is among them.
 */
static bool judge(unsigned masked, const struct lanes *l, uint32_t mxcsr, unsigned *flags)
{
    unsigned unmasked = ~(mxcsr >> MXCSR_MASK_SHIFT) & MXCSR_FLAGS;
    *flags |= masked & FLAGS_BEFORE;
    if (masked & unmasked & FLAGS_BEFORE)
        return true;
    unsigned after = masked & ~FLAGS_BEFORE;
    if (l && (unmasked & (FLAG_O | FLAG_U)))
        after = lanes_flags(l, mxcsr);
    *flags |= after;
    return after & unmasked;
}

/* MXCSR to run with: all masked, no flags; FZ works only while U is masked. */
static uint32_t masked_mxcsr(uint32_t mxcsr)
{
    if (!(mxcsr & FLAG_U << MXCSR_MASK_SHIFT))
        mxcsr &= ~MXCSR_FZ;
    return (mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS;
}

/* ---- The instruction as scalar operations -------------------------------------------------------------- */

static uint64_t element(const uint8_t *p, unsigned i, bool is_double)
{
    return is_double ? ((const mem_u64 *)p)[i] : ((const mem_u32 *)p)[i];
}

static void add_lane(struct lanes *l, enum simd_kind op, uint64_t a, uint64_t b)
{
    l->lane[l->n].op = op;
    l->lane[l->n].a = a;
    l->lane[l->n].b = b;
    l->n++;
}

/* HADDPS and relatives: neighbours within the destination, then within the source. */
static void horizontal_lanes(struct lanes *l, enum simd_kind op, const uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i += 2)
        add_lane(l, op, element(p, i, l->is_double), element(p, i + 1, l->is_double));
}

static void make_lanes(struct lanes *l, uint32_t d, const uint8_t *a, const uint8_t *b)
{
    enum simd_kind kind = SIMD_KIND(d);
    unsigned n = d & SIMD_SCALAR ? 1 : d & SIMD_DOUBLE ? 2 : 4;
    l->n = 0;
    l->is_double = d & SIMD_DOUBLE;
    l->to_single = !l->is_double || kind == SIMD_NARROW;
    if (kind == SIMD_HADD || kind == SIMD_HSUB) {
        horizontal_lanes(l, kind == SIMD_HADD ? SIMD_ADD : SIMD_SUB, a, n);
        horizontal_lanes(l, kind == SIMD_HADD ? SIMD_ADD : SIMD_SUB, b, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        enum simd_kind op = kind != SIMD_ADDSUB ? kind : i & 1 ? SIMD_ADD : SIMD_SUB;
        bool has_a = kind != SIMD_SQRT && kind != SIMD_NARROW;
        add_lane(l, op, has_a ? element(a, i, l->is_double) : 0, element(b, i, l->is_double));
    }
}

/* ---- DPPS, DPPD: products, then sums, each with exceptions of its own ---------------------------------- */

/* Four singles or two doubles at once under the masked MXCSR; returns the flags. */
static unsigned host_vector(enum simd_kind op, bool is_double, const uint8_t *a, const uint8_t *b, uint8_t *r,
                            uint32_t mxcsr)
{
    uint32_t old, flags;
#define VECTOR(instruction)                                                                                  \
    __asm__ volatile(                                                                                        \
        "stmxcsr %[old]\n\tldmxcsr %[mx]\n\tmovups (%[a]), %%xmm0\n\tmovups (%[b]), %%xmm1\n\t" instruction  \
        " %%xmm1, %%xmm0\n\tmovups %%xmm0, (%[r])\n\tstmxcsr %[flags]\n\t"                                   \
        "ldmxcsr %[old]"                                                                                     \
        : [old] "=m"(old), [flags] "=m"(flags)                                                               \
        : [mx] "m"(mxcsr), [a] "r"(a), [b] "r"(b), [r] "r"(r)                                                \
        : "memory")
    if (op == SIMD_MUL && is_double)
        VECTOR("mulpd");
    else if (op == SIMD_MUL)
        VECTOR("mulps");
    else if (is_double)
        VECTOR("addpd");
    else
        VECTOR("addps");
#undef VECTOR
    return flags & MXCSR_FLAGS;
}

/* One step over n elements; the result replaces a. */
static bool dot_step(enum simd_kind op, uint32_t d, unsigned n, uint8_t *a, const uint8_t *b, uint32_t mxcsr,
                     unsigned *flags)
{
    uint8_t r[16];
    struct lanes l = { .n = 0, .is_double = d & SIMD_DOUBLE, .to_single = !(d & SIMD_DOUBLE) };
    for (unsigned i = 0; i < n; i++)
        add_lane(&l, op, element(a, i, l.is_double), element(b, i, l.is_double));
    unsigned masked = host_vector(op, l.is_double, a, b, r, masked_mxcsr(mxcsr));
    bool stop = judge(masked, &l, mxcsr, flags);
    fpu_copy(a, r, sizeof(r));
    return stop;
}

static bool dot_judge(uint32_t d, const uint8_t *dst, const uint8_t *src, uint32_t mxcsr, unsigned *flags)
{
    unsigned bytes = d & SIMD_DOUBLE ? 8 : 4, n = 16 / bytes;
    uint8_t a[16] = { 0 }, b[16] = { 0 };
    for (unsigned i = 0; i < n; i++) {
        if (!(SIMD_IMM(d) >> (4 + i) & 1))
            continue; /* not selected: +0.0 */
        fpu_copy(a + i * bytes, dst + i * bytes, bytes);
        fpu_copy(b + i * bytes, src + i * bytes, bytes);
    }
    if (dot_step(SIMD_MUL, d, n, a, b, mxcsr, flags))
        return true;
    for (; n > 1; n /= 2) {
        uint8_t even[16] = { 0 }, odd[16] = { 0 };
        for (unsigned i = 0; i < n / 2; i++) {
            fpu_copy(even + i * bytes, a + 2 * i * bytes, bytes);
            fpu_copy(odd + i * bytes, a + (2 * i + 1) * bytes, bytes);
        }
        if (dot_step(SIMD_ADD, d, n / 2, even, odd, mxcsr, flags))
            return true;
        fpu_copy(a, even, sizeof(a));
    }
    return false;
}

/* ---- The whole instruction ----------------------------------------------------------------------------- */

/* As an MMX instruction leaves the x87: TOP 0, all registers in use. */
static bool is_mmx_state(const uint8_t *image)
{
    return image[FX_FTW] == 0xff && !(fx_read16(image, FX_FSW) & FSW_TOP);
}

/* The image numbers registers from TOP, so they move when TOP does. */
static void enter_mmx_state(uint8_t *image, const uint8_t *before)
{
    unsigned fsw = fx_read16(before, FX_FSW), top = (fsw & FSW_TOP) >> 11;
    for (unsigned i = 0; i < 8; i++)
        fpu_copy(image + FX_ST + 16 * ((top + i) & 7), before + FX_ST + 16 * i, 16);
    image[FX_FTW] = 0xff;
    fx_write16(image, FX_FSW, (uint16_t)(fsw & ~FSW_TOP));
}

/* Run it masked; the image has the state after it. Returns the flags it left. */
static unsigned run_masked(struct vcpu *v, const struct uop *u, const void *operand, bool with_flags,
                           struct simd_result *result, uint32_t mxcsr)
{
    fx_write32(v->fpu.image, FX_MXCSR, masked_mxcsr(mxcsr));
    fpu_load(v);
    if (with_flags)
        result->arith = fpu_call_arith(v, u->native, operand, result->arith);
    else
        result->eax = fpu_call(v, u->native, operand, result->eax);
    fpu_save(v);
    return fx_read32(v->fpu.image, FX_MXCSR) & MXCSR_FLAGS;
}

void simd_careful(struct vcpu *v, const struct uop *u, const void *operand, bool with_flags,
                  struct simd_result *result)
{
    _Alignas(16) uint8_t before[FX_SIZE];
    uint32_t d = u->imm;
    unsigned flags = 0;
    bool stop;

    fpu_save(v);
    fpu_copy(before, v->fpu.image, FX_SIZE);
    uint32_t mxcsr = fx_read32(before, FX_MXCSR);
    const uint8_t *a = before + FX_XMM + 16 * SIMD_REG(d);
    const uint8_t *b = d & SIMD_IS_MEM ? operand : before + FX_XMM + 16 * SIMD_RM(d);

    unsigned masked = run_masked(v, u, operand, with_flags, result, mxcsr);
    if (SIMD_KIND(d) == SIMD_DOT) {
        stop = dot_judge(d, a, b, mxcsr, &flags);
    } else if (SIMD_KIND(d) == SIMD_PLAIN) {
        stop = judge(masked, NULL, mxcsr, &flags);
    } else {
        struct lanes l;
        make_lanes(&l, d, a, b);
        stop = judge(masked, &l, mxcsr, &flags);
    }
    if (stop) {
        bool mmx = (d & SIMD_TO_MMX) && is_mmx_state(v->fpu.image);
        fpu_copy(v->fpu.image, before, FX_SIZE);
        if (mmx) /* that much has happened all the same, as seen on a Zen 4 */
            enter_mmx_state(v->fpu.image, before);
    }
    fx_write32(v->fpu.image, FX_MXCSR, mxcsr | flags);
    fpu_load(v);
    if (stop)
        raise_exception(v, u, v->cr4 & X86_CR4_OSXMMEXCPT ? X86_XM : X86_UD);
}
