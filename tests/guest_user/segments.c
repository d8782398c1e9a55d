/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segments of a user program's own, from its LDT: bases, limits, types, 16-bit ones, far calls between code
 * segments, and what the instructions that look at descriptors say. SDM 3A, "Protection".
 */
#include "user.h"

enum { DATA = 0x36000000, CODE_AT = 0x37000000 };
enum {
    IS_32BIT = 1,
    EXPAND_DOWN = 2,
    IS_CODE = 4,
    READ_EXEC_ONLY = 8,
    IN_PAGES = 16,
    NOT_PRESENT = 32,
    USABLE = 64
};

struct user_desc {
    uint32_t entry, base, limit, flags;
};

/* Entry n has selector n * 8 + 7. */
static const struct user_desc descriptors[] = {
    { 0, DATA + 0x100, 0xff, IS_32BIT },
    { 1, DATA + 0x100, 0xff, IS_32BIT | READ_EXEC_ONLY },
    { 2, DATA, 0xfff, IS_32BIT | EXPAND_DOWN },
    { 3, DATA, 0xff, IS_32BIT | NOT_PRESENT },
    { 4, CODE_AT, 0xfff, IS_32BIT | IS_CODE },
    { 5, CODE_AT, 0xfff, IS_32BIT | IS_CODE | READ_EXEC_ONLY },
    { 6, CODE_AT, 0xfff, IS_CODE },
    { 7, DATA, 0xffff, USABLE },
    { 8, DATA, 0x1fff, IS_32BIT },
    { 9, 0, 0xfffff, IS_32BIT | IN_PAGES },
    { 11, 0xfffff000, 0xfffff, IS_32BIT | IN_PAGES },
    { 12, DATA, 1, IS_32BIT | IN_PAGES },
    { 13, CODE_AT, 0x20, IS_32BIT | IS_CODE },
};

#define LOAD(register, selector) "\xb8" selector "\x00\x00\x00\x8e" register
#define ES                       "\xc0"
#define FS                       "\xe0"
#define GS                       "\xe8"

#define FAULT_GP(error, at) .sig = SIG_SEGV, .code = CODE_KERNEL, .trapno = 13, .err = (error), .eip = (at)
#define FAULT_SS(error, at) .sig = SIG_BUS, .code = CODE_KERNEL, .trapno = 12, .err = (error), .eip = (at)
#define FAULT_NP(error, at) .sig = SIG_BUS, .code = CODE_KERNEL, .trapno = 11, .err = (error), .eip = (at)

/* The word at offset n of the data is D0000000 + n. */
static const struct code_row rows[] = {
    { "fs with a base", CODE(LOAD(FS, "\x07") "\x64\xa1\x00\x00\x00\x00\xc3"), .eax = 0xd0000100 },
    { "gs with a base", CODE(LOAD(GS, "\x07") "\x65\xa1\x10\x00\x00\x00\xc3"), .eax = 0xd0000110 },
    { "es with a base", CODE("\x06" LOAD(ES, "\x07") "\x26\xa1\x20\x00\x00\x00\x07\xc3"), .eax = 0xd0000120 },
    { "ds with a base", CODE("\x1e" LOAD("\xd8", "\x07") "\xa1\x20\x00\x00\x00\x1f\xc3"), .eax = 0xd0000120 },
    { "the last word of the limit", CODE(LOAD(FS, "\x07") "\x64\xa1\xfc\x00\x00\x00\xc3"),
      .eax = 0xd00001fc },
    { "one byte beyond", CODE(LOAD(FS, "\x07") "\x64\xa1\xfd\x00\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "a byte far beyond", CODE(LOAD(GS, "\x07") "\x65\xa0\x00\x00\x00\x80\xc3"), FAULT_GP(0, 7) },
    { "a write beyond", CODE(LOAD(GS, "\x07") "\x65\xa3\xff\x00\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "a read of a read-only segment", CODE(LOAD(FS, "\x0f") "\x64\xa1\x04\x00\x00\x00\xc3"),
      .eax = 0xd0000104 },
    { "a write to it", CODE(LOAD(FS, "\x0f") "\x64\xa3\x04\x00\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "expand-down, above the limit", CODE(LOAD(FS, "\x17") "\x64\xa1\x00\x10\x00\x00\xc3"),
      .eax = 0xd0001000 },
    { "expand-down, below", CODE(LOAD(FS, "\x17") "\x64\xa1\xfc\x0f\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "a segment that is not present", CODE(LOAD(FS, "\x1f") "\xc3"), FAULT_NP(0x1c, 5) },
    { "an empty entry", CODE(LOAD(FS, "\xf7") "\xc3"), FAULT_GP(0xf4, 5) },
    { "code in gs is read", CODE(LOAD(GS, "\x27") "\x65\xa1\x00\x0f\x00\x00\xc3"), .eax = 0xc0de0f00 },
    { "code in gs is not written", CODE(LOAD(GS, "\x27") "\x65\xa3\x00\x0f\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "execute-only code in gs", CODE(LOAD(GS, "\x2f") "\xc3"), FAULT_GP(0x2c, 5) },
    { "a limit in pages", CODE(LOAD(FS, "\x67") "\x64\xa1\xfc\x1f\x00\x00\xc3"), .eax = 0xd0001ffc },
    { "beyond a limit in pages", CODE(LOAD(FS, "\x67") "\x64\xa1\xfd\x1f\x00\x00\xc3"), FAULT_GP(0, 7) },
    { "a flat segment of the LDT", CODE(LOAD(FS, "\x4f") "\x64\xa1\x08\x00\x00\x36\xc3"), .eax = 0xd0000008 },
    { "addresses wrap at 4 GiB", CODE(LOAD(FS, "\x5f") "\x64\xa1\x08\x10\x00\x36\xc3"), .eax = 0xd0000008 },
    { "a selector of 0 in fs, used", CODE(LOAD(FS, "\x00") "\x64\xa1\x00\x00\x00\x36\xc3"), FAULT_GP(0, 7) },
    { "push fs shows the selector", CODE(LOAD(FS, "\x07") "\x31\xc0\x0f\xa0\x58\x25\xff\xff\x00\x00\xc3"),
      .eax = 7 },
    { "mov from es shows the selector", CODE("\x06" LOAD(ES, "\x07") "\x8c\xc0\x07\xc3"), .eax = 7 },
    { "pop gs", CODE("\x6a\x0f\x0f\xa9\x8c\xe8\xc3"), .eax = 15 },
    { "lfs", CODE("\x0f\xb4\x05\x00\x1f\x00\x36\x64\x8b\x00\xc3"), .eax = 0xd0000104 },
    { "rep movsb from fs to es",
      CODE("\x06\x56\x57" LOAD(FS, "\x07")
               LOAD(ES, "\x47") "\x31\xf6\xbf\x00\x08\x00\x00\xb9\x08\x00\x00\x00"
                                "\x64\xf3\xa4\x5f\x5e\x07\xa1\x04\x08\x00\x36\xc3"),
      .eax = 0xd0000104 },
    { "rep stosb up to es's limit and beyond",
      CODE(
          "\x06" LOAD(ES, "\x07") "\xbf\xff\x00\x00\x00\xb9\x10\x00\x00\x00\x26\xa0\xff\x00\x00\x00\xf3\xaa"),
      FAULT_GP(0, 24) },
    { "an x87 load from fs", CODE(LOAD(FS, "\x07") "\x64\xdb\x05\x04\x00\x00\x00\x50\xdb\x1c\x24\x58\xc3"),
      .eax = 0xd0000104 },
    { "lock add in gs",
      CODE(LOAD(GS, "\x07") "\x65\xf0\x83\x05\x80\x00\x00\x00\x05\x65\xa1\x80\x00\x00\x00"
                            "\x65\x83\x2d\x80\x00\x00\x00\x05\xc3"),
      .eax = 0xd0000185 },
    { "a 16-bit address in fs", CODE(LOAD(FS, "\x07") "\x64\x67\xa1\x30\x00\xc3"), .eax = 0xd0000130 },
    { "fs survives a system call",
      CODE(LOAD(FS, "\x07") "\xb8\x14\x00\x00\x00\xcd\x80\x64\xa1\x00\x00\x00\x00\xc3"), .eax = 0xd0000100 },
    /* Stacks. mov edx, esp; push ss; pop ecx; mov ss; ...; mov ss, ecx; mov esp, edx. */
    { "a stack with a base",
      CODE("\x89\xe2\x16\x59" LOAD("\xd0", "\x47") "\xbc\x00\x09\x00\x00\x68\x55\x55\x55\x55\x58"
                                                   "\x8e\xd1\x89\xd4\xa1\xfc\x08\x00\x36\xc3"),
      .eax = 0x55555555 },
    { "a 16-bit stack",
      CODE("\x89\xe2\x16\x59" LOAD("\xd0", "\x3f") "\xbc\x00\x09\x34\x12\x68\x66\x66\x66\x66\x58"
                                                   "\x89\xe0\x8e\xd1\x89\xd4\x2b\x05\xfc\x08\x00\x36\xc3"),
      .eax = 0x12340900 - 0x66666666 },
    { "a push beyond the stack's limit",
      CODE("\x89\xe2\x16\x59" LOAD("\xd0", "\x47") "\xbc\x02\x00\x00\x00\x50"), FAULT_SS(0, 16) },
    { "a pop beyond the stack's limit", CODE(LOAD("\xd0", "\x47") "\xbc\xfe\x1f\x00\x00\x58"),
      FAULT_SS(0, 12) },
    { "ebp is relative to ss", CODE(LOAD("\xd0", "\x47") "\xbd\x00\x40\x00\x00\x8b\x45\x00"),
      FAULT_SS(0, 12) },
    { "ss of a read-only segment", CODE(LOAD("\xd0", "\x0f")), FAULT_GP(0x0c, 5) },
    { "ss that is not present", CODE(LOAD("\xd0", "\x1f")), FAULT_SS(0x1c, 5) },
    /* Code segments: at offset 0x100 there is mov eax, cs; retf; at 0x200 the same for 16-bit code. */
    { "a far call to code with a base", CODE("\x9a\x00\x01\x00\x00\x27\x00\xc3"), .eax = 0x27 },
    { "a far call to execute-only code", CODE("\x9a\x00\x01\x00\x00\x2f\x00\xc3"), .eax = 0x2f },
    { "a far call through memory", CODE("\xff\x1d\x10\x1f\x00\x36\xc3"), .eax = 0x27 },
    { "a far call to 16-bit code", CODE("\x31\xc0\x9a\x00\x02\x00\x00\x37\x00\xc3"), .eax = 0x37 },
    { "a far return to code with a base",
      CODE("\x0e\xe8\x00\x00\x00\x00\x83\x04\x24\x0f\x6a\x27\x68\x00\x01\x00\x00\xcb"
           "\x90\x90\x90\xc3"),
      .eax = 0x27 },
    { "a far call beyond the limit", CODE("\x9a\x00\x10\x00\x00\x27\x00"), FAULT_GP(0, 0) },
    { "a far call to a data segment", CODE("\x9a\x00\x01\x00\x00\x07\x00"), FAULT_GP(0x04, 0) },
    { "a far jump to an empty entry", CODE("\xea\x00\x01\x00\x00\xf7\x00"), FAULT_GP(0xf4, 0) },
    { "a near jump within code with a base", CODE("\x9a\x00\x03\x00\x00\x27\x00\xc3"), .eax = 5 },
    { "constants by a cs override, with a base", CODE("\x9a\x40\x03\x00\x00\x27\x00\xc3"),
      .eax = 0xc0de0f00 },
    /* What the descriptors are said to be: LAR, LSL, VERR, VERW, with ZF in bit 0 of the result where shown.
     */
    { "lar of data", CODE("\x6a\x07\x59\x0f\x02\xc1\xc3"), .eax = 0x0040f300 },
    { "lar of read-only data", CODE("\x6a\x0f\x59\x0f\x02\xc1\xc3"), .eax = 0x0040f100 },
    { "lar of code", CODE("\x6a\x27\x59\x0f\x02\xc1\xc3"), .eax = 0x0040fb00 },
    { "lar of nothing", CODE("\x6a\x00\x59\xb8\x05\x00\x00\x00\x0f\x02\xc1\xc3"), .eax = 5 },
    { "lsl of bytes", CODE("\x6a\x07\x59\x0f\x03\xc1\xc3"), .eax = 0xff },
    { "lsl of pages", CODE("\x6a\x67\x59\x0f\x03\xc1\xc3"), .eax = 0x1fff },
    { "lsl of a flat segment", CODE("\x6a\x4f\x59\x0f\x03\xc1\xc3"), .eax = ~0u },
    { "verr of data", CODE("\x6a\x07\x59\x31\xc0\x0f\x00\xe1\x0f\x94\xc0\xc3"), .eax = 1 },
    { "verw of read-only data", CODE("\x6a\x0f\x59\x31\xc0\x0f\x00\xe9\x0f\x94\xc0\xc3"), .eax = 0 },
    { "verr of execute-only code", CODE("\x6a\x2f\x59\x31\xc0\x0f\x00\xe1\x0f\x94\xc0\xc3"), .eax = 0 },
    { "verr beyond the LDT", CODE("\xb9\x07\xff\x00\x00\x31\xc0\x0f\x00\xe1\x0f\x94\xc0\xc3"), .eax = 0 },
    { "arpl", CODE("\x31\xc0\xb1\x03\x63\xc8\x0f\x94\xc4\xc3"), .eax = 0x103 },
    /* Tables' addresses: a processor without UMIP shows them to anyone. */
    { "sldt", CODE("\x31\xc0\x0f\x00\xc0\x85\xc0\x0f\x95\xc0\x0f\xb6\xc0\xc3"), .eax = 1,
      .guest_only = true },
    { "str", CODE("\x31\xc0\x0f\x00\xc8\x83\xe0\x07\xc3"), .eax = 0, .guest_only = true },
    { "smsw", CODE("\x0f\x01\xe0\x83\xe0\x2b\xc3"), .eax = 0x23, .guest_only = true },
    { "sgdt's limit", CODE("\x50\x50\x0f\x01\x04\x24\x0f\xb7\x04\x24\x59\x59\xc3"), .eax = 0xff,
      .guest_only = true },
    { "sidt's limit", CODE("\x50\x50\x0f\x01\x0c\x24\x0f\xb7\x04\x24\x59\x59\xc3"), .eax = 0x7ff,
      .guest_only = true },
    { "sgdt's base is the kernel's", CODE("\x50\x50\x0f\x01\x04\x24\x8b\x44\x24\x02\xc1\xe8\x1e\x59\x59\xc3"),
      .eax = 3, .guest_only = true },
};

static long write_descriptor(const struct user_desc *descriptor)
{
    return linux_call(NR_MODIFY_LDT, 0x11, descriptor, sizeof(*descriptor));
}

static void set_up(void)
{
    uint32_t *data = map_memory((void *)DATA, 2 * PAGE, PROT_RW), wrong = 0;
    uint8_t *code = map_memory((void *)CODE_AT, PAGE, PROT_RWX);
    for (uint32_t i = 0; i < 2 * PAGE; i += 4)
        data[i / 4] = 0xd0000000 + i;
    data[0x1f00 / 4] = 4;
    data[0x1f04 / 4] = 7;
    data[0x1f10 / 4] = 0x100;
    data[0x1f14 / 4] = 0x27;
    data[0x104 / 4] = 0xd0000104;
    memcpy(code + 0x100, "\x8c\xc8\xcb", 3);     /* mov eax, cs; retf */
    memcpy(code + 0x200, "\x8c\xc8\x66\xcb", 4); /* mov ax, cs; retf of 32 bits */
    /* xor eax, eax; jmp +2; cli; cli; mov ecx, 5; inc eax; loop; retf */
    memcpy(code + 0x300, "\x31\xc0\xeb\x02\xfa\xfa\xb9\x05\x00\x00\x00\x40\xe2\xfd\xcb", 15);
    memcpy(code + 0x340, "\x2e\xa1\x00\x0f\x00\x00\xcb", 7); /* mov eax, cs:[f00]; retf */
    memcpy(code + 0xf00, "\x00\x0f\xde\xc0", 4);
    for (unsigned i = 0; i < ARRAY_SIZE(descriptors); i++)
        wrong += write_descriptor(&descriptors[i]) != 0;
    check_equal(wrong, 0, "modify_ldt");
}

/* One entry, many contents: what was loaded last counts. */
static void check_rewritten(void)
{
    uint32_t wrong = 0, value;
    for (uint32_t i = 0; i < 300; i++) {
        struct user_desc d = { 20, DATA + i % 50 * 16, 15, IS_32BIT };
        wrong += write_descriptor(&d) != 0;
        __asm__ volatile("movl %1, %%fs\n movl %%fs:4, %0" : "=r"(value) : "r"(20 * 8 + 7) : "memory");
        wrong += value != *(uint32_t *)(DATA + i % 50 * 16 + 4);
    }
    __asm__ volatile("movl %0, %%fs" : : "r"(0));
    check_equal(wrong, 0, "300 descriptors in one entry");
}

/* Two processes, each with its own LDT. */
static int other_ldt(void *argument)
{
    uint32_t wrong = 0, value, number = (uint32_t)argument;
    struct user_desc d = { 21, DATA + number * 4, 3, IS_32BIT };
    write_descriptor(&d);
    for (uint32_t i = 0; i < 100; i++) {
        __asm__ volatile("movl %1, %%gs\n movl %%gs:0, %0" : "=r"(value) : "r"(21 * 8 + 7) : "memory");
        wrong += value != *(uint32_t *)(DATA + number * 4);
        linux_call(NR_SCHED_YIELD);
        __asm__ volatile("movl %%gs:0, %0" : "=r"(value) : : "memory");
        wrong += value != *(uint32_t *)(DATA + number * 4);
    }
    return wrong != 0;
}

static void check_processes(void)
{
    int children[4];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 4; i++)
        children[i] = start_child(other_ldt, (void *)(i + 8));
    for (uint32_t i = 0; i < 4; i++)
        wrong += (uint32_t)wait_child(children[i]);
    check_equal(wrong, 0, "each process has its LDT");
}

/* Signals arrive while segment registers hold the program's own, and give them back. */
static volatile uint32_t seen_ds;

static void note_ds(int sig, struct signal_info *info, struct signal_context *c)
{
    uint32_t ds;
    (void)sig;
    (void)info;
    __asm__("mov %%ds, %0" : "=r"(ds));
    seen_ds = ds;
    c->eip += 2;
}

static void check_signal(void)
{
    uint32_t ds, during, fs;
    set_handler(SIG_ILL, note_ds, 0);
    __asm__("mov %%ds, %0" : "=r"(ds));
    __asm__ volatile(
        "movl %2, %%fs\n pushl %%ds\n movl %3, %%ds\n ud2\n movl %%ds, %0\n popl %%ds\n movl %%fs, %1"
        : "=&r"(during), "=&r"(fs)
        : "r"(7), "r"(0x47)
        : "memory");
    catch_faults();
    check_equal(seen_ds, ds, "a handler starts with a flat ds");
    check_equal(during, 0x47, "ds comes back after it");
    check_equal(fs, 7, "fs stays");
}

int program(void)
{
    uint8_t *page = map_memory(NULL, PAGE, PROT_RWX);
    set_up();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        run_row(&rows[i], page);
    check_any_order(rows, ARRAY_SIZE(rows), page + 100);
    check_rewritten();
    check_processes();
    check_signal();
    return 0;
}
