/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes: fork, exec, wait, pipes, shared and copied memory. Address spaces come, go and take turns, and
 * nothing of one may be seen in another.
 */
#include "user.h"

enum { PAGES = 64 };
static uint32_t memory[PAGES * PAGE / 4] __attribute__((aligned(PAGE)));

static int exit_with(void *argument)
{
    return (int)(uint32_t)argument & 0xff;
}

static void check_fork_wait(void)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 60; i++)
        wrong += wait_child(start_child(exit_with, (void *)i)) != (int)i;
    check_equal(wrong, 0, "60 children, one after another");

    int children[20];
    for (uint32_t i = 0; i < 20; i++)
        children[i] = start_child(exit_with, (void *)(i + 100));
    for (uint32_t i = 0; i < 20; i++)
        wrong += wait_child(children[i]) != (int)(i + 100);
    check_equal(wrong, 0, "20 children at once");
}

static int die(void *argument)
{
    set_handler((int)(uint32_t)argument, NULL, 0);
    switch ((uint32_t)argument) {
    case SIG_SEGV:
        *(volatile uint32_t *)8 = 1;
        break;
    case SIG_ILL:
        __asm__ volatile("ud2");
        break;
    case SIG_FPE:
        __asm__ volatile("xorl %%ecx, %%ecx\n divl %%ecx" : : : "eax", "ecx", "edx", "cc");
        break;
    default:
        __asm__ volatile("int3");
    }
    return 0;
}

static void check_deaths(void)
{
    static const uint32_t signals[] = { SIG_SEGV, SIG_ILL, SIG_FPE, SIG_TRAP };
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        check_equal((uint32_t)wait_child(start_child(die, (void *)signals[i])), 256 + signals[i],
                    "a child dies of signal %u", signals[i]);
}

/* Runs this program again, which then does as its second argument says (program()). */
static int execute(void *argument)
{
    char *arguments[] = { program_arguments[0], "again", argument, NULL };
    linux_call(NR_EXECVE, "/proc/self/exe", arguments, arguments + 3);
    return 255;
}

static void check_exec(void)
{
    static char *const letters[] = { "a", "b", "c", "d", "e" };
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 25; i++)
        wrong += wait_child(start_child(execute, letters[i % 5])) != (int)(40 + i % 5);
    check_equal(wrong, 0, "25 programs executed");
}

static uint32_t sum_memory(void)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(memory); i += 16)
        sum = sum * 31 + memory[i];
    return sum;
}

static int change_copy(void *argument)
{
    uint32_t before = sum_memory(), number = (uint32_t)argument;
    for (unsigned page = number % 3; page < PAGES; page += 3) {
        for (unsigned i = 0; i < PAGE / 4; i += 64)
            memory[page * PAGE / 4 + i] = number;
        linux_call(NR_SCHED_YIELD);
    }
    for (unsigned page = 0; page < PAGES; page++) {
        bool mine = page % 3 == number % 3;
        if (memory[page * PAGE / 4] != (mine ? number : page * PAGE / 4 * 7))
            return 1;
    }
    return before == sum_memory() ? 2 : 0;
}

static void check_copy_on_write(void)
{
    uint32_t wrong = 0, sum;
    int children[8];
    for (unsigned i = 0; i < ARRAY_SIZE(memory); i++)
        memory[i] = i * 7;
    sum = sum_memory();
    for (uint32_t i = 0; i < 8; i++)
        children[i] = start_child(change_copy, (void *)(0x1000 + i));
    for (uint32_t i = 0; i < 8; i++)
        wrong += wait_child(children[i]) != 0;
    check_equal(wrong, 0, "8 children change their copies");
    check_equal(sum_memory(), sum, "and not the original");
    memory[5] = 1;
    check(memory[5] == 1 && memory[4] == 28, "which can be written");
}

struct ring {
    int ends[2], next_ends[2];
};

static int pass_on(void *argument)
{
    struct ring *ring = argument;
    uint32_t value;
    for (unsigned i = 0; i < 200; i++) {
        if (linux_call(NR_READ, ring->ends[0], &value, 4) != 4)
            return 1;
        value = value * 5 + 1;
        if (linux_call(NR_WRITE, ring->next_ends[1], &value, 4) != 4)
            return 2;
    }
    return 0;
}

/* A token goes round a ring of processes. */
static void check_ring(void)
{
    enum { MEMBERS = 5 };
    int pipes[MEMBERS + 1][2], children[MEMBERS];
    uint32_t wrong = 0, value = 1, expected = 1;
    for (unsigned i = 0; i <= MEMBERS; i++)
        linux_call(NR_PIPE, pipes[i]);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct ring ring;
        memcpy(ring.ends, pipes[i], sizeof(ring.ends));
        memcpy(ring.next_ends, pipes[i + 1], sizeof(ring.ends));
        children[i] = start_child(pass_on, &ring);
    }
    for (unsigned round = 0; round < 200; round++) {
        linux_call(NR_WRITE, pipes[0][1], &value, 4);
        linux_call(NR_READ, pipes[MEMBERS][0], &value, 4);
        for (unsigned i = 0; i < MEMBERS; i++)
            expected = expected * 5 + 1;
        wrong += value != expected;
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        wrong += wait_child(children[i]) != 0;
    check_equal(wrong, 0, "1000 hand-overs through pipes");
}

static int add_shared(void *argument)
{
    uint32_t *shared = argument;
    for (unsigned i = 0; i < 3000; i++) {
        __asm__ volatile("lock incl %0" : "+m"(shared[0]) : : "cc");
        uint32_t three = 3;
        __asm__ volatile("lock xaddl %1, %0" : "+m"(shared[PAGE / 4 - 1]), "+r"(three) : : "cc");
        if (i % 100 == 0)
            linux_call(NR_SCHED_YIELD);
    }
    return 0;
}

/* One frame at another address in each process. */
static int add_elsewhere(void *argument)
{
    int object = *(int *)argument;
    return add_shared(
        map_object(object, (void *)(0x40000000 + linux_call(NR_GETPID) % 256 * PAGE), PAGE, PROT_RW));
}

static void check_shared(void)
{
    int object = shared_object(PAGE), children[6];
    uint32_t *shared = map_object(object, NULL, PAGE, PROT_RW), wrong = 0;
    for (unsigned i = 0; i < 6; i++)
        children[i] = i % 2 ? start_child(add_shared, shared) : start_child(add_elsewhere, &object);
    for (unsigned i = 0; i < 6; i++)
        wrong += wait_child(children[i]) != 0;
    check_equal(wrong, 0, "6 processes share memory");
    check_equal(shared[0], 18000, "and count in it");
    check_equal(shared[PAGE / 4 - 1], 54000, "at both ends");
}

/* Fresh memory is zero, whoever had it before. */
static void check_fresh_memory(void)
{
    uint32_t wrong = 0;
    for (unsigned round = 0; round < 20; round++) {
        uint32_t *pages = map_memory(NULL, 64 * PAGE, PROT_RW);
        for (unsigned i = 0; i < 64 * PAGE / 4; i += 61)
            wrong += pages[i] != 0;
        for (unsigned i = 0; i < 64 * PAGE / 4; i += 61)
            pages[i] = ~i;
        linux_call(NR_MUNMAP, pages, 64 * PAGE);
    }
    check_equal(wrong, 0, "fresh memory is zero");
}

int program(void)
{
    if (program_arguments[1] && same_text(program_arguments[1], "again"))
        return 40 + (program_arguments[2][0] - 'a');
    check_fork_wait();
    check_deaths();
    check_exec();
    check_copy_on_write();
    check_ring();
    check_shared();
    check_fresh_memory();
    return 0;
}
