/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes that take turns, each for long enough to have its memory mapped: more of them than address spaces
 * stay. They have other memory and other code at the same addresses, code in common that each of them
 * rewrites, and some come when others have gone, to whose page directories they succeed.
 */
#include "user.h"

enum { PROCESSES = 10, PAGES = 16, ROUNDS = 40 };

/* Where each process has pages of its own; programs are elsewhere. */
#define OWN_MEMORY ((uint32_t *)0x50000000)
#define OWN_CODE   ((uint8_t *)0x52000000)

static void put_constant(uint8_t *p, uint32_t value)
{
    static const uint8_t moving[] = { 0xb8, 0, 0, 0, 0, 0xc3 }; /* mov eax, value; ret */
    memcpy(p, moving, sizeof(moving));
    memcpy(p + 1, &value, 4);
}

static uint32_t call(const void *code)
{
    struct registers r = { .eflags = 0x202 };
    call_code(code, &r);
    return r.eax;
}

static void compute(uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++)
        __asm__ volatile("" : : "r"(i));
}

/* All that is this process's own. */
static uint32_t count_wrong(uint32_t mine)
{
    uint32_t wrong = call(OWN_CODE) != mine || call(OWN_CODE + PAGE) != ~mine;
    for (uint32_t i = 0; i < PAGES * PAGE / 4; i += 97)
        wrong += OWN_MEMORY[i] != mine * (i + 1);
    return wrong;
}

static void make_own(uint32_t mine)
{
    map_memory(OWN_MEMORY, PAGES * PAGE, PROT_RW);
    map_memory(OWN_CODE, 2 * PAGE, PROT_RWX);
    for (uint32_t i = 0; i < PAGES * PAGE / 4; i++)
        OWN_MEMORY[i] = mine * (i + 1);
    put_constant(OWN_CODE, mine);
    put_constant(OWN_CODE + PAGE, ~mine);
}

static int take_turns(void *argument)
{
    uint32_t mine = (uint32_t)argument * 0x1003, wrong = 0;
    make_own(mine);
    compute(scaled(200000));
    for (uint32_t round = 0; round < scaled(ROUNDS); round++) {
        compute(scaled(3000));
        wrong += count_wrong(mine);
        linux_call(NR_SCHED_YIELD);
        mine += 7;
        for (uint32_t i = 0; i < PAGES * PAGE / 4; i += 97)
            OWN_MEMORY[i] = mine * (i + 1);
        put_constant(OWN_CODE, mine);
        put_constant(OWN_CODE + PAGE, ~mine);
        linux_call(NR_SCHED_YIELD);
    }
    return wrong != 0;
}

static void check_same_addresses(void)
{
    int children[PROCESSES];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < PROCESSES; i++)
        children[i] = start_child(take_turns, (void *)(i + 1));
    for (uint32_t i = 0; i < PROCESSES; i++)
        wrong += wait_child(children[i]) != 0;
    check_equal(wrong, 0, "%d processes with other memory and code at the same addresses", PROCESSES);
}

/* ---- One after the other --------------------------------------------------------------------------------
 */

static int live_and_die(void *argument)
{
    uint32_t mine = (uint32_t)argument * 0x2005;
    make_own(mine);
    compute(scaled(200000));
    linux_call(NR_SCHED_YIELD);
    compute(scaled(3000));
    return count_wrong(mine) != 0;
}

static void check_successors(void)
{
    uint32_t wrong = 0;
    for (uint32_t i = 1; i <= scaled(30); i++)
        wrong += wait_child(start_child(live_and_die, (void *)i)) != 0;
    check_equal(wrong, 0, "processes one after the other, with other memory at the same addresses");
}

/* ---- Code in common -------------------------------------------------------------------------------------
 */

enum { SHARERS = 6 };

struct sharer {
    int object;
    uint32_t number;
    int ends[SHARERS][2]; /* a pipe to each, by which it gets the turn */
};

/* Whose turn it is finds what the one before has written, at an address of its own, and writes something
 * else.
 */
static int share(void *argument)
{
    const struct sharer *s = argument;
    uint8_t *data = map_object(s->object, OWN_MEMORY, 2 * PAGE, PROT_RW);
    uint8_t *code = map_object(s->object, OWN_CODE + s->number * 0x10000, 2 * PAGE, PROT_RX);
    uint32_t wrong = 0, end = scaled(600), turn;
    while (linux_call(NR_READ, s->ends[s->number][0], &turn, 4) == 4 && turn < end) {
        compute(scaled(3000));
        wrong += turn && (call(code) != turn || call(code + PAGE + 3) != ~turn);
        turn++;
        put_constant(data, turn);
        put_constant(data + PAGE + 3, ~turn);
        wrong += call(code) != turn;
        linux_call(NR_WRITE, s->ends[(s->number + 1) % SHARERS][1], &turn, 4);
    }
    linux_call(NR_WRITE, s->ends[(s->number + 1) % SHARERS][1], &end, 4);
    return wrong != 0;
}

static void check_common_code(void)
{
    struct sharer s = { .object = shared_object(2 * PAGE) };
    uint32_t wrong = 0, first = 0;
    int children[SHARERS];
    for (uint32_t i = 0; i < SHARERS; i++)
        linux_call(NR_PIPE, s.ends[i]);
    for (s.number = 0; s.number < SHARERS; s.number++)
        children[s.number] = start_child(share, &s);
    linux_call(NR_WRITE, s.ends[0][1], &first, 4);
    for (uint32_t i = 0; i < SHARERS; i++)
        wrong += wait_child(children[i]) != 0;
    check_equal(wrong, 0, "%d processes rewrite the code they have in common", SHARERS);
}

int program(void)
{
    check_same_addresses();
    check_successors();
    check_common_code();
    return 0;
}
