/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long d86_vcpu_kick() takes to make d86_vcpu_run() return in another thread, while the guest runs user
 * code that makes no exits: natively (sbe), and interpreted. Usage: kick_bench [COUNT]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../unit/sbe_guest.h"

static struct sbe_guest guest;
static unsigned long count = 2000;
static atomic_ulong seen;
static double kicked_at, *latency;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void *kick(void *data)
{
    (void)data;
    for (unsigned long i = 0; i < count; i++) {
        /* Long enough for the guest to be running again; not in step with the host's timer. */
        nanosleep(&(struct timespec){ .tv_nsec = (long)(200000 + i % 97 * 1000) }, NULL);
        kicked_at = now_us();
        d86_vcpu_kick(guest.cpu);
        while (seen <= i)
            nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(const char *name, enum d86_engine engine)
{
    static const uint8_t spin[] = { 0xeb, 0xfe }; /* L: JMP L */
    const struct d86_vcpu_config config = { .engine = engine };
    pthread_t thread;
    if (!sbe_guest_open(&guest, &config, spin, sizeof(spin)))
        return;
    seen = 0;
    sbe_guest_require(pthread_create(&thread, NULL, kick, NULL) == 0, "a thread");
    for (unsigned long i = 0; i < count; i++) {
        sbe_guest_require(d86_vcpu_run(guest.cpu) == 0 && guest.exit->reason == D86_EXIT_KICKED, "a kick");
        latency[i] = now_us() - kicked_at;
        seen = i + 1;
    }
    pthread_join(thread, NULL);
    qsort(latency, count, sizeof(latency[0]), compare);
    printf("%-8s median %7.1f us, 99 %% within %7.1f us, slowest %7.1f us\n", name, latency[count / 2],
           latency[count * 99 / 100], latency[count - 1]);
    sbe_guest_close(&guest);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        count = strtoul(argv[1], NULL, 0);
    if (!count || !(latency = calloc(count, sizeof(latency[0]))))
        return 1;
    measure("interp", D86_ENGINE_INTERP);
    measure("sbe", D86_ENGINE_SBE);
    free(latency);
    return 0;
}
