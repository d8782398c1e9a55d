/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine lockstep on translated code: what it compares, and that it finds what is wrong. The test reaches
 * into the arena to break host code.
 */
#include <check.h>

#include "../../monitor/library/arena.h"
#include "sbe_guest.h"

enum { ROUNDS = 50, PATTERN_MAX = 12 };

static struct sbe_guest guest;

static bool open_kernel(const uint8_t *code, size_t size)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_LOCKSTEP, .eager = true };
    if (!sbe_guest_open(&guest, &config, code, size))
        return false;
    sbe_guest_be_kernel(&guest);
    return true;
}

static void run_to_port(void)
{
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_IO, "exit %u: %s", guest.exit->reason,
                  guest.exit->error.text);
}

/* Loops that end in OUT 80, AL; JMP. */
static const struct {
    const char *name;
    uint8_t code[32];
    size_t size;
    unsigned compared; /* instructions of a round, at least */
} loops[] = {
    { "registers and memory", { 0x40, 0x01, 0x03, 0x8b, 0x0b, 0xe6, 0x80, 0xeb, 0xf7 }, 9, 4 },
    /* PUSHF; CLI; PUSHF; POP EAX; STI; NOP, which is stepped; POPF */
    { "flags", { 0x9c, 0xfa, 0x9c, 0x58, 0xfb, 0x90, 0x9d, 0xe6, 0x80, 0xeb, 0xf5 }, 11, 7 },
    /* CALL +2; JMP +1; RET */
    { "calls", { 0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3, 0xe6, 0x80, 0xeb, 0xf4 }, 12, 4 },
    /* MOV ECX, 5; MOV ESI, 30000h; MOV EDI, 31000h; REP MOVSD: an iteration each */
    { "strings",
      { 0xb9, 5, 0, 0, 0, 0xbe, 0, 0, 3, 0, 0xbf, 0, 0x10, 3, 0, 0xf3, 0xa5, 0xe6, 0x80, 0xeb, 0xeb },
      21,
      9 },
    /* PUSH DS; POP EAX; MOV EAX, DS */
    { "segments", { 0x1e, 0x58, 0x8c, 0xd8, 0xe6, 0x80, 0xeb, 0xf8 }, 8, 4 },
};

START_TEST(sound_code_is_compared)
{
    if (!open_kernel(loops[_i].code, loops[_i].size))
        return;
    for (unsigned i = 0; i < ROUNDS; i++)
        run_to_port();
    ck_assert_msg(sbe_guest_counter(&guest, "lockstep_checks") >= (ROUNDS - 1) * loops[_i].compared, "%s",
                  loops[_i].name);
    sbe_guest_close(&guest);
}
END_TEST

/* Host code that the guest's becomes, and what is made of its last byte. */
static const struct {
    const char *name;
    uint8_t code[16];
    size_t size;
    uint8_t host[PATTERN_MAX];
    size_t host_size;
    uint8_t becomes;
    const char *what;
} faults[] = {
    /* INC EAX, which becomes DEC EAX */
    { "a register", { 0x40, 0xe6, 0x80, 0xeb, 0xfb }, 5, { 0xff, 0xc0 }, 2, 0xc8, "general registers" },
    /* MOV EDX, 1234567h; STC, which becomes CLC */
    { "a flag",
      { 0xba, 0x67, 0x45, 0x23, 0x01, 0xf9, 0xe6, 0x80, 0xeb, 0xf6 },
      10,
      { 0xba, 0x67, 0x45, 0x23, 0x01, 0xf9 },
      6,
      0xf8,
      "EFLAGS" },
    /* MOV DWORD [EBX], 1234567h */
    { "what is stored",
      { 0xc7, 0x03, 0x67, 0x45, 0x23, 0x01, 0xe6, 0x80, 0xeb, 0xf6 },
      10,
      { 0xc7, 0x03, 0x67, 0x45, 0x23, 0x01 },
      6,
      0x02,
      "stored memory" },
    /* INC EAX; MOV [EBX + 40h], EAX */
    { "where it is stored",
      { 0x40, 0x89, 0x43, 0x40, 0xe6, 0x80, 0xeb, 0xf8 },
      8,
      { 0x89, 0x43, 0x40 },
      3,
      0x44,
      "stored memory" },
    /* XOR ECX, ECX; SETZ AL, which becomes SETNZ AL */
    { "a condition",
      { 0x31, 0xc9, 0x0f, 0x94, 0xc0, 0xe6, 0x80, 0xeb, 0xf7 },
      9,
      { 0x31, 0xc9, 0x0f, 0x94 },
      4,
      0x95,
      "general registers" },
};

/* The last byte of the pattern in host code. */
static uint8_t *find(const uint8_t *pattern, size_t size)
{
    const struct translation *t = &guest.vm->arena->translation;
    uint8_t *code = guest.vm->arena->translated_code;
    for (uint32_t i = 0; i + size <= t->part[0].code; i++) {
        if (!memcmp(code + i, pattern, size))
            return code + i + size - 1;
    }
    return NULL;
}

START_TEST(a_difference_ends_the_run)
{
    struct d86_difference d;
    struct d86_regs now;
    if (!open_kernel(faults[_i].code, faults[_i].size))
        return;
    d86_vcpu_set_regs(guest.cpu, &(struct d86_regs){ .eip = SBE_GUEST_CODE,
                                                     .esp = SBE_GUEST_STACK,
                                                     .ebx = SBE_GUEST_DATA,
                                                     .eax = 0x5a5a5a5a,
                                                     .eflags = 2 });
    run_to_port();
    uint8_t *host = find(faults[_i].host, faults[_i].host_size);
    ck_assert_msg(host, "%s: no such host code", faults[_i].name);
    *host = faults[_i].becomes;
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_DIFFERENCE, "%s: exit %u: %s", faults[_i].name,
                  guest.exit->reason, guest.exit->error.text);
    d86_vcpu_difference(guest.cpu, &d);
    ck_assert_msg(!strcmp(d.what, faults[_i].what), "%s: %s", faults[_i].name, d.what);
    d86_vcpu_get_regs(guest.cpu, &now);
    ck_assert_uint_eq(now.eip, d.linear);
    ck_assert(!memcmp(&now, &d.before, sizeof(now)));
    ck_assert(!memcmp(d.code, faults[_i].code + (d.linear - SBE_GUEST_CODE), d.length));
    sbe_guest_close(&guest);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lockstep");
    TCase *tc = tcase_create("translated code");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, sound_code_is_compared, 0, sizeof(loops) / sizeof(loops[0]));
    tcase_add_loop_test(tc, a_difference_ends_the_run, 0, sizeof(faults) / sizeof(faults[0]));
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
