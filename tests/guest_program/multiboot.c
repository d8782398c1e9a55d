/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Multiboot 1 kernel that looks at everything a boot loader promises it: machine state, command line,
 * modules and their strings, memory. It was started with (tests/guest_program/CMakeLists.txt)
 *
 *     --ram 64M --append "alpha beta=2" --initrd "module1.txt with two  arguments" --initrd module2.txt
 *
 * Ends through the exit port with PASSED, or after a line on the debug console with FAILED.
 * Multiboot Specification 0.6.96, "Machine state", "Boot information format".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PORT_DEBUG = 0xe9,
    PORT_EXIT = 0xf4,
    PASSED = 21, /* status 43 */
    FAILED = 20, /* status 41 */
};

#define BOOT_MAGIC 0x2badb002u
#define RAM_SIZE   (64u << 20)
#define MIB        (1u << 20)
#define PAGE       4096u

struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
};

enum { HAS_MEMORY = 1 << 0, HAS_CMDLINE = 1 << 2, HAS_MODS = 1 << 3, HAS_MMAP = 1 << 6, HAS_NAME = 1 << 9 };

struct module {
    uint32_t start, end, string, reserved;
};

struct range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type; /* 1: RAM that is free to use */
} __attribute__((packed));

_Static_assert(offsetof(struct info, mmap_length) == 44 && offsetof(struct info, boot_loader_name) == 64,
               "the specification's offsets");

extern uint8_t image_data_end[], image_end[]; /* multiboot.ld */

/* In .data and .bss: were both loaded, was one cleared? */
static volatile uint32_t loaded[2] = { 0x600df00d, 0x12345678 };
static volatile uint32_t cleared[3000];

/* ---- Ends ---- */

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void say(const char *text)
{
    while (*text)
        out8(PORT_DEBUG, (uint8_t)*text++);
}

static _Noreturn void finish(uint8_t value)
{
    out8(PORT_EXIT, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    say("wrong: ");
    say(what);
    say("\n");
    finish(FAILED);
}

/* ---- Text ---- */

static const char *text_at(uint32_t pa)
{
    return (const char *)pa;
}

static uint32_t length_of(const char *s)
{
    uint32_t n = 0;
    while (s[n])
        n++;
    return n;
}

static bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static bool ends_with(const char *s, const char *end)
{
    uint32_t n = length_of(s), m = length_of(end);
    return n >= m && equal(s + n - m, end);
}

/* ---- Machine state ---- */

static uint32_t read_cr0(void)
{
    uint32_t value;
    __asm__ volatile("movl %%cr0, %0" : "=r"(value));
    return value;
}

static void check_state(uint32_t magic, uint32_t eflags)
{
    enum { CR0_PE = 1, EFLAGS_IF = 1 << 9, EFLAGS_VM = 1 << 17 };
    uint32_t paged = read_cr0() & 0x80000000u;
    check(magic == BOOT_MAGIC, "the magic number in EAX");
    check((read_cr0() & CR0_PE) && !paged, "CR0");
    check(!(eflags & (EFLAGS_IF | EFLAGS_VM)), "EFLAGS");
    check(loaded[0] == 0x600df00d && loaded[1] == 0x12345678, ".data");
    for (uint32_t i = 0; i < sizeof cleared / sizeof cleared[0]; i++)
        check(cleared[i] == 0, ".bss");

    /* With A20 closed, these two are one. */
    volatile uint32_t *low = (volatile uint32_t *)(4 * MIB), *high = (volatile uint32_t *)(5 * MIB);
    *low = 1;
    *high = 2;
    check(*low == 1 && *high == 2, "A20");
}

/* ---- Memory ---- */

/* The CMOS RAM's memory sizes, an account of its own. */
static uint32_t cmos16(uint8_t index)
{
    out8(0x70, index);
    uint32_t low = in8(0x71);
    out8(0x70, index + 1);
    return low | (uint32_t)in8(0x71) << 8;
}

/* RAM that is said to be there must be. */
static void check_ram_at(uint32_t pa)
{
    volatile uint32_t *word = (volatile uint32_t *)pa;
    uint32_t before = *word;
    *word = before ^ 0xa5a5a5a5u;
    check(*word == (before ^ 0xa5a5a5a5u), "RAM of the memory map");
    *word = before;
}

static const struct range *next_range(const struct range *r)
{
    return (const struct range *)((const uint8_t *)r + r->size + sizeof r->size);
}

/* Does the memory map call all of this RAM? */
static bool is_ram(const struct info *info, uint64_t start, uint64_t end)
{
    uint32_t mmap_end = info->mmap_addr + info->mmap_length;
    for (const struct range *r = (const struct range *)info->mmap_addr; (uint32_t)r < mmap_end;
         r = next_range(r))
        if (r->type == 1 && start >= r->base && end <= r->base + r->length)
            return true;
    return false;
}

static void check_memory(const struct info *info)
{
    uint32_t mmap_end = info->mmap_addr + info->mmap_length;
    uint64_t total = 0, last = 0, lower = 0, upper = 0;
    check((info->flags & (HAS_MEMORY | HAS_MMAP)) == (HAS_MEMORY | HAS_MMAP), "flags: memory");
    for (const struct range *r = (const struct range *)info->mmap_addr; (uint32_t)r < mmap_end;
         r = next_range(r)) {
        check(r->size >= 20, "size of a memory map entry");
        check(r->length > 0 && r->base >= last, "order of the memory map");
        last = r->base + r->length;
        if (r->type != 1)
            continue;
        total += r->length;
        if (r->base == 0)
            lower = r->length;
        if (r->base == MIB)
            upper = r->length;
        check(last <= RAM_SIZE, "end of RAM");
        check_ram_at((uint32_t)last - 4);
    }
    check(lower >= 512 * 1024 && lower <= 640 * 1024 && upper == RAM_SIZE - MIB, "RAM in the memory map");
    check(total == lower + upper, "sum of the memory map");
    check(info->mem_lower == lower >> 10 && info->mem_upper == upper >> 10, "mem_lower, mem_upper");
    check(cmos16(0x15) == 640 && cmos16(0x34) == (RAM_SIZE - 16 * MIB) >> 16, "memory size in CMOS");
    check(is_ram(info, 2 * MIB, (uint32_t)image_end), "place of the kernel");
}

/* ---- Modules ---- */

/* CMakeLists.txt writes line after line of this. */
static bool is_pattern(const char *data, uint32_t size)
{
    static const char line[] = "0123456789abcdef\n";
    for (uint32_t i = 0; i < size; i++)
        if (data[i] != line[i % (sizeof line - 1)])
            return false;
    return true;
}

static void check_modules(const struct info *info)
{
    enum { PATTERN_SIZE = 17 * 700 };
    static const char second[] = "the second module\n";
    check(info->flags & HAS_MODS, "flags: modules");
    check(info->mods_count == 2, "number of modules");
    const struct module *m = (const struct module *)info->mods_addr;
    for (unsigned i = 0; i < 2; i++) {
        check(m[i].start % PAGE == 0, "alignment of a module");
        check(m[i].end > m[i].start && is_ram(info, m[i].start, m[i].end), "place of a module");
        check(m[i].start >= (uint32_t)image_end || m[i].end <= 2 * MIB, "a module over the kernel");
    }
    check(m[0].end <= m[1].start || m[1].end <= m[0].start, "a module over the other");
    check(m[0].end - m[0].start == PATTERN_SIZE, "size of the first module");
    check(is_pattern(text_at(m[0].start), PATTERN_SIZE), "contents of the first module");
    check(ends_with(text_at(m[0].string), "/module1.txt with two  arguments"), "string of the first module");
    check(m[1].end - m[1].start == sizeof second - 1, "size of the second module");
    for (uint32_t i = 0; i < sizeof second - 1; i++)
        check(text_at(m[1].start)[i] == second[i], "contents of the second module");
    check(ends_with(text_at(m[1].string), "/module2.txt"), "string of the second module");
}

static void check_strings(const struct info *info)
{
    check((info->flags & (HAS_CMDLINE | HAS_NAME)) == (HAS_CMDLINE | HAS_NAME), "flags: strings");
    check(ends_with(text_at(info->cmdline), KERNEL_NAME " alpha beta=2"), "command line");
    check(length_of(text_at(info->boot_loader_name)) > 0, "name of the boot loader");
}

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags);

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags)
{
    check_state(magic, eflags);
    check_strings(info);
    check_memory(info);
    check_modules(info);
    finish(PASSED);
}
