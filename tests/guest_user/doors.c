/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sensitive instructions that are executed so often that the monitor gives them doors: that they do what they
 * did, with every register and flag, and that nobody who jumps to any byte of what the monitor has made of
 * them gets anywhere. The page they are in is in use for nothing else, so that whatever runs there returns,
 * or faults.
 */
#include "user.h"

enum {
    ROUNDS = 200,
    CODE_AT = 0x08400000,
    WINDOW =
        0x3f000000, /* where the monitor's snippets lie while nothing is there: docs/scan-before-execute.md */
    WINDOW_PAGES = 4096,
    NO_CALL = 0x7fff,
};

/* The instruction, behind others which make room for a jump to its door. */
static const struct door {
    const char *name;
    uint8_t at; /* in the page */
    uint8_t code[24];
    uint32_t eax, result; /* 0: whatever comes first */
} doors[] = {
    { "int 80h", 0x00, { 0x89, 0xd2, 0x89, 0xdb, 0x90, 0xcd, 0x80, 0xc3 }, NO_CALL, -38u },
    { "int 80h with the number before it", 0x20, { 0xb8, 0xff, 0x7f, 0, 0, 0xcd, 0x80, 0xc3 }, 0, -38u },
    { "cpuid", 0x40, { 0x53, 0x83, 0xe1, 0, 0x0f, 0xa2, 0x5b, 0xc3 }, 0x7fffffff, 0 },
    { "pushf and popf", 0x60, { 0x90, 0x90, 0x90, 0x9c, 0x9d, 0x90, 0x90, 0x90, 0x90, 0xc3 }, 5, 5 },
    { "mov eax, ss", 0x80, { 0x31, 0xc0, 0x90, 0x8c, 0xd0, 0x90, 0x90, 0x90, 0xc3 }, 0, 0 },
    { "mov eax, gs and back", 0xa0, { 0x31, 0xc0, 0x90, 0x8c, 0xe8, 0x8e, 0xe8, 0x90, 0x90, 0xc3 }, 0, 0 },
    { "sldt, or whatever comes of it", 0xc0, { 0x31, 0xc0, 0x0f, 0x00, 0xc0, 0x31, 0xc0, 0xc3 }, 0, 0 },
};

static uint8_t *page;

/* Once more as it was the first time? */
static void check_door(const struct door *door)
{
    static const uint32_t flags[] = { 0x202, 0x202 | EFLAGS_DF | EFLAGS_CF, 0x202 | EFLAGS_AC | EFLAGS_OF,
                                      0x202 | EFLAGS_ID | EFLAGS_ZF };
    unsigned wrong = 0;
    uint32_t result = door->result;
    for (unsigned i = 0; i < scaled(ROUNDS); i++) {
        struct registers r = { .eax = door->eax, .ebx = 1, .ecx = 0, .edx = 3, .esi = 4, .edi = 5, .ebp = 6 };
        struct fault f;
        r.eflags = flags[i % ARRAY_SIZE(flags)];
        run_code(page + door->at, &r, &f);
        if (!result)
            result = r.eax;
        wrong += f.sig || r.eax != result || r.ebx != 1 || r.esi != 4 || r.edi != 5 || r.ebp != 6;
        wrong += (r.eflags ^ flags[i % ARRAY_SIZE(flags)]) & (EFLAGS_DF | EFLAGS_AC | EFLAGS_ID);
    }
    check_equal(wrong, 0, "%s, many times", door->name);
}

/* An exception has one, too: who handles it finds all as it was, at the instruction and not behind it. */
static void check_undefined(void)
{
    static const uint8_t code[] = { 0x0f, 0x0b, 0x83, 0xe8, 1, 0xc3 }; /* ud2; sub eax, 1; ret */
    const uint8_t *at = page + 0xe0;
    unsigned wrong = 0;
    memcpy(page + 0xe0, code, sizeof(code));
    for (unsigned i = 0; i < scaled(ROUNDS); i++) {
        struct registers r = { .eax = i, .ecx = 7 * i, .esi = 4, .edi = 5, .eflags = 0x202 | EFLAGS_CF };
        struct fault f;
        run_code(at, &r, &f);
        wrong += f.sig != SIG_ILL || f.trapno != 6 || f.eip != (uint32_t)at || f.eax != i || f.ecx != 7 * i;
        wrong += !(f.eflags & EFLAGS_CF);
        r = (struct registers){ .eax = i, .eflags = 0x202 };
        run_code(at + 2, &r, &f);
        wrong += f.sig || r.eax != i - 1;
    }
    check_equal(wrong, 0, "ud2, many times");
}

/* Whoever jumps there meets a fault, or comes back from the page of doors. */
static void jump_to(uint32_t at, void *buffer)
{
    struct registers r = { .eax = NO_CALL,
                           .ebx = (uint32_t)buffer,
                           .esi = (uint32_t)buffer,
                           .edi = (uint32_t)buffer,
                           .ebp = (uint32_t)buffer,
                           .eflags = 0x202 };
    struct fault f;
    run_code((void *)at, &r, &f);
}

/* Wherever in the window a page for those snippets would be: which it is depends on the page's address. */
static void check_every_byte(void)
{
    void *buffer = map_memory(NULL, PAGE, PROT_RW);
    static const uint8_t third[] = { 0xec, 0xed, 0xee, 0xef, 0xe4, 0xe5, 0xe6, 0xe7,
                                     0x6c, 0x6d, 0x6e, 0x6f, 0xf4, 0xfa, 0xfb };
    for (unsigned i = 0; i < ARRAY_SIZE(third); i++) {
        uint32_t place =
            WINDOW | ((CODE_AT + ((uint32_t)third[i] << 16 | 0xf000)) & (WINDOW_PAGES - 1) * PAGE);
        for (uint32_t offset = 0; offset < PAGE; offset += short_run ? 61 : i ? 17 : 1)
            jump_to(place + offset, buffer);
    }
    check(true, "jumps to every byte of the monitor's");
}

/* After all that the program is still what it was. */
static void check_unharmed(void)
{
    uint32_t cs, ss, flags;
    __asm__("mov %%cs, %0; mov %%ss, %1; pushf; pop %2" : "=r"(cs), "=r"(ss), "=r"(flags));
    check_equal(cs & ss & 3, 3, "the privilege");
    check_equal(flags & (EFLAGS_IOPL | EFLAGS_IF | EFLAGS_TF), EFLAGS_IF, "the flags");
    check(linux_call(NR_GETPID) > 1 && linux_call_vdso(NR_GETPID) == linux_call(NR_GETPID), "system calls");
}

int program(void)
{
    page = map_memory((void *)CODE_AT, PAGE, PROT_RWX);
    memset(page, 0xc3, PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(doors); i++)
        memcpy(page + doors[i].at, doors[i].code, sizeof(doors[i].code));
    for (unsigned i = 0; i < ARRAY_SIZE(doors); i++)
        check_door(&doors[i]);
    check_undefined();
    check_every_byte();
    for (unsigned i = 0; i < ARRAY_SIZE(doors); i++)
        check_door(&doors[i]);
    check_unharmed();
    return 0;
}
