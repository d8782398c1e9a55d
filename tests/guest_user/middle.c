/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Jumps into the middle of instructions: the same bytes are other instructions there, among them sensitive
 * ones, and the bytes of sensitive instructions are harmless ones. Each row is run many times, so that what
 * was found out at the first run is used again, and in both orders with its outer reading.
 */
#include "user.h"

/* Inner instructions in immediates. `outer` at offset 0 is always mov eax, imm32 and what follows. */
static const struct code_row rows[] = {
    /* Read from the start. */
    { "mov eax, imm holding int 0x80", CODE("\xb8\xcd\x80\xc3\x00\xc3"), .eax = 0x00c380cd },
    { "mov eax, imm holding cpuid", CODE("\xb8\x0f\xa2\xc3\x00\xc3"), .eax = 0x00c3a20f },
    { "mov eax, imm holding retf", CODE("\xb8\xcb\xcb\xcb\xcb\xc3"), .eax = 0xcbcbcbcb },
    { "mov eax, imm holding iret", CODE("\xb8\xcf\xcf\xcf\xcf\xc3"), .eax = 0xcfcfcfcf },
    { "mov eax, imm holding cli, hlt", CODE("\xb8\xfa\xf4\xfa\xf4\xc3"), .eax = 0xf4faf4fa },
    { "mov eax, imm holding segment pops", CODE("\xb8\x07\x1f\x17\x0e\xc3"), .eax = 0x0e171f07 },
    { "mov eax, imm holding wrpkru", CODE("\xb8\x0f\x01\xef\xc3\xc3"), .eax = 0xc3ef010f },
    { "mov eax, imm holding syscall", CODE("\xb8\x0f\x05\x0f\x34\xc3"), .eax = 0x340f050f },
    { "mov eax, imm holding int3", CODE("\xb8\xcc\xcc\xcc\xcc\xc3"), .eax = 0xcccccccc },
    { "add eax, imm holding mov ds", CODE("\x31\xc0\x05\x8e\xd8\x8e\xc0\xc3"), .eax = 0xc08ed88e },
    { "lea with displacement holding int 0x80", CODE("\x31\xc0\x8d\x80\xcd\x80\xc3\x00\xc3"),
      .eax = 0x00c380cd },
    { "jump over data that is sensitive", CODE("\xeb\x05\xcd\x80\x0f\x34\xf4\xb0\x07\x0f\xb6\xc0\xc3"),
      .eax = 7 },
    /* From within. */
    { "inner int 0x80 (no such call)", CODE("\xb8\xcd\x80\xc3\x00\xc3"), 1, { .eax = 0xfff }, .eax = -38u },
    { "inner cpuid, of no leaf's use", CODE("\xb8\x53\x0f\xa2\xeb\x00\x5b\x31\xc0\xc3"), 1, .eax = 0 },
    { "inner cli", CODE("\xb8\xfa\xf4\xfa\xf4\xc3"), 1, {}, SIG_SEGV, CODE_KERNEL, 13, 0, 1 },
    { "inner hlt", CODE("\xb8\xfa\xf4\xfa\xf4\xc3"), 2, {}, SIG_SEGV, CODE_KERNEL, 13, 0, 2 },
    { "second inner hlt", CODE("\xb8\xfa\xf4\xfa\xf4\xc3"), 4, {}, SIG_SEGV, CODE_KERNEL, 13, 0, 4 },
    { "inner int3", CODE("\xb8\xcc\xcc\xcc\xcc\xc3"), 2, {}, SIG_TRAP, CODE_KERNEL, 3, 0, 3 },
    { "inner ud2",
      CODE("\xb8\x0f\x0b\x90\x90\xc3"),
      1,
      {},
      SIG_ILL,
      CODE_ILLOPN,
      6,
      0,
      1,
      .addr_is_eip = true },
    { "inner in al, dx", CODE("\xb8\xec\x90\x90\x90\xc3"), 1, {}, SIG_SEGV, CODE_KERNEL, 13, 0, 1 },
    { "inner int 0x21", CODE("\xb8\xcd\x21\x90\x90\xc3"), 1, {}, SIG_SEGV, CODE_KERNEL, 13, 0x10a, 1 },
    { "inner push cs, pop eax, against mov eax, cs", CODE("\xb8\x0e\x58\x90\x90\x8c\xca\x29\xd0\xc3"), 1,
      .eax = 0 },
    { "inner mov es, ax of a bad selector",
      CODE("\xb8\x8e\xc0\x90\x90\xc3"),
      1,
      { .eax = 0x0fff },
      SIG_SEGV,
      CODE_KERNEL,
      13,
      0x0ffc,
      1 },
    { "inner pushf, popf", CODE("\xb8\x9c\x9d\x90\x90\x31\xc0\xc3"), 1, .eax = 0 },
    { "inner iret",
      CODE("\x9c\x0e\xe8\x00\x00\x00\x00\x83\x04\x24\x0d\xeb\x01\xb8\xcf\x90\x90\x90\xf4\xf4"
           "\x31\xc0\x40\xc3"),
      .eax = 1 },
    { "inner retf",
      CODE("\x0e\xe8\x00\x00\x00\x00\x83\x04\x24\x0e\xeb\x01\xb8\xcb\x90\x90\x90\xf4\xf4\xf4"
           "\x31\xc0\x40\xc3"),
      .eax = 1 },
    /* Middles of instructions that are replaced. */
    { "second byte of int 0x80: add byte",
      CODE("\xcd\x80\xc0\x05\x0f\xb6\xc0\xc3"),
      1,
      { .eax = 2 },
      .eax = 7 },
    { "second byte of cpuid: mov [moffs], al would be",
      CODE("\x0f\xa2\x90\x90\x90\x90\xc3"),
      1,
      {},
      SIG_SEGV,
      CODE_MAPERR,
      14,
      6,
      1,
      .addr = 0x90909090 },
    { "middle of a far jump", CODE("\xea\x31\xc0\xc3\x90\x90\x90"), 1, { .eax = 9 }, .eax = 0 },
    { "middle of int 0x80's jump area",
      CODE("\xcd\x80\x40\x40\x40\x40\x40\x40\xc3"),
      3,
      { .eax = 0 },
      .eax = 5 },
    { "and its start", CODE("\xcd\x80\x40\x40\x40\x40\x40\x40\xc3"), 0, { .eax = 0xfff }, .eax = -32u },
    { "behind cpuid, where a jump may reach",
      CODE("\x0f\xa2\x40\x40\x40\x40\x40\xc3"),
      4,
      { .eax = 0 },
      .eax = 3 },
    { "prefix skipped: rep in front of cpuid is no part",
      CODE("\xf3\x0f\xa2\x31\xc0\xc3"),
      3,
      { .eax = 9 },
      .eax = 0 },
    { "segment prefix skipped", CODE("\x65\x8b\x02\xc3"), 1, { .edx = 0x33000000 }, .eax = 0x12345678 },
    { "two readings that meet again", CODE("\x3d\x31\xc0\x40\x90\x40\x40\xc3"), 1, { .eax = 5 }, .eax = 3 },
};

/* All rows lie in memory at once, and nothing is written between the runs. */
static void check_resident(uint8_t *pages)
{
    enum { SLOT = 64 };
    uint32_t wrong = 0, random = 2;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        memcpy(pages + i * SLOT, rows[i].bytes, rows[i].size);
    for (unsigned i = 0; i < 20 * ARRAY_SIZE(rows); i++) {
        unsigned row = next_random(&random) % ARRAY_SIZE(rows);
        wrong += !row_holds_in_place(&rows[row], pages + row * SLOT);
    }
    check_equal(wrong, 0, "all rows in memory, entered in any order");
}

/* One run of bytes entered at each of its offsets: 40 is inc eax, and each B8 swallows four of them. */
static void check_every_offset(uint8_t *page)
{
    static const uint8_t pattern[] = { 0xb8, 0x40, 0x0f, 0xa2, 0x40 }; /* mov eax / inc eax, cpuid, inc eax */
    uint32_t wrong = 0;
    for (unsigned i = 0; i < 60; i++)
        page[i] = pattern[i % 5];
    page[60] = 0xc3;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 60; i += 5) {
            struct registers r = { 0 };
            call_code(page + i, &r); /* movs only */
            wrong += r.eax != 0x40a20f40;
            r = (struct registers){ 0 };
            call_code(page + i + 4, &r); /* inc eax, then movs only, or the end */
            wrong += r.eax != (i == 55 ? 1 : 0x40a20f40);
            r = (struct registers){ .eax = 0x7fffffff }; /* inc, cpuid of no leaf, inc, mov... */
            call_code(page + i + 1, &r);
            wrong += i != 55 && r.eax != 0x40a20f40;
        }
    }
    check_equal(wrong, 0, "a page of bytes entered at every offset");
}

int program(void)
{
    uint8_t *pages = map_memory(NULL, 4 * PAGE, PROT_RWX);
    *(uint32_t *)map_memory((void *)0x33000000, PAGE, PROT_RW) = 0x12345678;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        run_row(&rows[i], pages);
    check_any_order(rows, ARRAY_SIZE(rows), pages + 1);
    for (unsigned back = 1; back <= 8; back++)
        check_any_order(rows, ARRAY_SIZE(rows), pages + 2 * PAGE - back);
    check_resident(pages);
    check_every_offset(pages);
    return 0;
}
