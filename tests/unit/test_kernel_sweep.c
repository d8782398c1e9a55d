/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts at every boundary: random kernels (kernel_gen.h) are interrupted wherever they can be, between
 * any two instructions and between the iterations of strings. The interpreter is stepped by its caller;
 * translated code is left at each boundary by itself (struct translated, `sweep`). Where interrupts came,
 * with which ESP, EFLAGS and EAX, all faults, and what memory and registers hold in the end must be the same.
 * With wider strides, which begin in the middle of instructions and let several pass, the kernel's own state
 * must be.
 *
 *     test_kernel_sweep [KERNELS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../monitor/library/arena.h" /* for `sweep` */
#include "kernel_gen.h"

enum {
    STOPS_MAX = 400000,
    EXIT_SKIPPED = 77,
    RED_ZONE = 0x1000 /* below the stack: what interrupts pushed */
};

struct machine {
    const char *name;
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    struct d86_exit *exit;
    uint32_t stride; /* host instructions; 0: the interpreter, stepped */
    bool same_stops; /* as the first machine */
    uint8_t memory[KERNEL_RAM];
    struct d86_regs regs;
    const char *end;
    unsigned interrupts;
    /* of the boundary where the last interrupt came: the same is met once more, when it is over */
    bool came_here;
    uint32_t came_at;
};

static struct machine machines[] = {
    { .name = "interp" },
    { .name = "each", .stride = 1, .same_stops = true },
    { .name = "every 7th", .stride = 7 },
    { .name = "every 50th", .stride = 50 },
};

enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, d86_last_error());
    exit(1);
}

static void open_machine(struct machine *m)
{
    const struct d86_vcpu_config config = { .engine = m->stride ? D86_ENGINE_SBE : D86_ENGINE_INTERP,
                                            .eager = true };
    require(d86_vm_create(&m->vm) == 0 && d86_vm_add_ram(m->vm, 0, KERNEL_RAM) == 0, "memory");
    if (d86_vcpu_create(m->vm, &config, &m->cpu)) {
        printf("skipped: %s\n", d86_last_error());
        exit(EXIT_SKIPPED);
    }
    m->exit = d86_vcpu_exit(m->cpu);
}

static void start(struct machine *m, const uint8_t *image)
{
    struct d86_sregs s;
    d86_vcpu_reset(m->cpu);
    require(d86_vm_write(m->vm, 0, image, KERNEL_RAM) == 0, "the image");
    d86_vcpu_get_sregs(m->cpu, &s);
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
    require(d86_vcpu_set_sregs(m->cpu, &s) == 0, "the registers");
    d86_vcpu_set_regs(m->cpu,
                      &(struct d86_regs){ .eip = KERNEL_ENTRY, .esp = KERNEL_STACK, .eflags = 0x202 });
    d86_vcpu_set_debug(m->cpu, m->stride ? 0 : D86_DEBUG_SINGLE_STEP);
    m->vm->arena->vcpu.translated.sweep = m->stride;
    m->came_here = false;
    m->interrupts = 0;
}

/*
 * Behind an STI, or where one might stand. There translated code holds interrupts back for an instruction
 * even if IF was set before (docs/translated-code.md), which is no more than late.
 */
static bool is_behind_sti(const struct machine *m, uint32_t eip)
{
    uint8_t byte;
    return d86_vm_read(m->vm, eip - 1, &byte, 1) == 0 && byte == 0xfb;
}

/* Between two instructions. */
static void at_a_boundary(struct machine *m)
{
    struct d86_regs r;
    if (!m->exit->ready_for_interrupt)
        return;
    d86_vcpu_get_regs(m->cpu, &r);
    if (is_behind_sti(m, r.eip) ||
        r.eip == KERNEL_ENTRY) /* the latter is the kick behind the last kernel's end */
        return;
    if (m->came_here && m->came_at == r.eip) {
        m->came_here = false; /* its handler has just returned: an instruction first */
        return;
    }
    require(d86_vcpu_interrupt(m->cpu, KERNEL_INTERRUPT) == 0, "interrupt");
    m->came_here = true;
    m->came_at = r.eip;
    m->interrupts++;
}

static void answer(struct d86_exit *e)
{
    if (e->reason == D86_EXIT_IO && !e->io.is_out)
        memset(e->io.data, 0x5a, (size_t)e->io.count * e->io.size);
    if (e->reason == D86_EXIT_MMIO && !e->mmio.is_write)
        for (unsigned i = 0; i < e->mmio.size; i++)
            e->mmio.data[i] = (uint8_t)(~(e->mmio.pa + i) * 7);
}

static const char *run(struct machine *m)
{
    for (unsigned stops = 0; stops < STOPS_MAX; stops++) {
        require(d86_vcpu_run(m->cpu) == 0, "run");
        switch (m->exit->reason) {
        case D86_EXIT_IO:
            if (m->exit->io.is_out)
                return "port";
            answer(m->exit);
            break;
        case D86_EXIT_MMIO:
            answer(m->exit);
            break;
        case D86_EXIT_KICKED:
        case D86_EXIT_DEBUG:
            at_a_boundary(m);
            break;
        case D86_EXIT_SHUTDOWN:
            return "shutdown";
        case D86_EXIT_INTERNAL_ERROR:
            return m->exit->error.text;
        default:
            return "another exit";
        }
    }
    return "too many stops";
}

static void run_machine(struct machine *m, const uint8_t *image)
{
    start(m, image);
    m->end = run(m);
    d86_vcpu_get_regs(m->cpu, &m->regs);
    require(d86_vm_read(m->vm, 0, m->memory, KERNEL_RAM) == 0, "the memory");
}

/* ---- Comparing ------------------------------------------------------------------------------------------
 */

static void show(const struct machine *m)
{
    const struct d86_regs *r = &m->regs;
    printf(
        "  %-10s %s, %u interrupts: eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x "
        "eip %08x eflags %08x\n",
        m->name, m->end, m->interrupts, r->eax, r->ecx, r->edx, r->ebx, r->esp, r->ebp, r->esi, r->edi,
        r->eip, r->eflags);
}

static void show_memory(const struct machine *a, const struct machine *b)
{
    unsigned shown = 0;
    for (uint32_t i = 0; i < KERNEL_RAM && shown < 12; i += 4) {
        uint32_t x, y;
        memcpy(&x, a->memory + i, 4);
        memcpy(&y, b->memory + i, 4);
        if (x == y)
            continue;
        printf("  at %08x: %s %08x, %s %08x\n", i, a->name, x, b->name, y);
        shown++;
    }
}

static bool same(const struct machine *a, const struct machine *b)
{
    return !strcmp(a->end, b->end) && !memcmp(&a->regs, &b->regs, sizeof(a->regs)) &&
           a->interrupts == b->interrupts && !memcmp(a->memory, b->memory, KERNEL_RAM);
}

static unsigned long interrupts;

static bool run_kernel(uint64_t seed)
{
    static uint8_t image[KERNEL_RAM];
    bool good = true;
    kernel_make(image, seed);
    for (unsigned i = 0; i < MACHINES; i++) {
        struct machine *m = &machines[i];
        run_machine(m, image);
        if (!strcmp(machines[0].end, "too many stops"))
            return true; /* it goes round in circles */
        interrupts += m->interrupts;
        if (i == 0 || (m->same_stops ? same(&machines[0], m) : !strcmp(machines[0].end, m->end)))
            continue;
        good = false;
        printf("seed %llu:\n", (unsigned long long)seed);
        show(&machines[0]);
        show(m);
        show_memory(&machines[0], m);
    }
    return good;
}

int main(int argc, char **argv)
{
    unsigned long kernels = argc > 1 ? strtoul(argv[1], NULL, 0) : 6;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned bad = 0;
    for (unsigned i = 0; i < MACHINES; i++)
        open_machine(&machines[i]);
    for (unsigned long i = 0; i < kernels && bad < 3; i++)
        bad += !run_kernel(seed + i);
    printf("%lu kernels, %lu interrupts; %u differ\n", kernels, interrupts, bad);
    for (unsigned i = 0; i < MACHINES; i++)
        d86_vm_destroy(machines[i].vm);
    return bad || !interrupts ? 1 : 0;
}
