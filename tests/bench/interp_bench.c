/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest instructions per second of the interpreter on integer code: runs tests/bench/guest_integer.c in a
 * bare VM and prints, for each workload, instructions, time and rate. Usage: interp_bench GUEST.bin
 * [DIVISOR], where the divisor makes every workload that much smaller.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duplex86/duplex86.h"

enum { LOAD_ADDRESS = 0x100000, RAM_SIZE = 16 << 20, STACK_TOP = 0x800000 };

static const struct {
    const char *name;
    uint32_t size;
} workloads[] = {
    { "hash (rotates, adds)", 60000 },          { "sort (compares, branches)", 40 },
    { "bytecode (indirect jumps)", 15000000 },  { "fibonacci (calls)", 32 },
    { "copy (bytes, loads and stores)", 6000 },
};

static void check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "interp_bench: %s: %s\n", what, d86_last_error());
        exit(1);
    }
}

static void load_file(struct d86_vm *vm, const char *path)
{
    static char image[1 << 20];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t size = fread(image, 1, sizeof(image), f);
    fclose(f);
    check(d86_vm_write(vm, LOAD_ADDRESS, image, size), "loading the guest");
}

static void enter_flat(struct d86_vcpu *vcpu, uint32_t workload, uint32_t size)
{
    struct d86_sregs s;
    d86_vcpu_reset(vcpu);
    d86_vcpu_get_sregs(vcpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct d86_segment){ .limit = 0xffffffffu, .selector = 0x10, .attr = 0xc093 };
    s.seg[D86_CS].attr = 0xc09b;
    s.seg[D86_CS].selector = 8;
    s.cr0 = 0x11;
    check(d86_vcpu_set_sregs(vcpu, &s), "entering protected mode");
    d86_vcpu_set_regs(vcpu,
                      &(struct d86_regs){
                          .eax = workload, .edx = size, .esp = STACK_TOP, .eip = LOAD_ADDRESS, .eflags = 2 });
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct d86_vm *vm;
    struct d86_vcpu *vcpu;
    double total_time = 0, total_insns = 0;
    unsigned long divisor = argc == 3 ? strtoul(argv[2], NULL, 10) : 1;
    if (argc < 2 || argc > 3 || divisor == 0) {
        fprintf(stderr, "usage: interp_bench GUEST.bin [DIVISOR]\n");
        return 1;
    }
    check(d86_vm_create(&vm), "creating a VM");
    check(d86_vm_add_ram(vm, 0, RAM_SIZE), "adding memory");
    check(d86_vcpu_create(vm, &(struct d86_vcpu_config){ .engine = D86_ENGINE_INTERP }, &vcpu),
          "adding a processor");
    load_file(vm, argv[1]);
    for (unsigned i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        struct d86_stats before, after;
        struct d86_regs regs;
        uint32_t size = workloads[i].size / (uint32_t)divisor;
        enter_flat(vcpu, i, size ? size : 1);
        d86_vcpu_stats(vcpu, &before);
        double start = now();
        do
            check(d86_vcpu_run(vcpu), "running");
        while (d86_vcpu_exit(vcpu)->reason == D86_EXIT_KICKED);
        double time = now() - start;
        d86_vcpu_stats(vcpu, &after);
        d86_vcpu_get_regs(vcpu, &regs);
        if (d86_vcpu_exit(vcpu)->reason != D86_EXIT_HLT) {
            fprintf(stderr, "interp_bench: %s: the guest left with exit %u at %#x\n", workloads[i].name,
                    d86_vcpu_exit(vcpu)->reason, regs.eip);
            return 1;
        }
        double insns = (double)(after.instructions - before.instructions);
        printf("%-32s %12.0f instructions %7.3f s %8.1f M/s   checksum %08x\n", workloads[i].name, insns,
               time, insns / time / 1e6, regs.eax);
        total_time += time;
        total_insns += insns;
    }
    printf("%-32s %12.0f instructions %7.3f s %8.1f M/s\n", "all", total_insns, total_time,
           total_insns / total_time / 1e6);
    d86_vm_destroy(vm);
    return 0;
}
