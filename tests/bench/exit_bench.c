/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an exit costs: a guest loop of OUT 80h, answered at once; with the executor in a process of its own
 * and in the caller. Usage: exit_bench [COUNT]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "duplex86/duplex86.h"

static void check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "exit_bench: %s: %s\n", what, d86_last_error());
        exit(1);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Real mode at 0000:1000: L: OUT 80h, AL; JMP L */
static const uint8_t guest[] = { 0xe6, 0x80, 0xeb, 0xfc };

static void measure(bool in_caller, unsigned long count)
{
    struct d86_vm *vm;
    struct d86_vcpu *vcpu;
    struct d86_sregs s;
    check(d86_vm_create(&vm), "creating a VM");
    check(d86_vm_add_ram(vm, 0, 1 << 20), "adding memory");
    check(d86_vcpu_create(vm, &(struct d86_vcpu_config){ .in_caller = in_caller }, &vcpu),
          "adding a processor");
    check(d86_vm_write(vm, 0x1000, guest, sizeof(guest)), "loading the guest");
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS].base = 0;
    s.seg[D86_CS].selector = 0;
    check(d86_vcpu_set_sregs(vcpu, &s), "setting CS");
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = 0x1000, .eflags = 2 });
    double start = now();
    for (unsigned long i = 0; i < count; i++) {
        check(d86_vcpu_run(vcpu), "running");
        if (d86_vcpu_exit(vcpu)->reason != D86_EXIT_IO) {
            fprintf(stderr, "exit_bench: exit %u instead of a port access\n", d86_vcpu_exit(vcpu)->reason);
            exit(1);
        }
    }
    printf("%-22s %8.0f ns an exit\n", in_caller ? "in the caller" : "executor process",
           (now() - start) / (double)count * 1e9);
    d86_vm_destroy(vm);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000;
    measure(true, count);
    measure(false, count);
    return 0;
}
