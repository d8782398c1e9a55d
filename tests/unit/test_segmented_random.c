/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random programs for segments (segmented_gen.h), compared as random_machines.h says.
 *
 *     test_segmented_random [PROGRAMS [SEED [AUDIT [EACH]]]]
 */
#include "random_machines.h"
#include "segmented_gen.h"

_Static_assert((int)SEGMENTED_RAM == (int)RANDOM_RAM, "the memory there is");

static struct segmented_program program;

static void make(uint8_t image[RANDOM_RAM], uint64_t seed)
{
    program = segmented_make(image, seed);
}

static struct d86_segment segment(const struct segmented_segment *s)
{
    return (
        struct d86_segment){ .base = s->base, .limit = s->limit, .selector = s->selector, .attr = s->attr };
}

static int start(struct d86_vcpu *cpu)
{
    struct d86_sregs s;
    d86_vcpu_get_sregs(cpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = segment(&program.data);
    s.seg[D86_CS] = segment(&program.cs);
    s.seg[D86_SS] = segment(&program.ss);
    s.gdt.base = SEGMENTED_GDT;
    s.gdt.limit = (uint16_t)(program.gdt_size - 1);
    s.idt.base = program.mode == SEGMENTED_REAL ? 0 : SEGMENTED_IDT;
    s.idt.limit = program.mode == SEGMENTED_REAL ? 0x3ff : 64 * 8 - 1;
    s.cr0 = program.mode == SEGMENTED_REAL ? 0x30 : program.paging ? 0x80010031 : 0x31;
    s.cr3 = SEGMENTED_DIRECTORY;
    int result = d86_vcpu_set_sregs(cpu, &s);
    d86_vcpu_set_regs(cpu, &(struct d86_regs){ .eip = program.eip, .esp = program.esp, .eflags = 2 });
    return result;
}

int main(int argc, char **argv)
{
    const struct random_guest guest = { "programs", 1500, make, start };
    return random_machines(&guest, argc, argv);
}
