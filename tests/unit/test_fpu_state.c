/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What test_fpu cannot ask the host in user mode: CR0 and CR4, FERR# and IGNNE#, the guest's own instruction
 * and data pointers in all environment formats, FXSAVE and FXRSTOR as 32-bit code sees them.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fpu_rig.h"

enum {
    CR0_PE = 0x01,
    CR0_MP = 0x02,
    CR0_EM = 0x04,
    CR0_TS = 0x08,
    CR0_NE = 0x20,
    CR4_OSFXSR = 0x200,
    CR4_OSXMMEXCPT = 0x400,
    CR4_BOTH = CR4_OSFXSR | CR4_OSXMMEXCPT,
    AREA = 1024, /* offset of the operand in the rig's memory */
};

#define ARRAY_SIZE(a) ((int)(sizeof(a) / sizeof((a)[0])))

static uint8_t *area(void)
{
    return rig_memory() + AREA;
}

static void put16(uint8_t *p, unsigned at, unsigned value)
{
    p[at] = (uint8_t)value;
    p[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, unsigned at, uint32_t value)
{
    put16(p, at, value & 0xffff);
    put16(p, at + 2, value >> 16);
}

static unsigned get16(const uint8_t *p, unsigned at)
{
    return p[at] | (unsigned)p[at + 1] << 8;
}

static uint32_t get32(const uint8_t *p, unsigned at)
{
    return get16(p, at) | (uint32_t)get16(p, at + 2) << 16;
}

/* Everything masked, nothing pending, all registers in use; ESI at the operand. */
static struct rig_state start(void)
{
    struct rig_state s;
    memset(&s, 0, sizeof(s));
    put16(s.fx, 0, 0x37f);
    s.fx[4] = 0xff;
    put32(s.fx, 24, 0x1f80);
    for (unsigned i = 32; i < 288; i++)
        s.fx[i] = (uint8_t)(i * 7);
    s.gpr[6] = (uint32_t)(uintptr_t)area();
    return s;
}

static int run_at(struct rig_state *s, const uint8_t *bytes, uint32_t cr0, uint32_t cr4, bool code16)
{
    struct rig_controls controls = { .cr0 = cr0, .cr4 = cr4, .code16 = code16, .tlb = RIG_TLB_FILLED };
    uint8_t padded[15] = { 0 };
    memcpy(padded, bytes, 8);
    return rig_run_guest(padded, &controls, s);
}

static int run(struct rig_state *s, const uint8_t bytes[8])
{
    return run_at(s, bytes, CR0_PE | CR0_NE, CR4_BOTH, false);
}

/* ---- CR0 and CR4 --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t bytes[8];
    uint32_t cr0, cr4;
    int outcome;
} access_rows[] = {
    { "x87, all clear", { 0xd9, 0xe8 }, CR0_NE, CR4_BOTH, RIG_OK },
    { "x87, TS", { 0xd9, 0xe8 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "x87, EM", { 0xd9, 0xe8 }, CR0_NE | CR0_EM, CR4_BOTH, RIG_NM },
    { "x87 memory, TS before page fault", { 0xd9, 0x05, 0, 0, 0, 0 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FNSTSW AX, TS", { 0xdf, 0xe0 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FNINIT, EM", { 0xdb, 0xe3 }, CR0_NE | CR0_EM, CR4_BOTH, RIG_NM },
    { "FLDCW, TS", { 0xd9, 0x2e }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FNSAVE, TS", { 0xdd, 0x36 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FWAIT, TS", { 0x9b }, CR0_NE | CR0_TS, CR4_BOTH, RIG_OK },
    { "FWAIT, EM and MP", { 0x9b }, CR0_NE | CR0_EM | CR0_MP, CR4_BOTH, RIG_OK },
    { "FWAIT, TS and MP", { 0x9b }, CR0_NE | CR0_TS | CR0_MP, CR4_BOTH, RIG_NM },
    { "MMX, EM", { 0x0f, 0xfc, 0xc1 }, CR0_NE | CR0_EM, CR4_BOTH, RIG_UD },
    { "MMX, TS", { 0x0f, 0xfc, 0xc1 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "MMX, EM and TS", { 0x0f, 0xfc, 0xc1 }, CR0_NE | CR0_EM | CR0_TS, CR4_BOTH, RIG_UD },
    { "MMX needs no OSFXSR", { 0x0f, 0xfc, 0xc1 }, CR0_NE, 0, RIG_OK },
    { "EMMS, TS", { 0x0f, 0x77 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "SSE", { 0x0f, 0x58, 0xc1 }, CR0_NE, CR4_BOTH, RIG_OK },
    { "SSE, OSFXSR clear", { 0x0f, 0x58, 0xc1 }, CR0_NE, CR4_OSXMMEXCPT, RIG_UD },
    { "SSE, OSFXSR clear and TS", { 0x0f, 0x58, 0xc1 }, CR0_NE | CR0_TS, 0, RIG_UD },
    { "SSE, EM", { 0x0f, 0x28, 0xc1 }, CR0_NE | CR0_EM, CR4_BOTH, RIG_UD },
    { "SSE, TS", { 0x0f, 0x28, 0xc1 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "STMXCSR, OSFXSR clear", { 0x0f, 0xae, 0x1e }, CR0_NE, 0, RIG_UD },
    { "MOVQ2DQ, OSFXSR clear", { 0xf3, 0x0f, 0xd6, 0xc1 }, CR0_NE, 0, RIG_UD },
    { "FXSAVE, EM", { 0x0f, 0xae, 0x06 }, CR0_NE | CR0_EM, CR4_BOTH, RIG_UD },
    { "FXSAVE, TS", { 0x0f, 0xae, 0x06 }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FXRSTOR, TS", { 0x0f, 0xae, 0x0e }, CR0_NE | CR0_TS, CR4_BOTH, RIG_NM },
    { "FXSAVE needs no OSFXSR", { 0x0f, 0xae, 0x06 }, CR0_NE, 0, RIG_OK },
    { "MOVNTI asks nobody", { 0x0f, 0xc3, 0x06 }, CR0_NE | CR0_TS | CR0_EM, 0, RIG_OK },
    { "SFENCE asks nobody", { 0x0f, 0xae, 0xf8 }, CR0_NE | CR0_TS | CR0_EM, 0, RIG_OK },
    { "PREFETCHT0 of nothing", { 0x0f, 0x18, 0x0d, 0, 0, 0, 0 }, CR0_NE | CR0_TS | CR0_EM, 0, RIG_OK },
    { "POPCNT asks nobody", { 0xf3, 0x0f, 0xb8, 0xc1 }, CR0_NE | CR0_TS | CR0_EM, 0, RIG_OK },
};

START_TEST(asks_cr0_and_cr4)
{
    struct rig_state s = start();
    put32(area(), 24, 0x1f80); /* FXRSTOR's MXCSR */
    int outcome = run_at(&s, access_rows[_i].bytes, access_rows[_i].cr0 | CR0_PE, access_rows[_i].cr4, false);
    ck_assert_msg(outcome == access_rows[_i].outcome, "%s: %d, not %d", access_rows[_i].name, outcome,
                  access_rows[_i].outcome);
}
END_TEST

static const uint8_t divss[8] = { 0xf3, 0x0f, 0x5e, 0xc1 };

START_TEST(simd_exception_is_ud_without_osxmmexcpt)
{
    struct rig_state s = start();
    put32(s.fx, 24, 0x1f80 & ~(4u << 7)); /* Z unmasked */
    put32(s.fx, 160, 0x3f800000);
    put32(s.fx, 176, 0);
    struct rig_state t = s;
    ck_assert_int_eq(run_at(&s, divss, CR0_PE | CR0_NE, CR4_OSFXSR, false), RIG_UD);
    ck_assert_int_eq(run_at(&t, divss, CR0_PE | CR0_NE, CR4_BOTH, false), RIG_XM);
    ck_assert_uint_eq(get32(t.fx, 24), (0x1f80 & ~(4u << 7)) | 4);
    ck_assert_uint_eq(get32(t.fx, 160), 0x3f800000);
}
END_TEST

/* ---- Pending x87 exceptions ---------------------------------------------------------------------------- */

static const uint8_t fadd[8] = { 0xd8, 0xc1 }, fwait[8] = { 0x9b }, fnstsw_ax[8] = { 0xdf, 0xe0 };
static const uint8_t fnclex[8] = { 0xdb, 0xe2 }, paddb[8] = { 0x0f, 0xfc, 0xc1 }, fld1[8] = { 0xd9, 0xe8 };

/* Z pending. */
static struct rig_state pending(void)
{
    struct rig_state s = start();
    put16(s.fx, 0, 0x37b);
    put16(s.fx, 2, 0x8084);
    return s;
}

START_TEST(pending_exception_stops_waiting_instructions)
{
    struct rig_state s = pending();
    ck_assert_int_eq(run(&s, fadd), RIG_MF);
    ck_assert_int_eq(run(&s, fwait), RIG_MF);
    ck_assert_int_eq(run(&s, paddb), RIG_MF);
    ck_assert_int_eq(run(&s, fnstsw_ax), RIG_OK);
    ck_assert_uint_eq(s.gpr[0], 0x8084);
    ck_assert_int_eq(run(&s, fnclex), RIG_OK);
    ck_assert_int_eq(run(&s, fwait), RIG_OK);
}
END_TEST

START_TEST(ferr_replaces_mf_without_ne)
{
    struct rig_state s = pending();
    ck_assert_int_eq(run_at(&s, fadd, CR0_PE, CR4_BOTH, false), RIG_FERR);
    ck_assert_int_eq(run_at(&s, fwait, CR0_PE, CR4_BOTH, false), RIG_FERR);
    ck_assert_int_eq(run_at(&s, fnstsw_ax, CR0_PE, CR4_BOTH, false), RIG_OK);
}
END_TEST

START_TEST(ignne_lets_instructions_run_until_the_exception_is_cleared)
{
    struct rig_state s = pending();
    rig_ignne();
    ck_assert_int_eq(run_at(&s, fld1, CR0_PE, CR4_BOTH, false), RIG_OK);
    ck_assert_uint_eq(get16(s.fx, 2) & 0x80ff,
                      0x80c5); /* Z is still pending; the stack was full, so I and SF too */
    ck_assert_int_eq(run_at(&s, fwait, CR0_PE, CR4_BOTH, false), RIG_OK);
    ck_assert_int_eq(run_at(&s, fnclex, CR0_PE, CR4_BOTH, false), RIG_OK);
    ck_assert_uint_eq(get16(s.fx, 2) & 0x80ff, 0);
    s = pending();
    ck_assert_int_eq(run_at(&s, fadd, CR0_PE, CR4_BOTH, false), RIG_FERR);
}
END_TEST

/* ---- Instruction and data pointers --------------------------------------------------------------------- */

START_TEST(notes_where_the_last_instruction_was)
{
    static const uint8_t fld[8] = { 0xd9, 0x46, 0x04 }, fnstcw[8] = { 0xd9, 0x7e, 0x10 };
    struct rig_state s = start();
    ck_assert_int_eq(run(&s, fld), RIG_OK);
    ck_assert_uint_eq(get16(s.fx, 6), 0x146);
    ck_assert_uint_eq(get32(s.fx, 8), RIG_EIP);
    ck_assert_uint_eq(get16(s.fx, 12), RIG_CS);
    ck_assert_uint_eq(get32(s.fx, 16), s.gpr[6] + 4);
    ck_assert_uint_eq(get16(s.fx, 20), RIG_DS);
    put16(s.fx, 6, 0x7ff);
    ck_assert_int_eq(run(&s, fnstcw), RIG_OK); /* control instructions leave no trace */
    ck_assert_uint_eq(get16(s.fx, 6), 0x7ff);
    ck_assert_int_eq(run(&s, fld1), RIG_OK); /* no operand: the data pointer stays */
    ck_assert_uint_eq(get16(s.fx, 6), 0x1e8);
    ck_assert_uint_eq(get32(s.fx, 16), s.gpr[6] + 4);
}
END_TEST

static const struct {
    const char *name;
    uint32_t cr0;
    bool narrow;
    unsigned size;
    uint8_t pointers[16]; /* what follows FCW, FSW, FTW */
} environment_rows[] = {
    { "32-bit protected",
      CR0_PE,
      false,
      28,
      { 0x78, 0x56, 0x34, 0x12, 0x08, 0x00, 0xab, 0x05, 0xf0, 0xde, 0xbc, 0x9a, 0x10, 0x00, 0xff, 0xff } },
    { "16-bit protected", CR0_PE, true, 14, { 0x78, 0x56, 0x08, 0x00, 0xf0, 0xde, 0x10, 0x00 } },
    /* Linear addresses 123456F8 and 9ABCDFF0: selector * 16 + offset */
    { "32-bit real",
      0,
      false,
      28,
      { 0xf8, 0x56, 0xff, 0xff, 0xab, 0x45, 0x23, 0x01, 0xf0, 0xdf, 0xff, 0xff, 0x00, 0xc0, 0xab, 0x09 } },
    { "16-bit real", 0, true, 14, { 0xf8, 0x56, 0xab, 0x45, 0xf0, 0xdf, 0x00, 0xc0 } },
};

START_TEST(environment_has_four_formats)
{
    uint8_t fnstenv[8] = { 0xd9, 0x36 }, fldenv[8] = { 0xd9, 0x26 };
    bool narrow = environment_rows[_i].narrow;
    struct rig_state s = start();
    if (narrow) {
        memmove(fnstenv + 1, fnstenv, 2);
        memmove(fldenv + 1, fldenv, 2);
        fnstenv[0] = fldenv[0] = 0x66;
    }
    put16(s.fx, 0, 0x27b);
    put16(s.fx, 2, 0x3900);
    put16(s.fx, 6, 0x5ab);
    put32(s.fx, 8, 0x12345678);
    put16(s.fx, 12, 8);
    put32(s.fx, 16, 0x9abcdef0);
    put16(s.fx, 20, 0x10);
    memset(area(), 0xcc, 64);
    ck_assert_int_eq(run_at(&s, fnstenv, environment_rows[_i].cr0 | CR0_NE, CR4_BOTH, false), RIG_OK);
    unsigned size = environment_rows[_i].size, pointers = narrow ? 6 : 12;
    ck_assert_uint_eq(get16(area(), 0), 0x27b);
    ck_assert_uint_eq(get16(area(), narrow ? 2 : 4), 0x3900);
    ck_assert_msg(!memcmp(area() + pointers, environment_rows[_i].pointers, size - pointers), "%s",
                  environment_rows[_i].name);
    ck_assert_uint_eq(area()[size], 0xcc);
    ck_assert_uint_eq(get16(s.fx, 0) & 0x3f, 0x3f); /* FNSTENV masks everything */

    struct rig_state loaded = start();
    ck_assert_int_eq(run_at(&loaded, fldenv, environment_rows[_i].cr0 | CR0_NE, CR4_BOTH, false), RIG_OK);
    ck_assert_uint_eq(get16(loaded.fx, 0), 0x27b);
    ck_assert_uint_eq(get16(loaded.fx, 2), 0x3900);
    ck_assert_int_eq(run_at(&loaded, fnstenv, environment_rows[_i].cr0 | CR0_NE, CR4_BOTH, false), RIG_OK);
    ck_assert_msg(!memcmp(area() + pointers, environment_rows[_i].pointers, size - pointers), "%s, loaded",
                  environment_rows[_i].name);
}
END_TEST

/* ---- FXSAVE, FXRSTOR ----------------------------------------------------------------------------------- */

static const uint8_t fxsave[8] = { 0x0f, 0xae, 0x06 }, fxrstor[8] = { 0x0f, 0xae, 0x0e };

START_TEST(fxsave_shows_the_guests_state)
{
    struct rig_state s = start();
    put16(s.fx, 6, 0x5ab);
    put32(s.fx, 8, 0x12345678);
    put16(s.fx, 12, 8);
    put32(s.fx, 16, 0x9abcdef0);
    put16(s.fx, 20, 0x10);
    memset(area(), 0xcc, 512);
    ck_assert_int_eq(run(&s, fxsave), RIG_OK);
    ck_assert_mem_eq(area(), s.fx, 28);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_mem_eq(area() + 32 + 16 * i, s.fx + 32 + 16 * i, 10);
    ck_assert_mem_eq(area() + 160, s.fx + 160, 128);
    ck_assert_uint_eq(get32(area(), 28) & ~0xffffu, 0); /* MXCSR_MASK */
    ck_assert_uint_eq(get32(area(), 28) & 0xffbf, 0xffbf);
    for (unsigned i = 288; i < 512; i++)
        ck_assert_uint_eq(area()[i], 0xcc);
}
END_TEST

START_TEST(fxrstor_is_the_reverse)
{
    struct rig_state from = start(), to = start();
    put32(from.fx, 8, 0x12345678);
    put16(from.fx, 2, 0x2800);
    ck_assert_int_eq(run(&from, fxsave), RIG_OK);
    memset(to.fx + 32, 0, 256);
    ck_assert_int_eq(run(&to, fxrstor), RIG_OK);
    ck_assert_mem_eq(to.fx, from.fx, 512);
}
END_TEST

START_TEST(fxrstor_leaves_sse_alone_without_osfxsr)
{
    struct rig_state from = start(), to = start();
    put32(from.fx, 24, 0x1fc0);
    ck_assert_int_eq(run(&from, fxsave), RIG_OK);
    memset(to.fx + 32, 0x55, 256);
    ck_assert_int_eq(run_at(&to, fxrstor, CR0_PE | CR0_NE, 0, false), RIG_OK);
    ck_assert_uint_eq(get32(to.fx, 24), 0x1f80);
    ck_assert_uint_eq(to.fx[160], 0x55);
    ck_assert_uint_eq(to.fx[32], from.fx[32]);
}
END_TEST

START_TEST(fxrstor_refuses_reserved_mxcsr_bits)
{
    struct rig_state s = start(), before = s;
    ck_assert_int_eq(run(&s, fxsave), RIG_OK);
    put32(area(), 24, 0x11f80);
    ck_assert_int_eq(run(&s, fxrstor), RIG_GP);
    ck_assert_mem_eq(s.fx + 160, before.fx + 160, 128);
}
END_TEST

START_TEST(fxsave_area_is_aligned_and_writable_as_a_whole)
{
    struct rig_state s = start();
    s.gpr[6] += 8;
    ck_assert_int_eq(run(&s, fxsave), RIG_GP);
    ck_assert_int_eq(run(&s, fxrstor), RIG_GP);
    uint8_t *end = rig_memory() + RIG_MEMORY - 4096;
    memset(end - 496, 0xcc, 496);
    s.gpr[6] = (uint32_t)(uintptr_t)(end - 496); /* the last 16 bytes, reserved ones, would fault */
    ck_assert_int_eq(run(&s, fxsave), RIG_PF);
    for (unsigned i = 0; i < 496; i++)
        ck_assert_uint_eq((end - 496)[i], 0xcc);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fpu_state");
    TCase *t = tcase_create("state");
    tcase_add_loop_test(t, asks_cr0_and_cr4, 0, ARRAY_SIZE(access_rows));
    tcase_add_test(t, simd_exception_is_ud_without_osxmmexcpt);
    tcase_add_test(t, pending_exception_stops_waiting_instructions);
    tcase_add_test(t, ferr_replaces_mf_without_ne);
    tcase_add_test(t, ignne_lets_instructions_run_until_the_exception_is_cleared);
    tcase_add_test(t, notes_where_the_last_instruction_was);
    tcase_add_loop_test(t, environment_has_four_formats, 0, ARRAY_SIZE(environment_rows));
    tcase_add_test(t, fxsave_shows_the_guests_state);
    tcase_add_test(t, fxrstor_is_the_reverse);
    tcase_add_test(t, fxrstor_leaves_sse_alone_without_osfxsr);
    tcase_add_test(t, fxrstor_refuses_reserved_mxcsr_bits);
    tcase_add_test(t, fxsave_area_is_aligned_and_writable_as_a_whole);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
