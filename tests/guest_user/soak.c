/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A long life: address space is mapped, written, moved, protected, dropped and given back in random order, by
 * a process that has children, which change their copies of it, execute other programs and die of signals.
 * What every page holds is known all the time. The numbers come from a fixed seed, so that it is the same
 * life everywhere; "large" makes it long.
 */
#include "user.h"

#ifndef SOAK_STEPS
#define SOAK_STEPS 800
#endif

enum {
    REGIONS = 12,
    PAGES_MAX = 24,
    MREMAP_MAYMOVE = 1,
    MADV_DONTNEED = 4,
    DROPPED = 0, /* what a page holds that was given back */
};

/* Pages in a row; in each the first and last words are its mark. */
static struct region {
    uint32_t *at;
    uint32_t pages;
    uint32_t mark[PAGES_MAX];
} regions[REGIONS];

static uint32_t state = 20261201, wrong;
static volatile uint32_t signals;

static uint32_t below(uint32_t limit)
{
    return next_random(&state) % limit;
}

static uint32_t *page_of(const struct region *r, uint32_t page)
{
    return r->at + page * (PAGE / 4);
}

static void mark_page(struct region *r, uint32_t page)
{
    uint32_t mark = next_random(&state) | 1;
    r->mark[page] = mark;
    page_of(r, page)[0] = page_of(r, page)[PAGE / 4 - 1] = mark;
}

static uint32_t wrong_pages(const struct region *r)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->pages; i++)
        count += page_of(r, i)[0] != r->mark[i] || page_of(r, i)[PAGE / 4 - 1] != r->mark[i];
    return count;
}

static uint32_t all_wrong_pages(void)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < REGIONS; i++)
        count += wrong_pages(&regions[i]);
    return count;
}

/* ---- What is done to a region ---- */

static void give_back(struct region *r)
{
    if (r->pages)
        linux_call(NR_MUNMAP, r->at, r->pages * PAGE);
    r->pages = 0;
}

static void take(struct region *r)
{
    give_back(r);
    r->pages = 1 + below(PAGES_MAX);
    r->at = map_memory(NULL, r->pages * PAGE, PROT_RW);
    for (uint32_t i = 0; i < r->pages; i++)
        r->mark[i] = DROPPED;
}

static void write_some(struct region *r)
{
    for (uint32_t n = below(8); n && r->pages; n--)
        mark_page(r, below(r->pages));
}

static void resize(struct region *r)
{
    uint32_t pages = 1 + below(PAGES_MAX);
    if (!r->pages)
        return;
    long at = linux_call(NR_MREMAP, r->at, r->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
    if (at < 0 && at > -4096) {
        wrong++;
        return;
    }
    r->at = (uint32_t *)at;
    for (uint32_t i = r->pages; i < pages; i++)
        r->mark[i] = DROPPED;
    r->pages = pages;
}

static void drop_some(struct region *r)
{
    if (!r->pages)
        return;
    uint32_t first = below(r->pages), count = 1 + below(r->pages - first);
    wrong += linux_call(NR_MADVISE, page_of(r, first), count * PAGE, MADV_DONTNEED) != 0;
    for (uint32_t i = first; i < first + count; i++)
        r->mark[i] = DROPPED;
}

static void store(void *at)
{
    *(volatile uint32_t *)at = 1;
}

static void protect_and_try(struct region *r)
{
    struct fault fault;
    if (!r->pages)
        return;
    uint32_t *page = page_of(r, below(r->pages));
    linux_call(NR_MPROTECT, page, PAGE, PROT_R);
    (void)try_call(store, page, &fault);
    wrong += fault.sig != SIG_SEGV || fault.addr != (uint32_t)page;
    linux_call(NR_MPROTECT, page, PAGE, PROT_RW);
}

/* ---- Children and signals ---- */

static int live_apart(void *argument)
{
    state ^= (uint32_t)argument * 2654435761u;
    uint32_t bad = all_wrong_pages();
    for (unsigned i = 0; i < REGIONS; i += 2)
        write_some(&regions[i]);
    give_back(&regions[1]);
    return bad + all_wrong_pages() ? 1 : 0;
}

static int execute(void *argument)
{
    char *arguments[] = { program_arguments[0], "again", argument, NULL };
    linux_call(NR_EXECVE, "/proc/self/exe", arguments, arguments + 3);
    return 255;
}

static int die(void *argument)
{
    (void)argument;
    set_handler(SIG_SEGV, NULL, 0);
    store((void *)16);
    return 0;
}

static void have_children(void)
{
    int children[3];
    for (uint32_t i = 0; i < 3; i++)
        children[i] = start_child(live_apart, (void *)(next_random(&state) | 1));
    write_some(&regions[below(REGIONS)]);
    for (uint32_t i = 0; i < 3; i++)
        wrong += wait_child(children[i]) != 0;
    switch (below(4)) {
    case 0:
        wrong += wait_child(start_child(execute, "x")) != 77;
        break;
    case 1:
        wrong += wait_child(start_child(die, NULL)) != 256 + SIG_SEGV;
        break;
    }
}

static void count_signal(int sig, struct signal_info *info, struct signal_context *context)
{
    (void)sig, (void)info, (void)context;
    signals++;
}

static void send_signals(void)
{
    uint32_t before = signals, count = 1 + below(5);
    for (uint32_t i = 0; i < count; i++)
        linux_call(NR_KILL, linux_call(NR_GETPID), SIG_USR1);
    wrong += signals != before + count;
}

static void step(void)
{
    static void (*const on_region[])(struct region *) = { take,   write_some, write_some,      write_some,
                                                          resize, drop_some,  protect_and_try, give_back };
    uint32_t what = below(20);
    if (what == 0)
        have_children();
    else if (what == 1)
        send_signals();
    else
        on_region[what % ARRAY_SIZE(on_region)](&regions[below(REGIONS)]);
}

int program(void)
{
    if (program_arguments[1] && same_text(program_arguments[1], "again"))
        return 77;
    set_handler(SIG_USR1, count_signal, 0);
    uint32_t steps = scaled(SOAK_STEPS);
    for (uint32_t n = 0; n < steps; n++) {
        step();
        if (n % 16 == 0)
            wrong += all_wrong_pages();
    }
    check_equal(wrong + all_wrong_pages(), 0, "a life of mapping, copying, moving and dropping");
    return 0;
}
