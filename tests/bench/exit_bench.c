/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an exit costs: a guest loop of OUT 80h, answered at once; with the executor in a process of its own
 * and in the caller. And what a read costs that needs none: of a port nobody answers, and of one the caller
 * has answered beforehand. Usage: exit_bench [COUNT]
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

/* Real mode at 0000:1000. L: OUT 80h, AL; JMP L */
static const uint8_t writes[] = { 0xe6, 0x80, 0xeb, 0xfc };
/* L: IN AL, 64h; JMP L */
static const uint8_t reads[] = { 0xe4, 0x64, 0xeb, 0xfc };
/* MOV CX, 0; L: IN AL, port; LOOP L; OUT 80h, AL; JMP */
enum { POLLS = 65536 };
static const uint8_t polls_known[] = { 0xb9, 0, 0, 0xe4, 0x64, 0xe2, 0xfc, 0xe6, 0x80, 0xeb, 0xf5 };
static const uint8_t polls_open[] = { 0xb9, 0, 0, 0xe4, 0xed, 0xe2, 0xfc, 0xe6, 0x80, 0xeb, 0xf5 };

static void measure(const char *name, const uint8_t *guest, size_t size, unsigned accesses, bool in_caller,
                    unsigned long count)
{
    static const struct d86_ports claimed[] = { { 0x64, 0x64 }, { 0x80, 0x80 } };
    struct d86_vm *vm;
    struct d86_vcpu *vcpu;
    struct d86_sregs s;
    check(d86_vm_create(&vm), "creating a VM");
    check(d86_vm_add_ram(vm, 0, 1 << 20), "adding memory");
    check(d86_vcpu_create(vm, &(struct d86_vcpu_config){ .in_caller = in_caller }, &vcpu),
          "adding a processor");
    check(d86_vm_write(vm, 0x1000, guest, size), "loading the guest");
    check(d86_vcpu_set_ports(vcpu, claimed, 2), "claiming ports");
    d86_vcpu_exit(vcpu)->known_count = accesses > 1;
    d86_vcpu_exit(vcpu)->known[0].port = 0x64;
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
    printf("%-17s %-14s %8.1f ns an access\n", in_caller ? "in the caller" : "executor process", name,
           (now() - start) / (double)count / accesses * 1e9);
    d86_vm_destroy(vm);
}

#define MEASURE(name, guest, accesses, in_caller, count)                                                     \
    measure(name, guest, sizeof(guest), accesses, in_caller, count)

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000;
    for (unsigned in_caller = 2; in_caller-- > 0;) {
        MEASURE("write, an exit", writes, 1, in_caller, count);
        MEASURE("read, an exit", reads, 1, in_caller, count);
        MEASURE("read, known", polls_known, POLLS, in_caller, count / 1000 + 1);
        MEASURE("read, nobody's", polls_open, POLLS, in_caller, count / 1000 + 1);
    }
    return 0;
}
