/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kicks against native and translated code: each one makes d86_vcpu_run() return, whatever the executor was
 * just doing, and soon. A thread sends them at random moments, the next when the last has been seen, so that
 * they can be counted. Usage: test_sbe_kick [KICKS [GUEST]]: for each guest, or
 * for that one, the first being 0. How soon is for tests/bench/kick_bench.c.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "sbe_guest.h"

/*
 * A kick that comes at all came soon if the median is: a busy host makes any thread wait, so that the limit
 * is a thousand times of what a kick takes, and the slowest say nothing.
 */
enum { LOST_AFTER_MS = 60000, MEDIAN_MAX_MS = 20 };

static unsigned kicks = 1000;

/* What the executor does when it is kicked. */
static const struct {
    const char *name;
    uint8_t code[32];
    size_t size;
    enum {
        NATIVE,
        DOORS,
        KERNEL
    } how; /* DOORS: hardly a signal but the kicks'; KERNEL: at CPL 0, translated */
} guests[] = {
    /* L: JMP L */
    { "long native runs", { 0xeb, 0xfe }, 2, NATIVE },
    /* L: INC DWORD [EBX]; XOR EAX, EAX; CPUID; MOV EBX, 30000; JMP L */
    { "a site every few instructions",
      { 0xff, 0x03, 0x31, 0xc0, 0x0f, 0xa2, 0xbb, 0x00, 0x00, 0x03, 0x00, 0xeb, 0xf3 },
      13,
      DOORS },
    /* L: XOR EAX, EAX; XOR ECX, ECX; NOP; CPUID; JMP L: nothing but crossings */
    { "a door, and hardly anything else",
      { 0x31, 0xc0, 0x31, 0xc9, 0x90, 0x0f, 0xa2, 0xeb, 0xf7 },
      9,
      DOORS },
    /* L: MOV ECX, 1000; K: LOOP K; XOR EAX, EAX; CPUID; JMP L */
    { "native runs of a microsecond",
      { 0xb9, 0xe8, 0x03, 0x00, 0x00, 0xe2, 0xfe, 0x31, 0xc0, 0x0f, 0xa2, 0xeb, 0xf3 },
      13,
      DOORS },
    /* L: OUT 80, AL; JMP L */
    { "an exit every other instruction", { 0xe6, 0x80, 0xeb, 0xfc }, 4, NATIVE },
    /* L: MOV AL, 0; INC BYTE [L + 1]; JMP L */
    { "code that is rewritten all the time",
      { 0xb0, 0x00, 0xfe, 0x05, 0x01, 0x00, 0x02, 0x00, 0xeb, 0xf6 },
      10,
      NATIVE },
    /* L: JMP L */
    { "translated: long runs", { 0xeb, 0xfe }, 2, KERNEL },
    /* L: MOV ECX, 4000h; MOV ESI, 30000h; MOV EDI, 50000h; REP MOVSD; JMP L */
    { "translated: REP MOVSD",
      { 0xb9, 0x00, 0x40, 0x00, 0x00, 0xbe, 0x00, 0x00, 0x03, 0x00, 0xbf, 0x00, 0x00, 0x05, 0x00, 0xf3, 0xa5,
        0xeb, 0xed },
      19,
      KERNEL },
    /* L: INC DWORD [EBX]; XOR EAX, EAX; CPUID; MOV EBX, 30000h; JMP L */
    { "translated: a call-out every few instructions",
      { 0xff, 0x03, 0x31, 0xc0, 0x0f, 0xa2, 0xbb, 0x00, 0x00, 0x03, 0x00, 0xeb, 0xf3 },
      13,
      KERNEL },
    /* L: PUSHF; CLI; PUSH EBX; POP EBX; POPF; STI; JMP L */
    { "translated: flags", { 0x9c, 0xfa, 0x53, 0x5b, 0x9d, 0xfb, 0xeb, 0xf8 }, 8, KERNEL },
    /* L: MOV ESP, 40000h; CALL L: over the guard page of the stack of return addresses, again and again */
    { "translated: ever deeper calls",
      { 0xbc, 0x00, 0x00, 0x04, 0x00, 0xe8, 0xf6, 0xff, 0xff, 0xff },
      10,
      KERNEL },
    /* L: PUSH L; RET: returns without calls */
    { "translated: returns to nowhere known", { 0x68, 0x00, 0x00, 0x02, 0x00, 0xc3 }, 6, KERNEL },
    /* L: MOV EAX, [F0000000h]; JMP L: a device */
    { "translated: a fault every other instruction",
      { 0xa1, 0x00, 0x00, 0x00, 0xf0, 0xeb, 0xf9 },
      7,
      KERNEL },
    /* L: OUT 80, AL; JMP L */
    { "translated: an exit every other instruction", { 0xe6, 0x80, 0xeb, 0xfc }, 4, KERNEL },
    /* L: MOV AL, 0; INC BYTE [L + 1]; JMP L */
    { "translated: code that is rewritten all the time",
      { 0xb0, 0x00, 0xfe, 0x05, 0x01, 0x00, 0x02, 0x00, 0xeb, 0xf6 },
      10,
      KERNEL },
};

enum { GUESTS = sizeof(guests) / sizeof(guests[0]) };

static struct sbe_guest guest;

/* False: the host cannot have the engine. */
static bool open_guest(unsigned i)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .eager = true };
    if (!sbe_guest_open(&guest, &config, guests[i].code, guests[i].size))
        return false;
    if (guests[i].how == KERNEL)
        sbe_guest_be_kernel(&guest);
    return true;
}

/* Kicks aside, what a guest may come out with: ports and devices. */
static void require_access(void)
{
    ck_assert_msg(guest.exit->reason == D86_EXIT_IO || guest.exit->reason == D86_EXIT_MMIO, "exit %u: %s",
                  guest.exit->reason, guest.exit->error.text);
}

static atomic_uint sent, seen;
static unsigned lost;
static double *took_ms; /* of each kick */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Between nothing and 100 us: by spinning, since a sleep would always be longer than that. */
static void pause_at_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    double until = now_ms() + (double)(*state >> 24) / 2560;
    while (now_ms() < until)
        ;
}

/* False: it did not come. */
static bool await_seen(unsigned number, double from)
{
    while (seen < number) {
        double passed = now_ms() - from;
        if (passed > LOST_AFTER_MS)
            return false;
        if (passed > 1) /* the vCPU's thread may need this processor */
            nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    return true;
}

static void *kick(void *data)
{
    uint32_t random = 1;
    (void)data;
    for (unsigned i = 1; i <= kicks && !lost; i++) {
        pause_at_random(&random);
        double from = now_ms();
        sent = i;
        d86_vcpu_kick(guest.cpu);
        if (!await_seen(i, from)) {
            lost = i;
            d86_vcpu_kick(guest.cpu); /* for run_until_all_seen() to end */
        }
        took_ms[i - 1] = now_ms() - from;
    }
    return NULL;
}

/*
 * Flags that the kernel does not bring back when a signal handler ends: a kick that meets a door in its last
 * instructions, with the guest's flags still in the processor, must not cost the guest any.
 */
enum { FLAGS_KEPT = 1 << 14 | 1 << 21 /* NT, ID */ };

static void set_flags(uint32_t flags)
{
    struct d86_regs regs;
    d86_vcpu_get_regs(guest.cpu, &regs);
    regs.eflags |= flags;
    d86_vcpu_set_regs(guest.cpu, &regs);
}

static void check_flags(uint32_t flags)
{
    struct d86_regs regs;
    d86_vcpu_get_regs(guest.cpu, &regs);
    ck_assert_msg((regs.eflags & FLAGS_KEPT) == flags, "EFLAGS %x after %u kicks", regs.eflags, seen);
}

static void run_until_all_seen(uint32_t flags)
{
    while (seen < kicks && !lost) {
        ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
        if (guest.exit->reason == D86_EXIT_KICKED) {
            ck_assert_msg(seen < sent, "kick %u came twice", seen);
            check_flags(flags);
            seen++;
        } else {
            require_access();
        }
    }
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

START_TEST(no_kick_is_lost)
{
    const char *entries = guests[_i].how == KERNEL ? "translated_entries" : "native_entries";
    const char *taken = guests[_i].how == KERNEL ? "translated_kicks" : "native_kicks";
    pthread_t thread;
    uint32_t flags = guests[_i].how == DOORS ? FLAGS_KEPT : 0;
    if (!open_guest((unsigned)_i))
        return;
    set_flags(flags);
    sent = seen = lost = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, kick, NULL), 0);
    run_until_all_seen(flags);
    pthread_join(thread, NULL);
    ck_assert_msg(!lost, "%s: kick %u was lost", guests[_i].name, lost);
    qsort(took_ms, kicks, sizeof(took_ms[0]), compare);
    ck_assert_msg(took_ms[kicks / 2] <= MEDIAN_MAX_MS, "%s: half of the kicks took %.1f ms or more",
                  guests[_i].name, took_ms[kicks / 2]);
    ck_assert_uint_gt(sbe_guest_counter(&guest, entries), 0);
    if (guests[_i].how == DOORS)
        ck_assert_uint_gt(sbe_guest_counter(&guest, "native_doors"), sbe_guest_counter(&guest, entries) / 2);
    printf("%-48s %u kicks, median %.3f ms, slowest %.2f ms; %s %llu, %s %llu\n", guests[_i].name, kicks,
           took_ms[kicks / 2], took_ms[kicks - 1], entries,
           (unsigned long long)sbe_guest_counter(&guest, entries), taken,
           (unsigned long long)sbe_guest_counter(&guest, taken));
    sbe_guest_close(&guest);
}
END_TEST

/* ---- More kicks than can be taken ------------------------------------------------------------------------
 */

enum { STORMERS = 2, STORM_SIGNALS = 2000 };

static atomic_bool over;

static void *storm(void *data)
{
    (void)data;
    while (!over)
        d86_vcpu_kick(guest.cpu);
    return NULL;
}

/* Signals that come faster than the handler of one ends must not pile up on its stack. */
START_TEST(a_storm_does_no_harm)
{
    pthread_t thread[STORMERS];
    if (!open_guest((unsigned)_i))
        return;
    over = false;
    for (unsigned i = 0; i < STORMERS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, storm, NULL), 0);
    for (unsigned taken = 0; taken < STORM_SIGNALS;) {
        ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
        if (guest.exit->reason == D86_EXIT_KICKED)
            taken++;
        else
            require_access();
    }
    over = true;
    for (unsigned i = 0; i < STORMERS; i++)
        pthread_join(thread[i], NULL);
    sbe_guest_close(&guest);
}
END_TEST

int main(int argc, char **argv)
{
    int first = 0, end = GUESTS;
    if (argc > 1)
        kicks = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2) {
        first = (int)(strtoul(argv[2], NULL, 10) % GUESTS);
        end = first + 1;
    }
    if (!kicks || !(took_ms = calloc(kicks, sizeof(took_ms[0]))))
        return EXIT_FAILURE;
    Suite *s = suite_create("sbe_kick");
    TCase *tc = tcase_create("kicks");
    tcase_set_timeout(tc, 900);
    tcase_add_loop_test(tc, no_kick_is_lost, first, end);
    tcase_add_loop_test(tc, a_storm_does_no_harm, first, end);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    free(took_ms);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
