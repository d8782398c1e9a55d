/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Integer instructions where the host processor cannot be asked (tests/oracle/): 16-bit stacks and address
 * sizes, segment limits, instructions 64-bit hosts dropped, corner cases of the SDM's pseudocode. A row is
 * some code, what it starts from and what it must leave; a fault must leave everything as it was.
 */
#include "cpu_bench.h"

#include <stddef.h>

static struct bench b;

static void setup(void)
{
    bench_open(&b);
}

static void teardown(void)
{
    bench_close(&b);
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

enum reg { NONE, EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, EIP, FLAGS };

struct value {
    enum reg reg;
    uint32_t value;
};

struct word {
    uint32_t at, value;
};

enum {
    C = X86_CF,
    ENDS = 0x100, /* no fault: the code comes to the INT3 behind it */
    STACK = BENCH_STACK,
    DATA = BENCH_DATA,
    CODE = BENCH_CODE,
};

/*
 * `in` on top of EIP = CODE, ESP = STACK, everything else zero; `out` are the registers that change (EIP is
 * the code's end, or where it faults). before and after: doublewords of memory.
 */
struct row {
    const char *name;
    enum bench_mode mode;
    uint8_t code[16], size;
    int vector; /* ENDS, or the exception */
    struct value in[4];
    struct value out[4];
    struct word before[3], after[3];
    uint32_t error;
};

static uint32_t *reg_of(struct d86_regs *r, enum reg reg)
{
    static const size_t offsets[] = {
        [EAX] = offsetof(struct d86_regs, eax), [ECX] = offsetof(struct d86_regs, ecx),
        [EDX] = offsetof(struct d86_regs, edx), [EBX] = offsetof(struct d86_regs, ebx),
        [ESP] = offsetof(struct d86_regs, esp), [EBP] = offsetof(struct d86_regs, ebp),
        [ESI] = offsetof(struct d86_regs, esi), [EDI] = offsetof(struct d86_regs, edi),
        [EIP] = offsetof(struct d86_regs, eip), [FLAGS] = offsetof(struct d86_regs, eflags),
    };
    return (uint32_t *)((char *)r + offsets[reg]);
}

/* Segments as the rows want them, changed by `tune` when it is not NULL. */
static void run_row(const struct row *row, void (*tune)(struct d86_sregs *s))
{
    struct d86_regs want, have;
    bool flags_known = false;
    bench_mode(&b, row->mode);
    if (tune) {
        struct d86_sregs s;
        d86_vcpu_get_sregs(b.cpu, &s);
        tune(&s);
        ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    }
    want = bench_regs(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(row->in); i++) {
        if (row->in[i].reg)
            *reg_of(&want, row->in[i].reg) = row->in[i].value | (row->in[i].reg == FLAGS ? 2 : 0);
    }
    bench_write(&b, CODE, row->code, row->size);
    BENCH_BYTES(&b, CODE + row->size, 0xcc);
    for (unsigned i = 0; i < ARRAY_SIZE(row->before); i++) {
        if (row->before[i].at)
            bench_write32(&b, row->before[i].at, row->before[i].value);
    }
    d86_vcpu_set_regs(b.cpu, &want);
    enum bench_end end = bench_run(&b);
    have = bench_regs(&b);
    if (row->vector == ENDS) {
        ck_assert_msg(end == BENCH_INT3, "%s: end %d, exception %u (%#x) at %#x", row->name, (int)end,
                      b.exception.vector, b.exception.error_code, have.eip);
        want.eip = CODE + row->size;
    } else {
        ck_assert_msg(end == BENCH_EXCEPTION && b.exception.vector == row->vector,
                      "%s: end %d, exception %u at %#x", row->name, (int)end, b.exception.vector, have.eip);
        ck_assert_msg(!b.exception.has_error_code || b.exception.error_code == row->error,
                      "%s: error code %#x", row->name, b.exception.error_code);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(row->out); i++) {
        flags_known |= row->out[i].reg == FLAGS;
        if (row->out[i].reg)
            *reg_of(&want, row->out[i].reg) = row->out[i].value | (row->out[i].reg == FLAGS ? 2 : 0);
    }
    /* Arithmetic flags are looked at where a row names them; a fault must not have changed any. */
    if (!flags_known && row->vector == ENDS)
        want.eflags = (want.eflags & ~X86_ARITH) | (have.eflags & X86_ARITH);
    for (enum reg reg = EAX; reg <= FLAGS; reg++)
        ck_assert_msg(*reg_of(&have, reg) == *reg_of(&want, reg), "%s: register %d is %#x, not %#x",
                      row->name, (int)reg, *reg_of(&have, reg), *reg_of(&want, reg));
    for (unsigned i = 0; i < ARRAY_SIZE(row->after); i++) {
        if (row->after[i].at)
            ck_assert_msg(bench_read32(&b, row->after[i].at) == row->after[i].value,
                          "%s: memory at %#x is %#x", row->name, row->after[i].at,
                          bench_read32(&b, row->after[i].at));
    }
}

#define REAL BENCH_REAL
#define P16  BENCH_FLAT16
#define P32  BENCH_FLAT32

static const struct row rows[] = {
    /* clang-format off */
    /* Stacks */
    { "push wraps SP in 16 bits", REAL, { 0x50 }, 1, .vector = ENDS,
      .in = { { EAX, 0x1234 }, { ESP, 0x10000 } }, .out = { { ESP, 0x1fffe } },
      .after = { { 0xfffe & ~3u, 0x12340000 } } },
    { "pop wraps SP in 16 bits", REAL, { 0x58 }, 1, .vector = ENDS, .in = { { ESP, 0xabcdfffe } },
      .out = { { EAX, 0x5566 }, { ESP, 0xabcd0000 } }, .before = { { 0xfffc, 0x55660000 } } },
    { "push of 4 at SP 2 reaches over 64 KiB", REAL, { 0x66, 0x50 }, 2, .vector = X86_VEC_SS,
      .in = { { ESP, 2 } } },
    { "push of 2 at SP 1 reaches over 64 KiB", REAL, { 0x50 }, 1, .vector = X86_VEC_SS,
      .in = { { ESP, 1 } } },
    { "pop of 2 at SP FFFF", REAL, { 0x58 }, 1, .vector = X86_VEC_SS, .in = { { ESP, 0xffff } } },
    { "pusha stores SP as it was", REAL, { 0x60 }, 1, .vector = ENDS,
      .in = { { EAX, 1 }, { EDI, 8 }, { ESP, STACK } }, .out = { { ESP, STACK - 16 } },
      .after = { { STACK - 4, 0x00010000 }, { STACK - 12, 0x80000000 }, { STACK - 16, 8 } } },
    { "pusha at SP 7 faults and stores nothing", REAL, { 0x60 }, 1, .vector = X86_VEC_SS,
      .in = { { ESP, 7 }, { EAX, 0xeeee } }, .before = { { 4, 0x1111 } }, .after = { { 4, 0x1111 } } },
    { "popa skips SP", P32, { 0x61 }, 1, .vector = ENDS, .in = { { ESP, STACK } },
      .out = { { ESP, STACK + 32 }, { EDI, 5 }, { EAX, 6 } },
      .before = { { STACK, 5 }, { STACK + 12, 0xdead }, { STACK + 28, 6 } } },
    { "push esp pushes the old value", P32, { 0x54 }, 1, .vector = ENDS, .in = { { ESP, STACK } },
      .out = { { ESP, STACK - 4 } }, .after = { { STACK - 4, STACK } } },
    { "pop esp loads", P32, { 0x5c }, 1, .vector = ENDS, .in = { { ESP, STACK } }, .out = { { ESP, 0x1234 } },
      .before = { { STACK, 0x1234 } } },
    { "pop sp in 32-bit code", P32, { 0x66, 0x5c }, 2, .vector = ENDS, .in = { { ESP, STACK } },
      .out = { { ESP, 0x1234 } }, .before = { { STACK, 0xffff1234 } } },
    { "push [esp] reads before it moves", P32, { 0xff, 0x34, 0x24 }, 3, .vector = ENDS,
      .in = { { ESP, STACK } }, .out = { { ESP, STACK - 4 } }, .before = { { STACK, 77 } },
      .after = { { STACK - 4, 77 } } },
    { "pop [esp] writes after it moved", P32, { 0x8f, 0x04, 0x24 }, 3, .vector = ENDS,
      .in = { { ESP, STACK } }, .out = { { ESP, STACK + 4 } }, .before = { { STACK, 77 } },
      .after = { { STACK, 77 }, { STACK + 4, 77 } } },
    { "pop [esp+8]", P32, { 0x8f, 0x44, 0x24, 8 }, 4, .vector = ENDS, .in = { { ESP, STACK } },
      .out = { { ESP, STACK + 4 } }, .before = { { STACK, 77 } }, .after = { { STACK + 12, 77 } } },
    { "push imm8 extends its sign", P32, { 0x6a, 0x80 }, 2, .vector = ENDS, .in = { { ESP, STACK } },
      .out = { { ESP, STACK - 4 } }, .after = { { STACK - 4, 0xffffff80 } } },
    { "leave in 16 bits takes SP from BP", REAL, { 0xc9 }, 1, .vector = ENDS,
      .in = { { EBP, 0x12344000 }, { ESP, 0xabcd8000 } }, .out = { { ESP, 0xabcd4002 }, { EBP, 0x12345678 } },
      .before = { { 0x4000, 0x5678 } } },
    /* ENTER */
    { "enter 8,0", P32, { 0xc8, 8, 0, 0 }, 4, .vector = ENDS, .in = { { EBP, 0x11 } },
      .out = { { EBP, STACK - 4 }, { ESP, STACK - 12 } }, .after = { { STACK - 4, 0x11 } } },
    { "enter 0,1 pushes the frame pointer", P32, { 0xc8, 0, 0, 1 }, 4, .vector = ENDS,
      .in = { { EBP, 0x11 } }, .out = { { EBP, STACK - 4 }, { ESP, STACK - 8 } },
      .after = { { STACK - 4, 0x11 }, { STACK - 8, STACK - 4 } } },
    { "enter 4,3 copies two links", P32, { 0xc8, 4, 0, 3 }, 4, .vector = ENDS, .in = { { EBP, DATA } },
      .out = { { EBP, STACK - 4 }, { ESP, STACK - 20 } },
      .before = { { DATA - 4, 0xaa }, { DATA - 8, 0xbb } },
      .after = { { STACK - 8, 0xaa }, { STACK - 12, 0xbb }, { STACK - 16, STACK - 4 } } },
    { "enter takes the level modulo 32", P32, { 0xc8, 8, 0, 0x20 }, 4, .vector = ENDS,
      .in = { { EBP, 0x11 } }, .out = { { EBP, STACK - 4 }, { ESP, STACK - 12 } } },
    { "enter wraps BP and SP", REAL, { 0xc8, 4, 0, 2 }, 4, .vector = ENDS,
      .in = { { EBP, 0x70000 }, { ESP, 0xa0004 } }, .out = { { EBP, 0x70002 }, { ESP, 0xafffa } },
      .before = { { 0xfffc, 0x99990000 } }, .after = { { 0xfffc, 0x00020000 } } },
    { "enter beyond the stack changes nothing", REAL, { 0xc8, 0, 0x80, 0 }, 4, .vector = ENDS,
      .in = { { EBP, 0x11 }, { ESP, 0x9000 } }, .out = { { EBP, 0x8ffe }, { ESP, 0x0ffe } } },
    /* BOUND */
    { "bound inside", P32, { 0x62, 0x05, LE32(DATA) }, 6, .vector = ENDS, .in = { { EAX, 5 } },
      .before = { { DATA, 5 }, { DATA + 4, 5 } } },
    { "bound below", P32, { 0x62, 0x05, LE32(DATA) }, 6, .vector = X86_BR, .in = { { EAX, 4 } },
      .before = { { DATA, 5 }, { DATA + 4, 9 } } },
    { "bound above", P32, { 0x62, 0x05, LE32(DATA) }, 6, .vector = X86_BR, .in = { { EAX, 10 } },
      .before = { { DATA, 5 }, { DATA + 4, 9 } } },
    { "bound is signed", P32, { 0x62, 0x05, LE32(DATA) }, 6, .vector = ENDS, .in = { { EAX, 0xffffffff } },
      .before = { { DATA, 0x80000000 }, { DATA + 4, 0 } } },
    { "bound in 16 bits ignores the upper half", REAL, { 0x62, 0x06, LE16(DATA) }, 4, .vector = ENDS,
      .in = { { EAX, 0x7fff0003 } }, .before = { { DATA, 0x0004fffe } } },
    { "bound in 16 bits, above", REAL, { 0x62, 0x06, LE16(DATA) }, 4, .vector = X86_BR, .in = { { EAX, 5 } },
      .before = { { DATA, 0x0004fffe } } },
    { "bound with a register is no instruction", REAL, { 0x62, 0xc0 }, 2, .vector = X86_UD },
    /* BCD and the like */
    { "aam 0", P32, { 0xd4, 0 }, 2, .vector = X86_DE, .in = { { EAX, 0x1234 }, { FLAGS, C } } },
    { "aam", P32, { 0xd4, 10 }, 2, .vector = ENDS, .in = { { EAX, 0xff0063 } },
      .out = { { EAX, 0xff0909 } } },
    { "aad", P32, { 0xd5, 10 }, 2, .vector = ENDS, .in = { { EAX, 0x10907 } }, .out = { { EAX, 0x10061 } } },
    { "aad with another base", P32, { 0xd5, 16 }, 2, .vector = ENDS, .in = { { EAX, 0x0907 } },
      .out = { { EAX, 0x97 } } },
    { "daa carries", P32, { 0x27 }, 1, .vector = ENDS, .in = { { EAX, 0x9a } },
      .out = { { EAX, 0 }, { FLAGS, X86_CF | X86_AF | X86_ZF | X86_PF } } },
    { "das borrows", P32, { 0x2f }, 1, .vector = ENDS, .in = { { EAX, 0xff }, { FLAGS, X86_CF | X86_AF } },
      .out = { { EAX, 0x99 } } },
    { "aaa adjusts AX", P32, { 0x37 }, 1, .vector = ENDS, .in = { { EAX, 0xfa } },
      .out = { { EAX, 0x200 } } },
    { "aaa carries from AL to AH once more", P32, { 0x37 }, 1, .vector = ENDS, .in = { { EAX, 0xff } },
      .out = { { EAX, 0x205 } } },
    { "aas", P32, { 0x3f }, 1, .vector = ENDS, .in = { { EAX, 0x0200 }, { FLAGS, X86_AF } },
      .out = { { EAX, 0x000a } } },
    { "salc with carry", P32, { 0xd6 }, 1, .vector = ENDS, .in = { { EAX, 0x1234 }, { FLAGS, C } },
      .out = { { EAX, 0x12ff }, { FLAGS, C } } },
    { "salc without", P32, { 0xd6 }, 1, .vector = ENDS, .in = { { EAX, 0x1234 } },
      .out = { { EAX, 0x1200 } } },
    { "div by zero", P32, { 0xf7, 0xf1 }, 2, .vector = X86_DE,
      .in = { { EAX, 7 }, { EDX, 1 }, { FLAGS, X86_ARITH } } },
    { "div whose quotient is too large", P32, { 0xf7, 0xf1 }, 2, .vector = X86_DE,
      .in = { { EDX, 1 }, { ECX, 1 } } },
    { "idiv of the smallest by -1", P32, { 0xf7, 0xf9 }, 2, .vector = X86_DE,
      .in = { { EAX, 0x80000000 }, { EDX, 0xffffffff }, { ECX, 0xffffffff } } },
    { "idiv byte, quotient 128", P32, { 0xf6, 0xf9 }, 2, .vector = X86_DE,
      .in = { { EAX, 0x80 }, { ECX, 1 } } },
    { "idiv byte, quotient -128", P32, { 0xf6, 0xf9 }, 2, .vector = ENDS,
      .in = { { EAX, 0xff80 }, { ECX, 1 } }, .out = { { EAX, 0x0080 } } },
    { "into without overflow", P32, { 0xce }, 1, .vector = ENDS },
    /* XLAT */
    { "xlat", P32, { 0xd7 }, 1, .vector = ENDS, .in = { { EBX, DATA }, { EAX, 0xab03 } },
      .out = { { EAX, 0xab44 } }, .before = { { DATA, 0x44000000 } } },
    { "xlat wraps BX + AL in 16 bits", P32, { 0x67, 0xd7 }, 2, .vector = ENDS,
      .in = { { EBX, 0xff03fff }, { EAX, 0x04 } }, .out = { { EAX, 0x66 } },
      .before = { { 0x4000, 0x66000000 } } },
    { "xlat wraps to the start of the segment", REAL, { 0xd7 }, 1, .vector = ENDS,
      .in = { { EBX, 0xffff }, { EAX, 0x11 } }, .out = { { EAX, 0x77 } }, .before = { { 0x10, 0x77 } } },
    /* Addresses of 16 bits */
    { "bx+si wraps", REAL, { 0x8a, 0x00 }, 2, .vector = ENDS, .in = { { EBX, 0x8000 }, { ESI, 0xc000 } },
      .out = { { EAX, 0x5a } }, .before = { { 0x4000, 0x5a } } },
    { "word at FFFF", REAL, { 0xa1, LE16(0xffff) }, 3, .vector = X86_GP },
    { "word at FFFF of the stack", REAL, { 0x8b, 0x46, 0 }, 3, .vector = X86_VEC_SS,
      .in = { { EBP, 0xffff } } },
    { "32-bit address beyond 64 KiB in real mode", REAL, { 0x67, 0xa0, LE32(0x10000) }, 6, .vector = X86_GP },
    { "32-bit address of the stack segment beyond it", REAL, { 0x67, 0x8a, 0x45, 0 }, 4, .vector = X86_VEC_SS,
      .in = { { EBP, 0x10000 } } },
    { "lea keeps 16 bits", P32, { 0x67, 0x8d, 0x40, 0x10 }, 4, .vector = ENDS,
      .in = { { EBX, 0xfff8 }, { ESI, 0x0010 } }, .out = { { EAX, 0x18 } } },
    /* Strings with 16-bit registers in 32-bit code */
    { "rep stosb with CX, DI of 16 bits", P32, { 0x67, 0xf3, 0xaa }, 3, .vector = ENDS,
      .in = { { ECX, 0x70003 }, { EDI, 0x50004000 }, { EAX, 0x11 } },
      .out = { { ECX, 0x70000 }, { EDI, 0x50004003 } }, .before = { { 0x4000, 0 } },
      .after = { { 0x4000, 0x111111 } } },
    { "rep with CX 0 does nothing, whatever ECX", P32, { 0x67, 0xf3, 0xaa }, 3, .vector = ENDS,
      .in = { { ECX, 0x70000 }, { EDI, 0xffff0000 } } },
    { "rep movsb wraps SI and DI", REAL, { 0xf3, 0xa4 }, 2, .vector = ENDS,
      .in = { { ECX, 4 }, { ESI, 0xfffe }, { EDI, DATA } },
      .out = { { ECX, 0 }, { ESI, 2 }, { EDI, DATA + 4 } }, .before = { { 0xfffc, 0xbbaa0000 }, { 0x0, 0 } },
      .after = { { DATA, 0x0000bbaa } } },
    { "rep stosw stops at FFFF and keeps what is done", REAL, { 0xf3, 0xab }, 2, .vector = X86_GP,
      .in = { { ECX, 9 }, { EDI, 0xfffb }, { EAX, 0x2222 } }, .out = { { ECX, 7 }, { EDI, 0xffff } },
      .before = { { 0xfff8, 0 }, { 0xfffc, 0 } },
      .after = { { 0xfff8, 0x22000000 }, { 0xfffc, 0x00222222 } } },
    { "repe cmpsb ends at the difference", P32, { 0xf3, 0xa6 }, 2, .vector = ENDS,
      .in = { { ECX, 9 }, { ESI, DATA }, { EDI, DATA + 0x10 } },
      .out = { { ECX, 6 }, { ESI, DATA + 3 }, { EDI, DATA + 0x13 } },
      .before = { { DATA, 0x04030201 }, { DATA + 0x10, 0x04990201 } } },
    { "repe scas with count 0 keeps the flags", P32, { 0xf3, 0xaf }, 2, .vector = ENDS,
      .in = { { FLAGS, X86_ARITH } }, .out = { { FLAGS, X86_ARITH } } },
    { "std movsd goes down", P32, { 0xfd, 0xf3, 0xa5 }, 3, .vector = ENDS,
      .in = { { ECX, 2 }, { ESI, DATA + 4 }, { EDI, DATA + 0x14 } },
      .out = { { ECX, 0 }, { ESI, DATA - 4 }, { EDI, DATA + 0xc }, { FLAGS, X86_DF } },
      .before = { { DATA, 1 }, { DATA + 4, 2 } }, .after = { { DATA + 0x10, 1 }, { DATA + 0x14, 2 } } },
    { "rep movsb over itself repeats the byte", P32, { 0xf3, 0xa4 }, 2, .vector = ENDS,
      .in = { { ECX, 7 }, { ESI, DATA }, { EDI, DATA + 1 } },
      .out = { { ECX, 0 }, { ESI, DATA + 7 }, { EDI, DATA + 8 } }, .before = { { DATA, 0x44332211 } },
      .after = { { DATA, 0x11111111 }, { DATA + 4, 0x11111111 } } },
    { "lodsb from ES", REAL, { 0x26, 0xac }, 2, .vector = ENDS, .in = { { ESI, DATA } },
      .out = { { EAX, 0x5a }, { ESI, DATA + 1 } }, .before = { { DATA, 0x5a } } },
    /* LOOP, JCXZ */
    { "loop with CX", P32, { 0x67, 0xe2, 0xfd }, 3, .vector = ENDS, .in = { { ECX, 0x50003 } },
      .out = { { ECX, 0x50000 } } },
    { "loop with ECX 1 falls through", P32, { 0xe2, 0xfe }, 2, .vector = ENDS, .in = { { ECX, 1 } },
      .out = { { ECX, 0 } } },
    { "loop keeps the flags", P32, { 0xe2, 0xfe }, 2, .vector = ENDS,
      .in = { { ECX, 3 }, { FLAGS, X86_ARITH } }, .out = { { ECX, 0 }, { FLAGS, X86_ARITH } } },
    { "loope ends when ZF is clear", P32, { 0xe1, 0xfe }, 2, .vector = ENDS, .in = { { ECX, 9 } },
      .out = { { ECX, 8 } } },
    { "loopne ends when ZF is set", P32, { 0xe0, 0xfe }, 2, .vector = ENDS,
      .in = { { ECX, 9 }, { FLAGS, X86_ZF } }, .out = { { ECX, 8 }, { FLAGS, X86_ZF } } },
    { "jcxz looks at CX", P32, { 0x67, 0xe3, 1, 0x40 }, 4, .vector = ENDS, .in = { { ECX, 0x10000 } } },
    { "jecxz looks at ECX", P32, { 0xe3, 1, 0x40 }, 3, .vector = ENDS, .in = { { ECX, 0x10000 } },
      .out = { { EAX, 1 } } },
    /* Near branches in 16 bits */
    { "jmp with 66 keeps 16 bits of EIP", P32, { 0x66, 0xe9, 0x01, 0, 0x40 }, 5, .vector = ENDS },
    { "jmp over FFFF wraps IP", REAL, { 0xe9, LE16(0xf003) }, 3, .vector = ENDS, .out = { { EIP, 6 } },
      .before = { { 4, 0x00cc0000 } } },
    /* LOCK and other forms that do not exist */
    { "lock on a register", P32, { 0xf0, 0x01, 0xc0 }, 3, .vector = X86_UD },
    { "lock mov", P32, { 0xf0, 0x89, 0x05, LE32(DATA) }, 7, .vector = X86_UD },
    { "lock cmp", P32, { 0xf0, 0x39, 0x05, LE32(DATA) }, 7, .vector = X86_UD },
    { "lock with memory as the source", P32, { 0xf0, 0x03, 0x05, LE32(DATA) }, 7, .vector = X86_UD },
    { "lock bt", P32, { 0xf0, 0x0f, 0xba, 0x25, LE32(DATA), 1 }, 9, .vector = X86_UD },
    { "lock nop", P32, { 0xf0, 0x90 }, 2, .vector = X86_UD },
    { "lock push", P32, { 0xf0, 0x50 }, 2, .vector = X86_UD },
    { "lock add", P32, { 0xf0, 0x01, 0x05, LE32(DATA) }, 7, .vector = ENDS, .in = { { EAX, 2 } },
      .before = { { DATA, 3 } }, .after = { { DATA, 5 } } },
    { "lock cmpxchg8b of a register", P32, { 0xf0, 0x0f, 0xc7, 0xc8 }, 4, .vector = X86_UD },
    { "cmpxchg8b of a register", P32, { 0x0f, 0xc7, 0xc8 }, 3, .vector = X86_UD },
    { "lea of a register", P32, { 0x8d, 0xc0 }, 2, .vector = X86_UD },
    { "lds of a register", P32, { 0xc5, 0xc0 }, 2, .vector = X86_UD },
    { "mov cs,ax", P32, { 0x8e, 0xc8 }, 2, .vector = X86_UD },
    { "mov from segment register 6", P32, { 0x8c, 0xf0 }, 2, .vector = X86_UD },
    { "ff /7", P32, { 0xff, 0xf8 }, 2, .vector = X86_UD },
    { "fe /2", P32, { 0xfe, 0xd0 }, 2, .vector = X86_UD },
    { "pop [mem] /1", P32, { 0x8f, 0xc8 }, 2, .vector = X86_UD },
    { "ud2", P32, { 0x0f, 0x0b }, 2, .vector = X86_UD },
    { "ud1", P32, { 0x0f, 0xb9, 0xc0 }, 3, .vector = X86_UD },
    { "ud0", P32, { 0x0f, 0xff, 0xc0 }, 3, .vector = X86_UD },
    { "arpl in real mode", REAL, { 0x63, 0xc0 }, 2, .vector = X86_UD },
    /* Undocumented but present */
    { "test, second form", P32, { 0xf6, 0xc8, 0x0f }, 3, .vector = ENDS, .in = { { EAX, 0xf0 } },
      .out = { { FLAGS, X86_ZF | X86_PF } } },
    { "sal, second form", P32, { 0xc0, 0xf0, 1 }, 3, .vector = ENDS, .in = { { EAX, 0xc1 } },
      .out = { { EAX, 0x82 } } },
    { "82 is 80", P32, { 0x82, 0xc0, 5 }, 3, .vector = ENDS, .in = { { EAX, 0x103 } },
      .out = { { EAX, 0x108 } } },
    { "last of several segment prefixes counts", REAL, { 0x26, 0x3e, 0xa0, LE16(DATA) }, 5, .vector = ENDS,
      .out = { { EAX, 9 } }, .before = { { DATA, 9 } } },
    { "xchg swaps memory", P32, { 0x87, 0x05, LE32(DATA) }, 6, .vector = ENDS, .in = { { EAX, 1 } },
      .out = { { EAX, 2 } }, .before = { { DATA, 2 } }, .after = { { DATA, 1 } } },
    { "xadd of a register with itself", P32, { 0x0f, 0xc1, 0xc0 }, 3, .vector = ENDS, .in = { { EAX, 3 } },
      .out = { { EAX, 6 } } },
    { "cmpxchg, unequal, loads the accumulator", P32, { 0x0f, 0xb1, 0xca }, 3, .vector = ENDS,
      .in = { { EAX, 1 }, { ECX, 2 }, { EDX, 3 } }, .out = { { EAX, 3 } } },
    { "bt with a negative index", P32, { 0x0f, 0xa3, 0x05, LE32(DATA) }, 7, .vector = ENDS,
      .in = { { EAX, 0xffffffff } }, .out = { { FLAGS, C } },
      .before = { { DATA - 4, 0x80000000 }, { DATA, 0 } } },
    { "bts word with a far index", P32, { 0x66, 0x0f, 0xab, 0x05, LE32(DATA) }, 8, .vector = ENDS,
      .in = { { EAX, 0x0021 } }, .before = { { DATA + 4, 0 } }, .after = { { DATA + 4, 2 } } },
    { "shift count is modulo 32", P32, { 0xc1, 0xe0, 33 }, 3, .vector = ENDS, .in = { { EAX, 1 } },
      .out = { { EAX, 2 } } },
    { "shift by 32 keeps flags", P32, { 0xd3, 0xe0 }, 2, .vector = ENDS,
      .in = { { EAX, 1 }, { ECX, 32 }, { FLAGS, X86_ARITH } }, .out = { { FLAGS, X86_ARITH } } },
    { "rcl byte by 9 is by 0", P32, { 0xc0, 0xd0, 9 }, 3, .vector = ENDS,
      .in = { { EAX, 0x5a }, { FLAGS, C } } },
    /* clang-format on */
};

START_TEST(instruction_does)
{
    run_row(&rows[_i], NULL);
}
END_TEST

/* ---- Segments ------------------------------------------------------------------------------------------ */

/* DS: byte limit 4FFF; ES: expand-down, offsets 5000..FFFF; FS: read-only; GS: unusable; all at base 0. */
static void small_segments(struct d86_sregs *s)
{
    s->seg[D86_DS].limit = 0x4fff;
    s->seg[D86_ES].limit = 0x4fff;
    s->seg[D86_ES].attr = 0x97;
    s->seg[D86_FS].attr = 0xc091;
    s->seg[D86_GS].unusable = true;
    s->seg[D86_GS].selector = 0;
}

/* The same with a 32-bit expand-down segment: up to FFFFFFFF. */
static void big_expand_down(struct d86_sregs *s)
{
    small_segments(s);
    s->seg[D86_ES].attr = 0x4097;
}

/* A stack that grows down in an expand-down segment, 16-bit. */
static void expand_down_stack(struct d86_sregs *s)
{
    s->seg[D86_SS].limit = 0x7fff;
    s->seg[D86_SS].attr = 0x97;
}

/* Code at the very end of what CS allows. */
static void short_code(struct d86_sregs *s)
{
    s->seg[D86_CS].limit = CODE + 0x1f;
}

static const struct {
    struct row row;
    void (*tune)(struct d86_sregs *s);
} segment_rows[] = {
    /* clang-format off */
    { { "last byte", P32, { 0xa0, LE32(0x4fff) }, 5, .vector = ENDS, .out = { { EAX, 7 } },
      .before = { { 0x4ffc, 0x07000000 } } }, small_segments },
    { { "one beyond", P32, { 0xa0, LE32(0x5000) }, 5, .vector = X86_GP }, small_segments },
    { { "dword over the end", P32, { 0xa1, LE32(0x4ffd) }, 5, .vector = X86_GP }, small_segments },
    { { "write over the end changes nothing", P32, { 0xc7, 0x05, LE32(0x4ffe), LE32(0xffffffff) }, 10,
      .vector = X86_GP, .before = { { 0x4ffc, 0x1111 } }, .after = { { 0x4ffc, 0x1111 } } }, small_segments },
    { { "offset that wraps", P32, { 0xa1, LE32(0xfffffffe) }, 5, .vector = X86_GP }, small_segments },
    { { "expand-down, first byte", P32, { 0x26, 0xa0, LE32(0x5000) }, 6, .vector = ENDS,
      .out = { { EAX, 8 } }, .before = { { 0x5000, 8 } } }, small_segments },
    { { "expand-down, below", P32, { 0x26, 0xa0, LE32(0x4fff) }, 6, .vector = X86_GP }, small_segments },
    { { "expand-down, dword from below", P32, { 0x26, 0xa1, LE32(0x4ffe) }, 6, .vector = X86_GP },
      small_segments },
    { { "expand-down of 16 bits, last byte", P32, { 0x26, 0xa0, LE32(0xffff) }, 6, .vector = ENDS,
      .out = { { EAX, 9 } }, .before = { { 0xfffc, 0x09000000 } } }, small_segments },
    { { "expand-down of 16 bits, above", P32, { 0x26, 0xa0, LE32(0x10000) }, 6, .vector = X86_GP },
      small_segments },
    { { "expand-down of 16 bits, over the top", P32, { 0x26, 0xa1, LE32(0xfffe) }, 6, .vector = X86_GP },
      small_segments },
    { { "expand-down of 32 bits, above 64 KiB", P32, { 0x26, 0xa0, LE32(0x200000) }, 6, .vector = ENDS,
      .out = { { EAX, 3 } }, .before = { { 0x200000, 3 } } }, big_expand_down },
    { { "expand-down of 32 bits, over the top", P32, { 0x26, 0xa1, LE32(0xfffffffe) }, 6, .vector = X86_GP },
      big_expand_down },
    { { "read-only, read", P32, { 0x64, 0xa0, LE32(DATA) }, 6, .vector = ENDS, .out = { { EAX, 4 } },
      .before = { { DATA, 4 } } }, small_segments },
    { { "read-only, write", P32, { 0x64, 0xa2, LE32(DATA) }, 6, .vector = X86_GP }, small_segments },
    { { "read-only, read-modify-write", P32, { 0x64, 0xff, 0x05, LE32(DATA) }, 7, .vector = X86_GP,
      .before = { { DATA, 4 } }, .after = { { DATA, 4 } } }, small_segments },
    { { "null segment", P32, { 0x65, 0xa0, LE32(DATA) }, 6, .vector = X86_GP }, small_segments },
    { { "code segment cannot be written", P32, { 0x2e, 0xa2, LE32(DATA) }, 6, .vector = X86_GP },
      small_segments },
    { { "code segment can be read", P32, { 0x2e, 0xa0, LE32(DATA) }, 6, .vector = ENDS, .out = { { EAX, 4 } },
      .before = { { DATA, 4 } } }, small_segments },
    { { "lea checks nothing", P32, { 0x65, 0x8d, 0x05, LE32(0x12345) }, 7, .vector = ENDS,
      .out = { { EAX, 0x12345 } } }, small_segments },
    { { "xlat with an override", P32, { 0x26, 0xd7 }, 2, .vector = X86_GP, .in = { { EBX, DATA } } },
      small_segments },
    { { "pop beyond keeps ESP", P32, { 0x8f, 0x05, LE32(0x4ffe) }, 6, .vector = X86_GP }, small_segments },
    { { "xchg beyond", P32, { 0x87, 0x05, LE32(0x4ffe) }, 6, .vector = X86_GP, .in = { { EAX, 5 } } },
      small_segments },
    { { "stos ignores the override", P32, { 0x64, 0xaa }, 2, .vector = X86_GP, .in = { { EDI, DATA } } },
      small_segments },
    { { "movs checks the destination too", P32, { 0xa4 }, 1, .vector = X86_GP,
      .in = { { ESI, DATA }, { EDI, DATA } } }, small_segments },
    { { "rep movs stops at the limit", P32, { 0xf3, 0xa4 }, 2, .vector = X86_GP,
      .in = { { ESI, 0x4ffe }, { EDI, 0x6000 }, { ECX, 5 } },
      .out = { { ESI, 0x5000 }, { EDI, 0x6002 }, { ECX, 3 } },
      .before = { { 0x4ffc, 0xbbaa0000 }, { 0x6000, 0 } }, .after = { { 0x6000, 0xbbaa } } },
      small_segments },
    { { "push in an expand-down stack", P16, { 0x50 }, 1, .vector = ENDS,
      .in = { { EAX, 0x1234 }, { ESP, 0x8002 } }, .out = { { ESP, 0x8000 } },
      .after = { { 0x8000, 0x1234 } } }, expand_down_stack },
    { { "push below an expand-down stack", P16, { 0x50 }, 1, .vector = X86_VEC_SS,
      .in = { { ESP, 0x8000 } } }, expand_down_stack },
    { { "push over the whole 64 KiB of it", P16, { 0x50 }, 1, .vector = ENDS,
      .in = { { EAX, 0x77 }, { ESP, 0x0 } }, .out = { { ESP, 0xfffe } } }, expand_down_stack },
    /* Branches beyond CS fault at the branch, and nothing is done */
    { { "jmp beyond", P32, { 0xeb, 0x20 }, 2, .vector = X86_GP }, short_code },
    { { "jmp to the last byte", P32, { 0xeb, 0x1d }, 2, .vector = X86_GP, .out = { { EIP, CODE + 0x20 } },
      .before = { { CODE + 0x1c, 0x90909090 } } }, short_code },
    { { "jcc beyond, taken", P32, { 0x74, 0x20 }, 2, .vector = X86_GP, .in = { { FLAGS, X86_ZF } } },
      short_code },
    { { "jcc beyond, not taken", P32, { 0x74, 0x20 }, 2, .vector = ENDS }, short_code },
    { { "call beyond pushes nothing", P32, { 0xe8, LE32(0x100) }, 5, .vector = X86_GP,
      .before = { { STACK - 4, 0x99 } }, .after = { { STACK - 4, 0x99 } } }, short_code },
    { { "loop beyond does not count", P32, { 0xe2, 0x20 }, 2, .vector = X86_GP, .in = { { ECX, 5 } } },
      short_code },
    { { "loop beyond at the end of the count", P32, { 0xe2, 0x20 }, 2, .vector = ENDS, .in = { { ECX, 1 } },
      .out = { { ECX, 0 } } }, short_code },
    { { "jecxz beyond", P32, { 0xe3, 0x20 }, 2, .vector = X86_GP }, short_code },
    { { "jmp eax beyond", P32, { 0xff, 0xe0 }, 2, .vector = X86_GP, .in = { { EAX, CODE + 0x20 } } },
      short_code },
    { { "call eax beyond pushes nothing", P32, { 0xff, 0xd0 }, 2, .vector = X86_GP,
      .in = { { EAX, CODE + 0x20 } }, .before = { { STACK - 4, 0x99 } }, .after = { { STACK - 4, 0x99 } } },
      short_code },
    { { "jmp [m] beyond", P32, { 0xff, 0x25, LE32(DATA) }, 6, .vector = X86_GP,
      .before = { { DATA, 0x8000 } } }, short_code },
    { { "ret beyond pops nothing", P32, { 0xc3 }, 1, .vector = X86_GP, .before = { { STACK, 0x8000 } } },
      short_code },
    { { "ret n beyond", P32, { 0xc2, 8, 0 }, 3, .vector = X86_GP, .before = { { STACK, 0xffffffff } } },
      short_code },
    { { "jmp with 66 comes back inside", P32, { 0x66, 0xff, 0xe0 }, 3, .vector = ENDS,
      .in = { { EAX, 0x70000 | (CODE + 3) } } }, short_code },
    /* clang-format on */
};

START_TEST(segment_allows)
{
    run_row(&segment_rows[_i].row, segment_rows[_i].tune);
}
END_TEST

/* ---- Big real mode ------------------------------------------------------------------------------------- */

static void unreal(struct d86_sregs *s)
{
    s->seg[D86_DS].limit = 0xffffffffu;
}

START_TEST(limits_stay_in_big_real_mode)
{
    static const struct row row = { "above 1 MiB",
                                    REAL,
                                    { 0x67, 0x66, 0xa1, LE32(0x200000) },
                                    7,
                                    .vector = ENDS,
                                    .out = { { EAX, 0x12345678 } },
                                    .before = { { 0x200000, 0x12345678 } } };
    run_row(&row, unreal);
    /* Loading DS changes its base only: mov ds,bx; mov al,[2000000 - 16 * 10h] */
    static const struct row reload = { "after loading DS",
                                       REAL,
                                       { 0x8e, 0xdb, 0x67, 0xa0, LE32(0x1fff00) },
                                       8,
                                       .vector = ENDS,
                                       .in = { { EBX, 0x10 } },
                                       .out = { { EAX, 0x78 } },
                                       .before = { { 0x200000, 0x12345678 } } };
    run_row(&reload, unreal);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interp_integer");
    TCase *tc = tcase_create("integer");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, instruction_does, 0, ARRAY_SIZE(rows));
    tcase_add_loop_test(tc, segment_allows, 0, ARRAY_SIZE(segment_rows));
    tcase_add_test(tc, limits_stay_in_big_real_mode);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
