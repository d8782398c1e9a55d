/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random kernels (kernel_gen.h), compared as random_machines.h says.
 *
 *     test_kernel_random [KERNELS [SEED [AUDIT [EACH]]]]
 */
#include "kernel_gen.h"
#include "random_machines.h"

_Static_assert((int)KERNEL_RAM == (int)RANDOM_RAM, "the memory there is");

static int start(struct d86_vcpu *cpu)
{
    struct d86_sregs s;
    d86_vcpu_get_sregs(cpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct d86_segment){ .limit = UINT32_MAX, .selector = KERNEL_DATA, .attr = 0xc093 };
    s.seg[D86_CS].selector = KERNEL_CODE;
    s.seg[D86_CS].attr = 0xc09b;
    s.gdt.base = KERNEL_SAFE + KERNEL_GDT;
    s.gdt.limit = KERNEL_GDT_SIZE - 1;
    s.idt.base = KERNEL_SAFE + KERNEL_IDT;
    s.idt.limit = 64 * 8 - 1;
    s.cr0 = 0x80010031; /* PG, WP, NE, ET, PE */
    s.cr3 = KERNEL_DIRECTORY;
    s.cr4 = 0x80; /* PGE */
    int result = d86_vcpu_set_sregs(cpu, &s);
    d86_vcpu_set_regs(cpu, &(struct d86_regs){ .eip = KERNEL_ENTRY, .esp = KERNEL_STACK, .eflags = 2 });
    return result;
}

int main(int argc, char **argv)
{
    const struct random_guest guest = { "kernels", 1500, kernel_make, start };
    return random_machines(&guest, argc, argv);
}
