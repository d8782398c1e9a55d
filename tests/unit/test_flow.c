/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where calls, returns and branches to other pages lead: the interpreter remembers where they went last, and
 * must not be wrong about it when linear addresses come to mean something else, when one page is at two of
 * them, or when a return address is not what the call has pushed.
 */
#include "cpu_bench.h"

enum { TABLE = 0x11000, ROUNDS = 300 };

static struct bench b;

static void map_page(uint32_t la, uint32_t pa)
{
    bench_write32(&b, TABLE + (la >> 12) * 4, pa | 7);
}

/* Paging on, first 4 MiB identity-mapped for everyone; ECX counts the rounds. */
static void setup(void)
{
    struct d86_sregs s;
    bench_open(&b);
    bench_mode(&b, BENCH_FLAT32);
    bench_write32(&b, 0x10000, TABLE | 7);
    for (uint32_t page = 0; page < 1024; page++)
        map_page(page << 12, page << 12);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr0 |= X86_CR0_PG;
    s.cr3 = 0x10000;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    struct d86_regs r = bench_regs(&b);
    r.ecx = ROUNDS;
    d86_vcpu_set_regs(b.cpu, &r);
}

static void teardown(void)
{
    bench_close(&b);
}

/* call TO, at FROM */
#define CALL(from, to) 0xe8, LE32((uint32_t)((to) - ((from) + 5)))

START_TEST(page_to_return_to_is_remapped_by_the_callee)
{
    static const uint8_t flush[][7] = {
        { 0x0f, 0x01, 0x3d, LE32(0x80000) },          /* invlpg [80000] */
        { 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x90 }, /* mov eax,cr3; mov cr3,eax; nop */
    };
    /* At 80000 in both frames: call 2000; add ebx,n; ret */
    BENCH_BYTES(&b, 0x20000, CALL(0x80000, 0x2000), 0x81, 0xc3, LE32(1), 0xc3);
    BENCH_BYTES(&b, 0x21000, CALL(0x80000, 0x2000), 0x81, 0xc3, LE32(1000), 0xc3);
    /* xor dword [pte],1000; flush; ret */
    BENCH_BYTES(&b, 0x2000, 0x81, 0x35, LE32(TABLE + 0x80 * 4), LE32(0x1000));
    bench_write(&b, 0x200a, flush[_i], sizeof(flush[_i]));
    BENCH_BYTES(&b, 0x2011, 0xc3);
    /* again: call 80000; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x80000), 0x49, 0x75, 0xf8, 0xcc);
    map_page(0x80000, 0x20000);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx, ROUNDS / 2 * 1001);
}
END_TEST

/* The ways out of a page, from a block that is at two linear addresses: each leads somewhere else. */
static const struct {
    const char *name;
    uint8_t code[16];
} far_branches[] = {
    { "call", { 0xe8, LE32(0x2000 - 5), 0xc3 } },                                    /* call +2000; ret */
    { "jmp", { 0xe9, LE32(0x2000 - 5) } },                                           /* jmp +2000 */
    { "jcc", { 0x39, 0xc0, 0x0f, 0x84, LE32(0x2000 - 8) } },                         /* cmp eax,eax; je */
    { "call of a register", { 0xb8, LE32(0x82000), 0x01, 0xe8, 0xff, 0xd0, 0xc3 } }, /* eax = 82000 + ebp */
};

START_TEST(page_at_two_addresses_leads_to_two_places)
{
    bench_write(&b, 0x20000, far_branches[_i].code, sizeof(far_branches[_i].code));
    BENCH_BYTES(&b, 0x22000, 0x81, 0xc3, LE32(1), 0xc3);    /* add ebx,1; ret */
    BENCH_BYTES(&b, 0x23000, 0x81, 0xc3, LE32(1000), 0xc3); /* add ebx,1000; ret */
    map_page(0x80000, 0x20000);
    map_page(0x81000, 0x20000);
    map_page(0x82000, 0x22000);
    map_page(0x83000, 0x23000);
    /* again: xor ebp,ebp; call 80000; mov ebp,1000; call 81000; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x31, 0xed, CALL(BENCH_CODE + 2, 0x80000), 0xbd, LE32(0x1000),
                CALL(BENCH_CODE + 12, 0x81000), 0x49, 0x75, 0xec, 0xcc);
    BENCH_RUN(&b);
    ck_assert_msg(bench_regs(&b).ebx == ROUNDS * 1001u, "%s: %u", far_branches[_i].name, bench_regs(&b).ebx);
}
END_TEST

START_TEST(callee_changes_its_return_address)
{
    /* again: call f; inc ebx; inc edx; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x2000), 0x43, 0x42, 0x49, 0x75, 0xf6, 0xcc);
    /* f: test cl,1; jz over; inc dword [esp]; over: ret */
    BENCH_BYTES(&b, 0x2000, 0xf6, 0xc1, 1, 0x74, 3, 0xff, 0x04, 0x24, 0xc3);
    struct d86_regs before = bench_regs(&b);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx - before.ebx, ROUNDS / 2);
    ck_assert_uint_eq(bench_regs(&b).edx - before.edx, ROUNDS);
}
END_TEST

START_TEST(calls_deeper_than_anybody_remembers)
{
    /* call f; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x2000), 0xcc);
    /* f: dec ecx; jz over; call f; over: inc ebx; ret */
    BENCH_BYTES(&b, 0x2000, 0x49, 0x74, 5, CALL(0x2003, 0x2000), 0x43, 0xc3);
    struct d86_regs before = bench_regs(&b);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx - before.ebx, ROUNDS);
    ck_assert_uint_eq(bench_regs(&b).esp, before.esp);
}
END_TEST

/* A call whose return address is popped, as position-independent code has them, shifts all that follow. */
START_TEST(calls_that_do_not_return)
{
    /* again: call f; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x2000), 0x49, 0x75, 0xf8, 0xcc);
    /* f: call next; next: pop eax; call next2; next2: pop edx; sub edx,eax; add ebx,edx; ret */
    BENCH_BYTES(&b, 0x2000, CALL(0, 5), 0x58, CALL(0, 5), 0x5a, 0x29, 0xc2, 0x01, 0xd3, 0xc3);
    struct d86_regs before = bench_regs(&b);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx - before.ebx, ROUNDS * 6);
}
END_TEST

START_TEST(call_at_the_end_of_a_page)
{
    /* At 7fffb: call 2000, which returns to 80000, where frames 20000 and 21000 take turns. */
    BENCH_BYTES(&b, 0x7fffb, CALL(0x7fffb, 0x2000));
    BENCH_BYTES(&b, 0x20000, 0x81, 0xc3, LE32(1), 0xc3);
    BENCH_BYTES(&b, 0x21000, 0x81, 0xc3, LE32(1000), 0xc3);
    BENCH_BYTES(&b, 0x2000, 0xc3);
    /* again: call 7fffb; xor dword [pte],1000; invlpg [80000]; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x7fffb), 0x81, 0x35, LE32(TABLE + 0x80 * 4), LE32(0x1000),
                0x0f, 0x01, 0x3d, LE32(0x80000), 0x49, 0x75, 0xe7, 0xcc);
    map_page(0x80000, 0x20000);
    struct d86_regs before = bench_regs(&b);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx - before.ebx, ROUNDS / 2 * 1001);
}
END_TEST

/* Code is rewritten between a call and its return: both where it returns to and the call itself. */
START_TEST(callee_rewrites_its_caller)
{
    /* again: call f; mov al,imm; add bl,al; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, CALL(BENCH_CODE, 0x2000), 0xb0, 0, 0x00, 0xc3, 0x49, 0x75, 0xf4, 0xcc);
    /* f: mov [imm],cl; ret */
    BENCH_BYTES(&b, 0x2000, 0x88, 0x0d, LE32(BENCH_CODE + 6), 0xc3);
    struct d86_regs before = bench_regs(&b);
    BENCH_RUN(&b);
    ck_assert_uint_eq((bench_regs(&b).ebx - before.ebx) & 0xff, ROUNDS * (ROUNDS + 1) / 2 & 0xff);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow");
    TCase *tc = tcase_create("flow");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, page_to_return_to_is_remapped_by_the_callee, 0, 2);
    tcase_add_loop_test(tc, page_at_two_addresses_leads_to_two_places, 0, (int)ARRAY_SIZE(far_branches));
    tcase_add_test(tc, callee_changes_its_return_address);
    tcase_add_test(tc, calls_deeper_than_anybody_remembers);
    tcase_add_test(tc, calls_that_do_not_return);
    tcase_add_test(tc, call_at_the_end_of_a_page);
    tcase_add_test(tc, callee_rewrites_its_caller);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
