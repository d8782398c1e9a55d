/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's kernel code beside the same code run natively: each kind of work in tests/bench/guest_kernel.c,
 * in a bare machine at CPL 0, translated, and in this process in 32-bit mode. Both take turns, and the least
 * processor time of all rounds counts, less what a run of nothing takes; results must agree.
 *
 *   kernel_bench GUEST.bin [ROUNDS [MS]]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "duplex86/duplex86.h"

enum {
    LOAD_ADDRESS = 0x10000000, /* in both: where this process has nothing */
    RAM_SIZE = 4 << 20,
    END = LOAD_ADDRESS + RAM_SIZE - 32, /* the function returns there, to an OUT */
    STACK_TOP = END - 16,
    CODE32 = 0x23, /* Linux's segments: flat */
    CODE64 = 0x33,
    DATA = 0x2b,
    NATIVE_MS = 1,
    ROUNDS = 61,
};

static const char *const kind[] = { "lz",  "sha", "tree", "chase", "rep",  "str", "csum",
                                    "fib", "rb",  "path", "sys",   "sort", "bc",  "big" };
enum { KINDS = sizeof(kind) / sizeof(kind[0]) };

static struct d86_vm *vm;
static struct d86_vcpu *vcpu;

static void check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "kernel_bench: %s: %s\n", what, d86_last_error());
        exit(1);
    }
}

/* Seconds of a processor that this thread and the virtual processor have had. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + ((double)t.tv_nsec + (double)d86_vcpu_run_ns(vcpu)) / 1e9;
}

/* ---- In the machine -------------------------------------------------------------------------------------
 */

static bool set_up_machine(const uint8_t *image, size_t size)
{
    int result;

    check(d86_vm_create(&vm), "creating a VM");
    check(d86_vm_add_ram(vm, LOAD_ADDRESS, RAM_SIZE), "adding memory");
    result = d86_vcpu_create(vm, &(struct d86_vcpu_config){ .engine = D86_ENGINE_SBE }, &vcpu);
    if (result < 0) {
        fprintf(stderr, "kernel_bench: %s\n", d86_last_error());
        return false;
    }
    check(d86_vm_write(vm, LOAD_ADDRESS, image, size), "loading the guest");
    check(d86_vm_write(vm, END, "\xe6\x10", 2), "loading the guest");
    return true;
}

/* New segments would have all code translated anew: once. */
static void enter_flat_mode(void)
{
    struct d86_sregs s;

    d86_vcpu_get_sregs(vcpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct d86_segment){ .limit = 0xffffffffu, .selector = 0x10, .attr = 0xc093 };
    s.seg[D86_CS].attr = 0xc09b;
    s.seg[D86_CS].selector = 8;
    s.cr0 = 0x11;
    check(d86_vcpu_set_sregs(vcpu, &s), "entering protected mode");
}

static uint32_t run_translated(uint32_t which, uint32_t count)
{
    const uint32_t end = END;
    struct d86_regs r = {
        .eax = which, .edx = count, .esp = STACK_TOP - 4, .eip = LOAD_ADDRESS, .eflags = 2
    };

    check(d86_vm_write(vm, STACK_TOP - 4, &end, 4), "the stack");
    d86_vcpu_set_regs(vcpu, &r);
    do
        check(d86_vcpu_run(vcpu), "running");
    while (d86_vcpu_exit(vcpu)->reason == D86_EXIT_KICKED);
    d86_vcpu_get_regs(vcpu, &r);
    if (d86_vcpu_exit(vcpu)->reason != D86_EXIT_IO) {
        fprintf(stderr, "kernel_bench: %s: the guest left with exit %u at %#x\n", kind[which],
                d86_vcpu_exit(vcpu)->reason, r.eip);
        exit(1);
    }
    return r.eax;
}

/* ---- In this process ------------------------------------------------------------------------------------
 */

/* Back from 32-bit code: see set_up_native(). */
void kernel_bench_back(void);
uint32_t kernel_bench_enter(uint64_t stack, uint32_t which, uint32_t count);

__asm__(".globl kernel_bench_enter, kernel_bench_back\n"
        "kernel_bench_enter:\n\t"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n\t"
        "mov %rsp, kernel_bench_stack(%rip)\n\t"
        "mov $0x2b, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss\n\t"
        "mov %rdi, %rsp\n\t"
        "mov %esi, %eax\n\t" /* EDX is `count` already */
        "lretq\n"
        "kernel_bench_back:\n\t"
        "mov kernel_bench_stack(%rip), %rsp\n\t"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"
        "ret\n"
        ".lcomm kernel_bench_stack, 8\n");

static void set_up_native(const uint8_t *image, size_t size)
{
    const int rights = PROT_READ | PROT_WRITE | PROT_EXEC,
              how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    uint8_t *memory = mmap((void *)(uintptr_t)LOAD_ADDRESS, RAM_SIZE, rights, how, -1, 0);
    uint8_t *end = memory + (END - LOAD_ADDRESS);
    const uint32_t there = END + 7;
    const uint64_t back = (uintptr_t)kernel_bench_back;

    if (memory == MAP_FAILED) {
        perror("kernel_bench: memory");
        exit(1);
    }
    memcpy(memory, image, size);
    end[0] = 0xea; /* jmp CODE64:there */
    memcpy(end + 1, &there, 4);
    end[5] = CODE64;
    end[6] = 0;
    memcpy(end + 7, "\xff\x25\0\0\0\0", 6); /* jmp [rip] */
    memcpy(end + 13, &back, 8);
}

static uint32_t run_native(uint32_t which, uint32_t count)
{
    uint32_t *top = (uint32_t *)(uintptr_t)(STACK_TOP - 4);
    uint64_t *far_return = (uint64_t *)(uintptr_t)(STACK_TOP - 4 - 16);

    *top = END;
    memcpy(far_return, (const uint64_t[]){ LOAD_ADDRESS, CODE32 }, 16);
    return kernel_bench_enter((uintptr_t)far_return, which, count);
}

/* ---- Both -----------------------------------------------------------------------------------------------
 */

static double time_of(uint32_t (*run)(uint32_t, uint32_t), uint32_t which, uint32_t count, uint32_t *sum)
{
    double start = now();
    *sum = run(which, count);
    return now() - start;
}

/* The least time of some runs. */
static double least(uint32_t (*run)(uint32_t, uint32_t), uint32_t which, uint32_t count, unsigned rounds)
{
    double best = 1e9;
    uint32_t sum;
    while (rounds--) {
        double time = time_of(run, which, count, &sum);
        best = time < best ? time : best;
    }
    return best;
}

/* So many that it takes about so long natively. */
static uint32_t find_count(uint32_t which, double seconds)
{
    uint32_t count = 1;
    while (least(run_native, which, count, 3) < seconds)
        count *= 2;
    return count;
}

static double compare(uint32_t which, unsigned rounds, double seconds)
{
    uint32_t count = find_count(which, seconds), native_sum, sum;
    double native = 1e9, translated = 1e9, native_none, translated_none;

    (void)run_translated(which, count); /* so that it is translated */
    native_none = least(run_native, which, 0, rounds);
    translated_none = least(run_translated, which, 0, rounds);
    for (unsigned round = 0; round < rounds; round++) {
        double a = time_of(run_native, which, count, &native_sum);
        double b = time_of(run_translated, which, count, &sum);
        native = a < native ? a : native;
        translated = b < translated ? b : translated;
        if (sum != native_sum) {
            fprintf(stderr, "kernel_bench: %s: %08x natively, %08x translated\n", kind[which], native_sum,
                    sum);
            exit(1);
        }
    }
    native -= native_none;
    translated -= translated_none;
    printf("%-6s %8.3f ms %8.3f ms  %5.2f\n", kind[which], native * 1e3, translated * 1e3,
           translated / native);
    return translated / native;
}

int main(int argc, char **argv)
{
    static uint8_t image[1 << 20];
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : ROUNDS;
    double seconds = (argc > 3 ? atof(argv[3]) : NATIVE_MS) / 1e3, logs = 0, worst = 0;
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t size;

    if (!file) {
        perror(argc > 1 ? argv[1] : "kernel_bench GUEST.bin [ROUNDS [MS]]");
        return 1;
    }
    size = fread(image, 1, sizeof(image), file);
    fclose(file);
    if (!set_up_machine(image, size))
        return 77;
    enter_flat_mode();
    set_up_native(image, size);
    printf("kind      natively   translated  times\n");
    for (uint32_t which = 0; which < KINDS; which++) {
        double times = compare(which, rounds, seconds);
        logs += log(times);
        worst = times > worst ? times : worst;
    }
    printf("geometric mean %.3f, worst %.2f\n", exp(logs / KINDS), worst);
    d86_vm_destroy(vm);
    return 0;
}
