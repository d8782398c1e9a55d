/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Code and data at every kind of address a program may have, in particular where a monitor could keep its own
 * things or map one over the other: nothing may be special about any place.
 */
#include "user.h"

static const uint32_t places[] = {
    0x00010000, 0x01000000, 0x07000000, 0x10000000, 0x20000000, 0x3e000000, 0x3effe000, 0x3f000000,
    0x3f800000, 0x3ffff000, 0x40000000, 0x47000000, 0x48048000, 0x50000000, 0x60000000, 0x7effe000,
    0x7f000000, 0x7ffff000, 0x80000000, 0x87000000, 0x90000000, 0xa0000000, 0xaf000000,
};

/* The same distance apart as the pieces of places[]: each is the other's neighbour when one is shifted. */
enum { DISTANCE = 0x40000000 };

static uint32_t call(uint32_t where)
{
    struct registers r = { .eflags = 0x202 };
    call_code((const void *)where, &r);
    return r.eax;
}

static void put_code(uint32_t where, uint32_t value)
{
    uint8_t *p = (uint8_t *)where;
    p[0] = 0xb8; /* mov eax, value; ret */
    memcpy(p + 1, &value, 4);
    p[5] = 0xc3;
}

static bool map_place(uint32_t where, int protection)
{
    enum { MAP_FIXED_NOREPLACE = 0x100000 };
    return linux_call(NR_MMAP2, where, PAGE, protection, MAP_PRIVATE | MAP_ANON | MAP_FIXED_NOREPLACE, -1,
                      0) == (long)where;
}

static void unmap(uint32_t where)
{
    linux_call(NR_MUNMAP, where, PAGE);
}

/* Code that returns, is read and rewritten, at each place. */
static void check_code(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        uint32_t at = places[i], wrong = 0;
        if (!map_place(at, PROT_RWX)) {
            check(false, "memory at %x", at);
            continue;
        }
        for (uint32_t k = 0; k < 10; k++) {
            put_code(at + 8, k);
            wrong += call(at + 8) != k || *(uint32_t *)(at + 9) != k;
        }
        check_equal(wrong, 0, "code at %x", at);
        unmap(at);
    }
}

/* Code at one place, data at the other that a monitor could confuse with it; both used in turns. */
static void check_pair(uint32_t code, uint32_t data)
{
    uint32_t wrong = 0;
    if (!map_place(code, PROT_RWX) || !map_place(data, PROT_RW)) {
        check(false, "memory at %x and %x", code, data);
        return;
    }
    put_code(code + 16, 0xc0de);
    for (uint32_t i = 0; i < 20; i++) {
        *(volatile uint32_t *)(data + 16) = i;
        wrong += call(code + 16) != 0xc0de;
        wrong += *(volatile uint32_t *)(data + 16) != i;
        wrong += *(volatile uint32_t *)(code + 17) != 0xc0de;
    }
    /* The code itself works on the data: mov eax, [data]; inc dword [data]; add eax, [code]; ret */
    uint8_t *p = (uint8_t *)code + 64;
    uint32_t target = data + 32, own = code + 17;
    *p++ = 0xa1;
    memcpy(p, &target, 4);
    memcpy(p + 4, "\xff\x05", 2);
    memcpy(p + 6, &target, 4);
    memcpy(p + 10, "\x03\x05", 2);
    memcpy(p + 12, &own, 4);
    p[16] = 0xc3;
    for (uint32_t i = 0; i < 20; i++)
        wrong += call(code + 64) != i + 0xc0de;
    check_equal(wrong, 0, "code at %x, data at %x", code, data);
    unmap(code);
    unmap(data);
}

/*
 * Code that works on two pages of data at EBP, by every kind of operand: EAX must be the sum. Where the
 * offset is near the end of the page, an instruction goes on in the next one.
 */
static const struct {
    const char *name;
    uint32_t offset, eax;
    const uint8_t *bytes;
    uint32_t size;
} pieces[] = {
    /* lea esp, [ebp+0x800]; push 5; push dword [ebp]; pop ebx; pop eax; add eax, ebx */
    { "the stack", 0, 0x16,
      CODE("\x89\xe2\x8d\xa5\x00\x08\x00\x00\x6a\x05\xff\x75\x00\x5b\x58\x01\xd8\x89\xd4\xc3") },
    /* lea esp, [ebp+0x1008]; pushad; popad: across both pages */
    { "the stack across pages", 0x40, 0x77,
      CODE("\x89\xe2\xb8\x77\x00\x00\x00\x8d\xa5\x08\x10\x00\x00\x60\x61\x89\xd4\xc3") },
    /* mov dword [ebp+0xffe], 0x12345678; mov eax, [ebp+0xffe] */
    { "an operand across pages", 0x80, 0x12345678,
      CODE("\xc7\x85\xfe\x0f\x00\x00\x78\x56\x34\x12\x8b\x85\xfe\x0f\x00\x00\xc3") },
    /* lea esi, [ebp]; lea edi, [ebp+0x1010]; movsd; mov eax, [ebp+0x1010] */
    { "MOVS", 0xc0, 0x11, CODE("\x8d\x75\x00\x8d\xbd\x10\x10\x00\x00\xa5\x8b\x85\x10\x10\x00\x00\xc3") },
    /* mov eax, 7; mov ecx, 0x200; lea edi, [ebp+0xc00]; rep stosd; add eax, [ebp+0x13fc] */
    { "REP STOS", 0x100, 14,
      CODE("\xb8\x07\x00\x00\x00\xb9\x00\x02\x00\x00\x8d\xbd\x00\x0c\x00\x00\xf3\xab"
           "\x03\x85\xfc\x13\x00\x00\xc3") },
    /* xor eax, eax; mov ecx, 40; next: add eax, [ebp]; or edx, 1; inc dword [ebp+0x1000]; dec ecx; jnz next
     */
    { "a loop that hides a RETF", 0x140, 40 * 0x11,
      CODE("\x31\xc0\xb9\x28\x00\x00\x00\x03\x45\x00\x83\xca\x01\xff\x85\x00\x10\x00\x00\x49"
           "\x75\xf1\xc3") },
    /* inc dword [ebp]; mov eax, [ebp] */
    { "code across pages, data below the first", 0xffd, 0x12,
      CODE("\xff\x85\x00\x00\x00\x00\x8b\x45\x00\xc3") },
    /* inc dword [ebp+0x1000]; mov eax, [ebp+0x1000] */
    { "code across pages, data below the second", 0xffd, 1,
      CODE("\xff\x85\x00\x10\x00\x00\x8b\x85\x00\x10\x00\x00\xc3") },
    /* mov dword [ebp+0xffd], 0x1020304; mov eax, [ebp+0xffd] */
    { "code and data across pages", 0xffb, 0x01020304,
      CODE("\xc7\x85\xfd\x0f\x00\x00\x04\x03\x02\x01\x8b\x85\xfd\x0f\x00\x00\xc3") },
};

static uint32_t run_piece(unsigned i, uint32_t code, uint32_t data)
{
    struct registers r = { .ebp = data, .eflags = 0x202 };
    memset((void *)data, 0, 2 * PAGE);
    *(uint32_t *)data = 0x11;
    call_code((const void *)(code + pieces[i].offset), &r);
    return r.eax;
}

/* Code in two pages, data in two pages, at places that could be one. */
static void check_pieces(uint32_t code, uint32_t data)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
        uint32_t wrong = 0;
        memcpy((void *)(code + pieces[i].offset), pieces[i].bytes, pieces[i].size);
        for (unsigned k = 0; k < 10; k++)
            wrong += run_piece(i, code, data) != pieces[i].eax;
        check_equal(wrong, 0, "%s: code at %x, data at %x", pieces[i].name, code, data);
    }
}

static void check_operands(uint32_t code, uint32_t data)
{
    bool mapped = map_place(code, PROT_RWX) && map_place(code + PAGE, PROT_RWX) && map_place(data, PROT_RW) &&
                  map_place(data + PAGE, PROT_RW);
    if (mapped)
        check_pieces(code, data);
    else
        check(false, "memory at %x and %x", code, data);
    for (uint32_t at = 0; at <= PAGE; at += PAGE) {
        unmap(code + at);
        unmap(data + at);
    }
}

/*
 * A monitor that improves hot code has to put the result somewhere. Where that is depends on the page of the
 * hot code, in a window of 16 MiB; at its end there is memory of its own. The program has code, data and a
 * stack there while hot code runs.
 */
static void check_window(uint32_t window, uint32_t hot)
{
    enum { ROUTINE = 64 };
    uint32_t code = window + ((hot + 0xecf000) & 0xfff000), data = window + 0xfff000, wrong = 0;
    const unsigned loop = 5; /* of pieces[] */
    wrong += run_piece(loop, hot, hot + PAGE) != pieces[loop].eax;
    if (!map_place(code, PROT_RWX) || !map_place(data, PROT_RW)) {
        check(false, "memory at %x and %x", code, data);
        return;
    }
    memset((void *)code, 0x40, PAGE); /* inc eax */
    for (uint32_t at = ROUTINE - 1; at < PAGE; at += ROUTINE)
        *(uint8_t *)(code + at) = 0xc3;
    for (uint32_t at = 0; at < scaled(16 * ROUTINE); at++)
        wrong += call(code + at) != ROUTINE - 1 - at % ROUTINE;
    for (uint32_t i = 0; i < scaled(PAGE / 4); i++)
        ((uint32_t *)data)[i] = i;
    wrong += run_piece(loop, hot, hot + PAGE) != pieces[loop].eax;
    for (uint32_t i = 0; i < scaled(PAGE / 4); i++)
        wrong += ((volatile uint32_t *)data)[i] != i;
    check_equal(wrong, 0, "code at %x, data at %x beside hot code", code, data);
    unmap(code);
    unmap(data);
}

static void check_windows(void)
{
    enum { HOT = 0x0c000000 };
    if (!map_place(HOT, PROT_RWX) || !map_place(HOT + PAGE, PROT_RW) || !map_place(HOT + 2 * PAGE, PROT_RW)) {
        check(false, "memory at %x", HOT);
        return;
    }
    memcpy((void *)(HOT + pieces[5].offset), pieces[5].bytes, pieces[5].size);
    for (uint32_t window = 0x3f000000; window > (short_run ? 0x37000000 : 0x2f000000); window -= 0x04000000)
        check_window(window, HOT);
    for (uint32_t at = HOT; at <= HOT + 2 * PAGE; at += PAGE)
        unmap(at);
}

/* Both of a pair are code, and both are data of the other. */
static void check_two_codes(uint32_t a, uint32_t b)
{
    uint32_t wrong = 0;
    if (!map_place(a, PROT_RWX) || !map_place(b, PROT_RWX)) {
        check(false, "memory at %x and %x", a, b);
        return;
    }
    put_code(a, 1);
    put_code(b, 2);
    for (uint32_t i = 0; i < 10; i++) {
        wrong += call(a) != 1 + i || call(b) != 2 + i;
        (*(volatile uint8_t *)(a + 1))++;
        (*(volatile uint8_t *)(b + 1))++;
    }
    check_equal(wrong, 0, "code at %x and %x", a, b);
    unmap(a);
    unmap(b);
}

/* A stack at each place. */
static void check_stacks(void)
{
    uint8_t *page = map_memory(NULL, PAGE, PROT_RWX);
    /* mov edx, esp; mov esp, eax; push 5; call next; next: pop ecx; pop eax; mov esp, edx; ret */
    memcpy(page, "\x89\xe2\x89\xc4\x6a\x05\xe8\x00\x00\x00\x00\x59\x58\x89\xd4\xc3", 16);
    uint32_t wrong = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        map_place(places[i], PROT_RW);
        struct registers r = { .eax = places[i] + PAGE, .eflags = 0x202 };
        call_code(page, &r);
        wrong += r.eax != 5 || *(uint32_t *)(places[i] + PAGE - 4) != 5;
        unmap(places[i]);
    }
    check_equal(wrong, 0, "stacks everywhere");
}

/* A large part of the address space touched, a page here and there, and read again. */
static void check_sparse(void)
{
    enum { COUNT = 600, STEP = 0x00400000 + PAGE };
    uint32_t wrong = 0, mapped = 0;
    for (uint32_t i = 0, at = 0x09000000; i < COUNT && at < 0xb0000000; i++, at += STEP) {
        if (map_place(at, PROT_RW)) {
            *(uint32_t *)at = at;
            mapped++;
        }
    }
    for (uint32_t i = 0, at = 0x09000000; i < COUNT && at < 0xb0000000; i++, at += STEP) {
        if (*(uint32_t *)at != at)
            wrong++;
        unmap(at);
    }
    check(mapped > 500 && !wrong, "pages all over the address space");
}

int program(void)
{
    check_code();
    for (uint32_t low = 0x10000000; low < 0x40000000; low += 0x0f000000) {
        check_pair(low + DISTANCE, low);
        check_pair(low, low + DISTANCE);
        check_pair(low + 2u * DISTANCE, low + DISTANCE);
        check_two_codes(low, low + DISTANCE);
        check_operands(low + DISTANCE, low);
        check_operands(low + 2u * DISTANCE, low + DISTANCE);
    }
    check_operands(0x50000000, 0x10000000 - PAGE);
    check_operands(0x50000000, 0x10000000 + PAGE);
    check_stacks();
    check_windows();
    check_sparse();
    check_windows();
    return 0;
}
