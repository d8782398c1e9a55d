/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest side. Its kernel is two instructions for each vector: HLT, which brings the caller back with
 * the exception's frame on the ring-0 stack, and IRET, which starts a case or goes on after a single step.
 * So what is compared went through exception delivery and return, as on the host.
 * Descriptor and page-table formats: SDM 3A, "Segment Descriptors", "Paging".
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "image.h"
#include "segments.h"

/* Guest-physical memory. */
enum {
    SYSTEM_PAGES = 5,
    PA_GDT = 0x1000,
    PA_LDT = PA_GDT + 0x800,
    PA_IDT = 0x2000,
    PA_TSS = 0x3000,
    PA_STUBS = 0x4000,
    PA_STACK = 0x5000,
    PA_DIRECTORY = 0x6000, /* 32-bit paging: one directory, then a table for each of five regions */
    PA_TABLES = 0x7000,
    PA_POINTERS = 0xc000, /* PAE: page-directory pointers, one directory, tables */
    PA_PAE_DIRECTORY = 0xd000,
    PA_PAE_TABLES = 0xe000,
    PA_CODE = 0x13000,
    PA_MEM = PA_CODE + CODE_PAGES * PAGE, /* in the order of mem_page_la() */
    RAM_SIZE = 0x20000,
};

/* The guest kernel's pages are mapped for the supervisor, where no case looks. */
#define SYSTEM_LA 0x3b5d1000u
#define STUBS_LA  (SYSTEM_LA + PA_STUBS - PA_GDT)
#define STACK_TOP (SYSTEM_LA + PA_STACK - PA_GDT + PAGE)

enum {
    SEL_KERNEL_CODE = 0x08,
    SEL_KERNEL_DATA = 0x10,
    SEL_TSS = 0x40,
    DATA_ATTR = 0xc0f3, /* of the case's flat data segment */
    GDT_LIMIT = 0x7f,   /* as Linux has it, so that the same selectors lie beyond */
    TSS_LIMIT = 0x67,   /* no I/O permission bitmap: every port is #GP */
    STUB_SIZE = 8,
    STUB_IRET = 4, /* offset of the IRET in each stub */
};

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
#define PTE_NX (1ull << 63)

#define CR0_VALUE 0x80050033u /* PG AM WP NE ET MP PE, as Linux sets them */
#define CR4_VALUE 0x600u      /* OSFXSR OSXMMEXCPT */
#define CR4_PAE   0x20u
#define EFER_NXE  0x800u

struct machine {
    struct d86_vm *vm;
    struct d86_vcpu *vcpu;
    struct d86_sregs sregs; /* as every case finds them */
    int image;
};

struct guest {
    struct machine machine[2]; /* [1]: PAE */
};

/*
 * The watchdog: so many ticks, of a second each, that find the same case kick the processor. A case takes
 * microseconds, a stepped one with a long REP a tenth of a second; the rest is for the scheduler.
 */
enum { HANG_TICKS = 30 };

static struct d86_vcpu *volatile running;
static volatile uint32_t serial;

static void tick(int sig)
{
    static uint32_t seen, ticks;

    (void)sig;
    ticks = running && seen == serial ? ticks + 1 : 0;
    if (ticks >= HANG_TICKS)
        d86_vcpu_kick(running);
    seen = serial;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "oracle: %s: %s\n", what, d86_last_error());
    exit(1);
}

/* ---- Making a machine ---------------------------------------------------------------------------- */

static void put(struct machine *m, uint64_t pa, const void *data, size_t size)
{
    if (d86_vm_write(m->vm, pa, data, size))
        fail("cannot write guest memory");
}

static void put_u64(struct machine *m, uint64_t pa, uint64_t value)
{
    put(m, pa, &value, sizeof value);
}

static void put_u32(struct machine *m, uint64_t pa, uint32_t value)
{
    put(m, pa, &value, sizeof value);
}

/* Map one page in both paging structures; region: which of the tables. */
static void map(struct machine *m, unsigned region, uint32_t la, uint32_t pa, unsigned rights, bool execute)
{
    uint32_t table = PA_TABLES + region * PAGE, pae_table = PA_PAE_TABLES + region * PAGE;

    put_u32(m, PA_DIRECTORY + (la >> 22) * 4, table | PTE_P | PTE_W | PTE_U);
    put_u32(m, table + (la >> 12 & 1023) * 4, pa | rights);
    put_u64(m, PA_PAE_DIRECTORY + (uint64_t)(la >> 21) * 8, pae_table | PTE_P | PTE_W | PTE_U);
    put_u64(m, pae_table + (la >> 12 & 511) * 8, pa | rights | (execute ? 0 : PTE_NX));
}

static void map_all(struct machine *m)
{
    enum { CODE, DATA, STACK, SYSTEM, WRAP };

    /* All regions lie in the first GiB, so one PAE directory will do. */
    _Static_assert(STACK_END <= 0x40000000 && SYSTEM_LA < 0x40000000, "one PAE directory");
    put_u64(m, PA_POINTERS, PA_PAE_DIRECTORY | PTE_P);
    for (unsigned n = 0; n < CODE_PAGES; n++)
        map(m, CODE, CODE_LA + n * PAGE, PA_CODE + n * PAGE, PTE_P | PTE_U, true);
    for (unsigned n = 0; n < MEM_PAGES; n++)
        map(m, n < DATA_PAGES ? DATA : STACK, mem_page_la(n), PA_MEM + n * PAGE,
            PTE_P | PTE_U | (n == READ_ONLY_PAGE ? 0 : PTE_W), false);
    for (unsigned n = 0; n < STACK_PAGES; n++)
        map(m, WRAP, n ? WRAP_HIGH : WRAP_LA, PA_MEM + (DATA_PAGES + n) * PAGE, PTE_P | PTE_U | PTE_W, false);
    for (unsigned n = 0; n < SYSTEM_PAGES; n++)
        map(m, SYSTEM, SYSTEM_LA + n * PAGE, PA_GDT + n * PAGE, PTE_P | PTE_W, PA_GDT + n * PAGE == PA_STUBS);
}

/* Does the processor push an error code? SDM 3A, "Exceptions and Interrupts", table of vectors. */
static bool has_error_code(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void fill_gate(struct machine *m, unsigned vector)
{
    /* hlt; add esp, 4 (drop the error code) or nothing; iret */
    static const uint8_t plain[STUB_SIZE] = { 0xf4, 0x90, 0x90, 0x90, 0xcf };
    static const uint8_t error[STUB_SIZE] = { 0xf4, 0x83, 0xc4, 0x04, 0xcf };
    uint64_t dpl = vector == 3 || vector == 4 ? 3 : 0; /* #BP and #OF are open to ring 3 */
    uint64_t offset = STUBS_LA + vector * STUB_SIZE;

    put(m, PA_STUBS + vector * STUB_SIZE, has_error_code(vector) ? error : plain, STUB_SIZE);
    put_u64(m, PA_IDT + vector * 8, /* present 32-bit interrupt gate */
            (offset >> 16) << 48 | dpl << 45 | 0x8e0000000000 | SEL_KERNEL_CODE << 16 | (offset & 0xffff));
}

static void fill_tables(struct machine *m)
{
    put_u64(m, PA_GDT + SEL_KERNEL_CODE, 0x00cf9b000000ffff);
    put_u64(m, PA_GDT + SEL_KERNEL_DATA, 0x00cf93000000ffff);
    put_u64(m, PA_GDT + (SEL_CODE & ~7u), 0x00cffb000000ffff); /* 32-bit code, DPL 3 */
    put_u64(m, PA_GDT + (SEL_DATA & ~7u), 0x00cff3000000ffff); /* data, DPL 3 */
    for (unsigned n = 0; n < LDT_COUNT; n++)
        put_u64(m, PA_LDT + n * 8, ldt_descriptor(n));
    for (unsigned vector = 0; vector < 256; vector++)
        fill_gate(m, vector);
    put_u32(m, PA_TSS + 4, STACK_TOP);
    put_u32(m, PA_TSS + 8, SEL_KERNEL_DATA);
    put_u32(m, PA_TSS + 0x64, (TSS_LIMIT + 1) << 16); /* I/O map base */
}

static struct d86_segment flat(uint16_t selector, uint16_t attr, uint32_t base)
{
    return (struct d86_segment){ .selector = selector, .attr = attr, .base = base, .limit = 0xffffffff };
}

static void set_system_registers(struct machine *m, bool pae)
{
    enum { CODE0_ATTR = 0xc09b, DATA0_ATTR = 0xc093, TSS_ATTR = 0x8b, LDT_ATTR = 0x82 };
    struct d86_sregs *s = &m->sregs;

    d86_vcpu_get_sregs(m->vcpu, s);
    s->seg[D86_CS] = flat(SEL_KERNEL_CODE, CODE0_ATTR, 0);
    s->seg[D86_SS] = flat(SEL_KERNEL_DATA, DATA0_ATTR, 0);
    s->seg[D86_DS] = s->seg[D86_ES] = flat(SEL_DATA, DATA_ATTR, 0);
    s->seg[D86_FS] = flat(SEL_DATA, DATA_ATTR, FS_BASE);
    s->seg[D86_GS] = flat(SEL_DATA, DATA_ATTR, GS_BASE);
    s->ldt = (struct d86_segment){ .selector = SEL_TSS + 8,
                                   .attr = LDT_ATTR,
                                   .base = SYSTEM_LA + PA_LDT - PA_GDT,
                                   .limit = LDT_COUNT * 8 - 1 };
    s->tr = (struct d86_segment){
        .selector = SEL_TSS, .attr = TSS_ATTR, .base = SYSTEM_LA + PA_TSS - PA_GDT, .limit = TSS_LIMIT
    };
    s->gdt = (struct d86_table){ .base = SYSTEM_LA, .limit = GDT_LIMIT };
    s->idt = (struct d86_table){ .base = SYSTEM_LA + PA_IDT - PA_GDT, .limit = 256 * 8 - 1 };
    s->cr0 = CR0_VALUE;
    s->cr3 = pae ? PA_POINTERS : PA_DIRECTORY;
    s->cr4 = CR4_VALUE | (pae ? CR4_PAE : 0);
    s->efer = pae ? EFER_NXE : 0;
    if (d86_vcpu_set_sregs(m->vcpu, s))
        fail("cannot set the system registers");
    d86_vcpu_get_sregs(m->vcpu, s); /* as the library shows them: for the comparison after a case */
}

/* The reason, if the host cannot have such a processor. */
static const char *machine_create(struct machine *m, bool pae, const struct d86_vcpu_config *config)
{
    static uint8_t filler[CODE_PAGES * PAGE];

    if (d86_vm_create(&m->vm) || d86_vm_add_ram(m->vm, 0, RAM_SIZE))
        fail("cannot create the virtual machine");
    int result = d86_vcpu_create(m->vm, config, &m->vcpu);
    if (config->engine != D86_ENGINE_INTERP && (result == -EINVAL || result == -ENOTSUP))
        return d86_last_error();
    if (result)
        fail("cannot create the processor");
    map_all(m);
    fill_tables(m);
    memset(filler, 0xcc, sizeof filler);
    put(m, PA_CODE, filler, sizeof filler);
    put(m, PA_MEM, image(0), MEM_SIZE);
    m->image = 0;
    set_system_registers(m, pae);
    return NULL;
}

static void start_watchdog(void)
{
    const struct itimerval second = { { 1, 0 }, { 1, 0 } };
    struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &second, NULL);
}

struct guest *guest_create(const struct d86_vcpu_config *config, const char **missing)
{
    struct guest *g = calloc(1, sizeof *g);

    if (!g) {
        perror("oracle");
        exit(1);
    }
    *missing = machine_create(&g->machine[0], false, config);
    if (!*missing)
        *missing = machine_create(&g->machine[1], true, config);
    if (*missing) {
        free(g);
        return NULL;
    }
    start_watchdog();
    return g;
}

void guest_destroy(struct guest *g)
{
    d86_vm_destroy(g->machine[0].vm);
    d86_vm_destroy(g->machine[1].vm);
    free(g);
}

/* ---- One case ------------------------------------------------------------------------------------ */

/* What the processor pushes on the way from ring 3, after the error code; what IRET takes back. */
struct frame {
    uint32_t eip, cs, eflags, esp, ss;
};

static const struct d86_events no_events = { .interrupt = -1 };

/* A data segment register as loading `selector` would leave it. */
static struct d86_segment loaded(uint16_t selector, uint32_t flat_base)
{
    const struct ldt_entry *e = ldt_by_selector(selector);

    if (!e && selector > 3)
        return flat(selector, DATA_ATTR, flat_base);
    if (!e)
        return (struct d86_segment){ .selector = selector, .unusable = true };
    return (struct d86_segment){
        .selector = selector,
        .attr = ldt_descriptor((unsigned)(e - ldt)) >> 40 & 0xf0ff,
        .base = e->base,
        .limit = e->pages ? e->limit << 12 | 0xfff : e->limit,
    };
}

/* Segment registers of a case that is not a flat one; save_sregs() sets them back. */
static void load_segments(struct machine *m, const uint16_t *sreg)
{
    struct d86_sregs s = m->sregs;

    if (!memcmp(sreg, flat_sregs, sizeof flat_sregs))
        return;
    s.seg[D86_ES] = loaded(sreg[0], 0);
    s.seg[D86_DS] = loaded(sreg[3], 0);
    s.seg[D86_FS] = loaded(sreg[4], FS_BASE);
    s.seg[D86_GS] = loaded(sreg[5], GS_BASE);
    if (d86_vcpu_set_sregs(m->vcpu, &s))
        fail("cannot set the segment registers");
}

/*
 * An IRET to a 16-bit stack loads SP and leaves the upper half of ESP as the kernel had it: all processors
 * do, though SDM 2A, "IRET", has it load ESP. Linux hides that from its programs by returning from a stack
 * whose pointer has the program's upper half. So does this guest's kernel, by the base of SS.
 */
static void set_upper_esp(struct machine *m, uint16_t ss, uint32_t esp)
{
    struct d86_sregs s;
    struct d86_regs r;

    if (selector_big(ss))
        return;
    d86_vcpu_get_sregs(m->vcpu, &s);
    d86_vcpu_get_regs(m->vcpu, &r);
    uint32_t linear = s.seg[D86_SS].base + r.esp;
    r.esp = (esp & 0xffff0000) | (linear & 0xffff);
    s.seg[D86_SS].base = linear - r.esp;
    if (d86_vcpu_set_sregs(m->vcpu, &s))
        fail("cannot set the stack segment");
    d86_vcpu_set_regs(m->vcpu, &r);
}

/* In ring 0, about to execute an IRET into the case. */
static void load_case(struct machine *m, const struct test_case *c)
{
    const uint32_t *gpr = c->regs.gpr;
    const struct frame frame = { c->regs.eip, c->regs.cs, c->regs.eflags, gpr[ESP], c->sreg[2] };
    const struct d86_regs regs = {
        .eax = gpr[EAX],
        .ecx = gpr[ECX],
        .edx = gpr[EDX],
        .ebx = gpr[EBX],
        .ebp = gpr[EBP],
        .esi = gpr[ESI],
        .edi = gpr[EDI],
        .esp = STACK_TOP - sizeof frame,
        .eip = STUBS_LA + STUB_IRET,
        .eflags = FL_FIXED,
    };
    struct d86_fpu fpu;

    if (m->image != c->image) {
        put(m, PA_MEM, image(c->image), MEM_SIZE);
        m->image = c->image;
    }
    put(m, PA_CODE + c->code_la - CODE_LA, c->code, c->code_len);
    put(m, PA_STACK + PAGE - sizeof frame, &frame, sizeof frame);
    load_segments(m, c->sreg);
    d86_vcpu_set_regs(m->vcpu, &regs);
    set_upper_esp(m, c->sreg[2], gpr[ESP]);
    memcpy(fpu.fxsave, c->fxsave, FX_SIZE);
    if (d86_vcpu_set_fpu(m->vcpu, &fpu))
        fail("cannot set the FPU state");
}

/*
 * The exception under way, from the processor's HLT in its stub and the frame on the stack. If it was the
 * IRET that faulted (back to an EIP beyond the limit, after a single step), the case's frame is untouched
 * above that of the fault, and the fault is shown as the case's: Linux does the same for its programs.
 */
static void save_exception(struct machine *m, struct outcome *o, struct regs *r)
{
    struct d86_regs d;
    struct {
        uint32_t error_code, eip, cs, eflags; /* of the IRET's fault; eflags: error code of the case's own */
        struct frame frame;
    } stack;

    d86_vcpu_get_regs(m->vcpu, &d);
    if (d86_vm_read(m->vm, PA_STACK + PAGE - sizeof stack, &stack, sizeof stack))
        fail("cannot read the ring-0 stack");
    o->vector = (d.eip - STUBS_LA) / STUB_SIZE;
    bool nested = (d.esp & (PAGE - 1)) == PAGE - sizeof stack;
    if (has_error_code(o->vector))
        o->error_code = nested ? stack.error_code : stack.eflags;
    *r = (struct regs){ { d.eax, d.ecx, d.edx, d.ebx, stack.frame.esp, d.ebp, d.esi, d.edi },
                        stack.frame.eip,
                        stack.frame.eflags,
                        stack.frame.cs & 0xffff };
    o->sreg[1] = stack.frame.cs;
    o->sreg[2] = stack.frame.ss;
}

/* EFLAGS of the case that IRET will load; the exception was a #DB, so there is no error code. */
static void patch_flags(struct machine *m, uint32_t eflags)
{
    put_u32(m, PA_STACK + PAGE - sizeof(struct frame) + offsetof(struct frame, eflags), eflags);
}

/* After a single step: undefined flags from the host, TF if it shall stick. */
static void adjust_flags(struct machine *m, const struct test_case *c, struct outcome *o,
                         const struct outcome *host)
{
    unsigned n = o->step_count - 1;
    struct regs *after = &o->step[n];
    uint32_t eflags = after->eflags;

    if (host && n < host->step_count) {
        const struct regs *before = n ? &o->step[n - 1] : &c->regs;
        if (undefined_adopt(c, before, after, &host->step[n]))
            o->adopted++;
    }
    if (c->sticky || after->eflags != eflags)
        patch_flags(m, after->eflags | (c->sticky ? FL_TF : 0));
}

/* Run to the exception that ends the case. */
static void run_case(struct machine *m, const struct test_case *c, struct outcome *o,
                     const struct outcome *host)
{
    const struct d86_exit *e = d86_vcpu_exit(m->vcpu);

    o->step_count = 0;
    o->kind = OUTCOME_EXCEPTION;
    for (;;) {
        d86_vcpu_set_events(m->vcpu, &no_events); /* wakes it from HLT */
        if (d86_vcpu_run(m->vcpu))
            fail("cannot run");
        if (e->reason != D86_EXIT_HLT) {
            o->kind = e->reason == D86_EXIT_KICKED ? OUTCOME_HUNG : OUTCOME_DIED;
            o->detail = e->reason;
            return;
        }
        save_exception(m, o, &o->regs);
        if (!c->stepping || o->vector != 1)
            return;
        *next_step(o->step, &o->step_count, o->regs.eip) = o->regs;
        if (o->step_count == STEPS_MAX) {
            o->kind = OUTCOME_STEPS;
            return;
        }
        adjust_flags(m, c, o, host);
        set_upper_esp(m, o->sreg[2], o->regs.gpr[ESP]);
    }
}

static void save_memory(struct machine *m, const struct test_case *c, struct outcome *o)
{
    static uint8_t after[MEM_SIZE];
    const uint8_t *before = image(c->image);

    if (d86_vm_read(m->vm, PA_MEM, after, MEM_SIZE))
        fail("cannot read guest memory");
    o->dirty = 0;
    for (unsigned n = 0; n < MEM_PAGES; n++) {
        if (!memcmp(after + n * PAGE, before + n * PAGE, PAGE))
            continue;
        o->dirty |= 1u << n;
        memcpy(o->page[n], after + n * PAGE, PAGE);
        put(m, PA_MEM + n * PAGE, before + n * PAGE, PAGE);
    }
}

static bool same_segment(const struct d86_segment *a, const struct d86_segment *b)
{
    return a->selector == b->selector && a->base == b->base && a->limit == b->limit && a->attr == b->attr &&
           a->unusable == b->unusable;
}

/* CR2, and the data segment registers, which go back to what every case expects. */
static void save_sregs(struct machine *m, struct outcome *o)
{
    static const uint8_t data[] = { D86_ES, D86_DS, D86_FS, D86_GS };
    struct d86_sregs s;
    bool changed = o->kind != OUTCOME_EXCEPTION && o->kind != OUTCOME_STEPS;

    d86_vcpu_get_sregs(m->vcpu, &s);
    changed |= !same_segment(&s.seg[D86_SS], &m->sregs.seg[D86_SS]); /* set_upper_esp() */
    o->cr2 = o->kind == OUTCOME_EXCEPTION && o->vector == 14 ? s.cr2 : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        o->sreg[data[i]] = s.seg[data[i]].selector;
        changed |= !same_segment(&s.seg[data[i]], &m->sregs.seg[data[i]]);
    }
    if (changed && d86_vcpu_set_sregs(m->vcpu, &m->sregs))
        fail("cannot set the segment registers");
}

void guest_run(struct guest *g, const struct test_case *c, struct outcome *o, const struct outcome *host)
{
    struct machine *m = &g->machine[c->pae];
    static uint8_t filler[CODE_MAX];
    struct d86_fpu fpu;

    memset(o, 0, offsetof(struct outcome, fxsave));
    load_case(m, c);
    serial++;
    running = m->vcpu;
    run_case(m, c, o, host);
    running = NULL;
    d86_vcpu_get_fpu(m->vcpu, &fpu);
    memcpy(o->fxsave, fpu.fxsave, FX_SIZE);
    save_sregs(m, o);
    save_memory(m, c, o);
    if (filler[0] != 0xcc)
        memset(filler, 0xcc, sizeof filler);
    put(m, PA_CODE + c->code_la - CODE_LA, filler, c->code_len);
}
