/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Threads: one address space, many stacks, each its own segment base in GS; locked instructions, futexes, and
 * switches between all of them.
 */
#include "user.h"

enum { THREADS = 8, ROUNDS = 2000, STACK = 16384 };
enum {
    CLONE_VM = 0x100,
    CLONE_FS = 0x200,
    CLONE_FILES = 0x400,
    CLONE_SIGHAND = 0x800,
    CLONE_THREAD = 0x10000,
    CLONE_SETTLS = 0x80000,
    CLONE_PARENT_SETTID = 0x100000,
    CLONE_CHILD_CLEARTID = 0x200000
};
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

/* struct user_desc: 32-bit data, limit in pages, usable. */
struct user_desc {
    uint32_t entry, base, limit, flags;
};
enum { DESC_32BIT = 1 << 0, DESC_PAGES = 1 << 4, DESC_USABLE = 1 << 6 };

int start_thread(uint32_t flags, void *stack, int *tid, struct user_desc *tls);

/* What GS points at. */
struct local {
    uint32_t self, number, counter, scratch[13];
};

struct thread {
    struct local local;
    volatile int tid;
    uint32_t wrong;
    uint8_t stack[STACK] __attribute__((aligned(16)));
};

static struct thread threads[THREADS];
static uint32_t gs_entry;

static volatile uint32_t locked_sum, exchanged_sum, mutex_sum, bits;
static uint64_t wide_sum __attribute__((aligned(8)));
static uint32_t mutex;

static void lock_mutex(void)
{
    uint32_t state = 0;
    if (__atomic_compare_exchange_n(&mutex, &state, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_exchange_n(&mutex, 2, __ATOMIC_SEQ_CST) != 0)
        linux_call(NR_FUTEX, &mutex, FUTEX_WAIT, 2, 0);
}

static void unlock_mutex(void)
{
    if (__atomic_exchange_n(&mutex, 0, __ATOMIC_SEQ_CST) == 2)
        linux_call(NR_FUTEX, &mutex, FUTEX_WAKE, 1);
}

static uint32_t gs_read(uint32_t offset)
{
    uint32_t value;
    __asm__ volatile("movl %%gs:(%1), %0" : "=r"(value) : "r"(offset) : "memory");
    return value;
}

/* GS-relative work in many forms; all of it is private to the thread. */
static void use_local(struct thread *me, uint32_t round)
{
    uint32_t self = (uint32_t)&me->local;
    me->wrong += gs_read(0) != self;
    me->wrong += gs_read(offsetof(struct local, number)) != (uint32_t)(me - threads);
    __asm__ volatile("incl %%gs:8" : : : "memory", "cc");
    __asm__ volatile("movl %0, %%gs:12\n lock addl $1, %%gs:12\n movl %%gs:12, %0"
                     : "+r"(round)
                     :
                     : "memory", "cc");
    me->wrong += me->local.scratch[0] != round;
    __asm__ volatile("pushl %%gs:12\n popl %%gs:16" : : : "memory");
    me->wrong += me->local.scratch[1] != round;
}

/* LOCK prefixed instructions whose sums show each lost update. */
static void use_locked(uint32_t number)
{
    uint32_t one = 1, old, bit = number * 4;
    __asm__ volatile("lock incl %0" : "+m"(locked_sum) : : "cc");
    __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(locked_sum) : : "cc");
    do {
        old = exchanged_sum;
    } while (!__sync_bool_compare_and_swap(&exchanged_sum, old, old * 3 + 1));
    __asm__ volatile("lock btcl %1, %0" : "+m"(bits) : "r"(bit) : "cc", "memory");
    uint32_t low = (uint32_t)wide_sum, high = (uint32_t)(wide_sum >> 32);
    __asm__ volatile("1: movl %%eax, %%ebx\n movl %%edx, %%ecx\n addl $0x40000000, %%ebx\n adcl $0, %%ecx\n"
                     "lock cmpxchg8b %2\n jnz 1b"
                     : "+a"(low), "+d"(high), "+m"(wide_sum)
                     :
                     : "ebx", "ecx", "cc", "memory");
}

static void thread_main(struct thread *me)
{
    uint32_t number = (uint32_t)(me - threads);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        use_local(me, i);
        use_locked(number);
        if (i % 8 == number) {
            lock_mutex();
            uint32_t sum = mutex_sum;
            if (i % 64 == number)
                linux_call(NR_SCHED_YIELD); /* with the mutex held */
            mutex_sum = sum + 1;
            unlock_mutex();
        }
        if (i % 16 == 3)
            linux_call(NR_SCHED_YIELD);
        if (i % 16 == 7)
            linux_call_vdso(NR_SCHED_YIELD);
    }
}

static void *aligned_top(struct thread *thread)
{
    uint32_t *top = (uint32_t *)(thread->stack + STACK - 16);
    top[0] = (uint32_t)thread_main;
    top[1] = (uint32_t)thread;
    return top;
}

static void start_threads(void)
{
    enum {
        FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
                CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID
    };
    for (unsigned i = 0; i < THREADS; i++) {
        struct thread *t = &threads[i];
        t->local.self = (uint32_t)&t->local;
        t->local.number = i;
        struct user_desc tls = { gs_entry, t->local.self, 0xfffff, DESC_32BIT | DESC_PAGES | DESC_USABLE };
        if (start_thread(FLAGS, aligned_top(t), (int *)&t->tid, &tls) < 0)
            check(false, "a thread starts");
    }
}

static void join_threads(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        int tid;
        while ((tid = threads[i].tid) != 0)
            linux_call(NR_FUTEX, &threads[i].tid, FUTEX_WAIT, tid, 0);
    }
}

static void check_threads(void)
{
    uint32_t wrong = 0, counted = 0, expected = 0;
    start_threads();
    join_threads();
    for (unsigned i = 0; i < THREADS; i++) {
        wrong += threads[i].wrong;
        counted += threads[i].local.counter == ROUNDS;
    }
    for (unsigned i = 0; i < THREADS * ROUNDS; i++)
        expected = expected * 3 + 1;
    check_equal(wrong, 0, "thread-local values");
    check_equal(counted, THREADS, "thread-local counters");
    check_equal(locked_sum, 2 * THREADS * ROUNDS, "lock inc, lock xadd");
    check_equal(exchanged_sum, expected, "lock cmpxchg");
    check_equal(bits, 0, "lock btc");
    check_equal((uint32_t)(wide_sum >> 30), THREADS * ROUNDS, "lock cmpxchg8b");
    check_equal(mutex_sum, THREADS * (ROUNDS / 8), "futex mutex");
}

/* The main thread's GS: set, seen, kept over switches. */
static void check_own_gs(void)
{
    static struct local local;
    struct user_desc tls = { ~0u, (uint32_t)&local, 0xfffff, DESC_32BIT | DESC_PAGES | DESC_USABLE };
    check_equal((uint32_t)linux_call(NR_SET_THREAD_AREA, &tls), 0, "set_thread_area");
    uint32_t selector = tls.entry * 8 + 3, seen;
    gs_entry = tls.entry;
    local.self = 0x600d600d;
    __asm__ volatile("movl %0, %%gs" : : "r"(selector));
    check_equal(gs_read(0), 0x600d600d, "gs shows the area");
    __asm__ volatile("movl %%gs, %0" : "=r"(seen));
    check_equal(seen, selector, "and its selector");
    __asm__ volatile("pushl %%gs\n popl %0" : "=r"(seen));
    check_equal(seen & 0xffff, selector, "pushed too");
}

int program(void)
{
    check_own_gs();
    check_threads();
    check_equal(gs_read(0), 0x600d600d, "the first thread's gs is as before");
    return 0;
}
