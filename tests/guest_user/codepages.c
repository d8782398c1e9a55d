/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * More pages of code than the engine keeps private pages of: a function in each of 6000 pages, all of them
 * called in several orders, some rewritten in between.
 */
#include "user.h"

enum { PAGES = 6000, ROUNDS = 4 };

/* mov eax, value; then of every fourth something sensitive: push cs, pop ecx; ret */
static void put_function(uint8_t *p, uint32_t number, uint32_t value)
{
    *p++ = 0xb8;
    memcpy(p, &value, 4);
    p += 4;
    if (number % 4 == 0) {
        *p++ = 0x0e;
        *p++ = 0x59;
    }
    *p = 0xc3;
}

static uint8_t *function_of(uint8_t *memory, uint32_t number)
{
    return memory + number * PAGE + number * 61 % (PAGE - 16);
}

/* Whether it returns that value. */
static bool returns(const uint8_t *function, uint32_t value)
{
    struct registers r = { .eflags = 0x202 };
    call_code(function, &r);
    return r.eax == value;
}

int program(void)
{
    uint32_t pages = scaled(PAGES), wrong = 0, random = 1;
    uint8_t *memory = map_memory(NULL, (size_t)PAGES * PAGE, PROT_RWX);
    for (uint32_t i = 0; i < pages; i++)
        put_function(function_of(memory, i), i, i * 0x01010101);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < pages; i++) {
            uint32_t number = round % 2 ? pages - 1 - i : i;
            wrong += !returns(function_of(memory, number), number * 0x01010101);
        }
    }
    check_equal(wrong, 0, "functions in many pages, upwards and downwards");

    wrong = 0;
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t number = next_random(&random) % pages;
        uint32_t value = i % 8 ? number * 0x01010101 : i;
        if (i % 8 == 0)
            put_function(function_of(memory, number), number, value);
        wrong += !returns(function_of(memory, number), value);
        if (i % 8 == 0)
            put_function(function_of(memory, number), number, number * 0x01010101);
    }
    check_equal(wrong, 0, "functions in many pages, at random, some rewritten");
    return 0;
}
