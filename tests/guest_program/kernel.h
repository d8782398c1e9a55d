/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Multiboot test kernels have in common: how they end, texts, and what both specifications promise.
 * Ends through the exit port with PASSED, or after a line on the debug console with FAILED.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PORT_DEBUG = 0xe9,
    PORT_EXIT = 0xf4,
    PASSED = 21, /* status 43 */
    FAILED = 20, /* status 41 */
};

#define RAM_SIZE (64u << 20)
#define MIB      (1u << 20)
#define PAGE     4096u

extern uint8_t image_data_end[], image_end[]; /* multiboot.ld */

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

static inline void say(const char *text)
{
    while (*text)
        out8(PORT_DEBUG, (uint8_t)*text++);
}

static inline _Noreturn void finish(uint8_t value)
{
    out8(PORT_EXIT, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static inline void check(bool ok, const char *what)
{
    if (ok)
        return;
    say("wrong: ");
    say(what);
    say("\n");
    finish(FAILED);
}

/* ---- Text ---- */

static inline const char *text_at(uint32_t pa)
{
    return (const char *)pa;
}

static inline uint32_t length_of(const char *s)
{
    uint32_t n = 0;
    while (s[n])
        n++;
    return n;
}

static inline bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static inline bool ends_with(const char *s, const char *end)
{
    uint32_t n = length_of(s), m = length_of(end);
    return n >= m && equal(s + n - m, end);
}

/* ---- Machine state ---- */

/* In .data and .bss: were both loaded, was one cleared? */
static volatile uint32_t loaded[2] = { 0x600df00d, 0x12345678 };
static volatile uint32_t cleared[3000];

static inline uint32_t read_cr0(void)
{
    uint32_t value;
    __asm__ volatile("movl %%cr0, %0" : "=r"(value));
    return value;
}

static inline void check_state(uint32_t magic, uint32_t wanted, uint32_t eflags)
{
    enum { CR0_PE = 1, EFLAGS_IF = 1 << 9, EFLAGS_VM = 1 << 17 };
    uint32_t paged = read_cr0() & 0x80000000u;
    check(magic == wanted, "the magic number in EAX");
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
static inline uint32_t cmos16(uint8_t index)
{
    out8(0x70, index);
    uint32_t low = in8(0x71);
    out8(0x70, index + 1);
    return low | (uint32_t)in8(0x71) << 8;
}

/* RAM that is said to be there must be. */
static inline void check_ram_at(uint32_t pa)
{
    volatile uint32_t *word = (volatile uint32_t *)pa;
    uint32_t before = *word;
    *word = before ^ 0xa5a5a5a5u;
    check(*word == (before ^ 0xa5a5a5a5u), "RAM of the memory map");
    *word = before;
}

/* ---- Modules ---- */

enum { PATTERN_SIZE = 17 * 700 };

/* CMakeLists.txt writes line after line of this. */
static inline bool is_pattern(const char *data, uint32_t size)
{
    static const char line[] = "0123456789abcdef\n";
    for (uint32_t i = 0; i < size; i++)
        if (data[i] != line[i % (sizeof line - 1)])
            return false;
    return true;
}

/* The first module is the pattern, the second a line, the third empty. */
static inline void check_module_contents(unsigned i, uint32_t start, uint32_t end)
{
    static const char second[] = "the second module\n";
    uint32_t size = end - start;
    check(start % PAGE == 0, "alignment of a module");
    check(start >= (uint32_t)image_end || end <= 2 * MIB, "a module over the kernel");
    switch (i) {
    case 0:
        check(size == PATTERN_SIZE, "size of the first module");
        check(is_pattern(text_at(start), size), "contents of the first module");
        break;
    case 1:
        check(size == sizeof second - 1, "size of the second module");
        for (uint32_t n = 0; n < size; n++)
            check(text_at(start)[n] == second[n], "contents of the second module");
        break;
    default:
        check(size == 0, "size of the empty module");
    }
}

/* ---- Sections ---- */

struct section {
    uint32_t name, type, flags, addr, offset, size, link, info, addralign, entsize;
};

struct symbol {
    uint32_t name, value, size;
    uint8_t info, other;
    uint16_t shndx;
};

enum { SECTION_SYMBOLS = 2 };

/* The symbol table must be in memory, and know where a function is. */
static inline void check_symbols(const struct section *sections, uint32_t count, const char *name,
                                 uint32_t address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sections[i].type != SECTION_SYMBOLS)
            continue;
        const struct symbol *symbols = (const struct symbol *)sections[i].addr;
        const char *names = text_at(sections[sections[i].link].addr);
        check(symbols && names, "address of the symbol table");
        check(sections[i].addr >= (uint32_t)image_end, "the symbol table over the kernel");
        for (uint32_t n = 0; n < sections[i].size / sizeof *symbols; n++)
            if (equal(names + symbols[n].name, name)) {
                check(symbols[n].value == address, "value of a symbol");
                return;
            }
        check(false, "a symbol is missing");
    }
    check(false, "no symbol table");
}
