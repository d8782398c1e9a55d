/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processor as its caller sees it: reset state, state in and out, interrupts and NMI from outside, kicks,
 * halting and shutting down, A20, debugging exits. SDM 3A, "Processor State After Reset" and "Interrupt and
 * Exception Handling".
 */
#define _GNU_SOURCE
#include "cpu_bench.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static struct bench b;

static void setup(void)
{
    bench_open(&b);
}

static void teardown(void)
{
    bench_close(&b);
}

static struct d86_sregs sregs(void)
{
    struct d86_sregs s;
    memset(&s, 0, sizeof(s)); /* padding too: tests compare bytes */
    d86_vcpu_get_sregs(b.cpu, &s);
    return s;
}

static struct d86_events events(void)
{
    struct d86_events e;
    d86_vcpu_get_events(b.cpu, &e);
    return e;
}

static void set_flags(uint32_t flags)
{
    struct d86_regs r = bench_regs(&b);
    r.eflags = flags | 2;
    d86_vcpu_set_regs(b.cpu, &r);
}

/* ---- Reset -------------------------------------------------------------------------------------------- */

static void check_reset_state(void)
{
    struct d86_regs r = bench_regs(&b);
    struct d86_sregs s = sregs();
    struct d86_events e = events();
    struct d86_fpu fpu;
    uint64_t efer;

    ck_assert_uint_eq(r.eflags, 2);
    ck_assert_uint_eq(r.eip, 0xfff0);
    ck_assert_uint_eq(r.eax | r.ebx | r.ecx | r.esi | r.edi | r.ebp | r.esp, 0);
    ck_assert_uint_eq(r.edx & 0xf00, 0x600); /* family 6 */
    ck_assert_uint_eq(s.cr0, 0x60000010);
    ck_assert_uint_eq(s.cr2 | s.cr3 | s.cr4, 0);
    ck_assert_uint_eq(s.efer, 0);
    ck_assert_uint_eq(s.seg[D86_CS].selector, 0xf000);
    ck_assert_uint_eq(s.seg[D86_CS].base, 0xffff0000u);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_eq(s.seg[i].limit, 0xffff);
        ck_assert_uint_eq(s.seg[i].attr & 0xf0ff, 0x93); /* present, read/write, accessed */
        ck_assert(!s.seg[i].unusable);
        if (i != D86_CS)
            ck_assert_uint_eq(s.seg[i].selector | s.seg[i].base, 0);
    }
    ck_assert_uint_eq(s.gdt.base | s.idt.base | s.ldt.base | s.tr.base, 0);
    ck_assert_uint_eq(s.gdt.limit & s.idt.limit & s.ldt.limit & s.tr.limit, 0xffff);
    ck_assert_uint_eq(s.ldt.attr & 0x9f, 0x82);
    ck_assert_uint_eq(s.tr.attr & 0x9f, 0x8b);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(s.dr[i], 0);
    ck_assert_uint_eq(s.dr[6], 0xffff0ff0u);
    ck_assert_uint_eq(s.dr[7], 0x400);
    ck_assert(!e.halted && !e.shutdown && !e.nmi_pending && !e.nmi_blocked && !e.interrupt_shadow);
    ck_assert_int_eq(e.interrupt, -1);
    /* x87 at power-up: FCW 0040, FSW 0, tags 5555 (every register holds +0.0); MXCSR 1F80 */
    d86_vcpu_get_fpu(b.cpu, &fpu);
    ck_assert_uint_eq(fpu.fxsave[0] | fpu.fxsave[1] << 8, 0x0040);
    ck_assert_uint_eq(fpu.fxsave[2] | fpu.fxsave[3] << 8, 0);
    ck_assert_uint_eq(fpu.fxsave[4], 0xff);
    ck_assert_uint_eq(bench_value(fpu.fxsave + 24, 4), 0x1f80);
    ck_assert_int_eq(d86_vcpu_get_msr(b.cpu, X86_MSR_EFER, &efer), 0);
    ck_assert_uint_eq(efer, 0);
}

START_TEST(created_in_the_reset_state)
{
    check_reset_state();
}
END_TEST

START_TEST(reset_returns_to_it_and_keeps_memory)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xb8, LE32(7), 0xa3, LE32(BENCH_DATA), 0xfb, 0xf4);
    bench_mode(&b, BENCH_FLAT32);
    ck_assert_int_eq(bench_run(&b), BENCH_HLT);
    d86_vcpu_nmi(b.cpu);
    d86_vcpu_reset(b.cpu);
    check_reset_state();
    ck_assert_uint_eq(bench_read32(&b, BENCH_DATA), 7);
}
END_TEST

START_TEST(first_instruction_is_fetched_below_4_gib)
{
    uint8_t rom[0x1000];
    memset(rom, 0xcc, sizeof(rom));
    memcpy(rom + 0xff0, "\xb0\x5a\xcc", 3); /* mov al,5A; int3 */
    ck_assert_int_eq(d86_vm_add_rom(b.vm, 0xfffff000, rom, sizeof(rom)), 0);
    d86_vcpu_reset(b.cpu);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x5a);
    ck_assert_uint_eq(bench_regs(&b).eip, 0xfff2);
    ck_assert_uint_eq(b.exit->debug.linear, 0xfffffff2u);
}
END_TEST

/* ---- State in and out ---------------------------------------------------------------------------------- */

START_TEST(regs_come_back)
{
    struct d86_regs in = { 1, 2, 3, 4, 5, 6, 7, 0x80000008u, 0x12345678, 0 }, out;
    for (unsigned bit = 0; bit < 32; bit++) {
        in.eflags = 1u << bit;
        d86_vcpu_set_regs(b.cpu, &in);
        d86_vcpu_get_regs(b.cpu, &out);
        /* Every defined flag is kept; bit 1 is always set, reserved ones never. */
        ck_assert_uint_eq(out.eflags, (in.eflags & X86_FLAGS_ALL) | 2);
        out.eflags = in.eflags;
        ck_assert_mem_eq(&in, &out, sizeof(in));
    }
    in.eflags = 0xffffffffu;
    d86_vcpu_set_regs(b.cpu, &in);
    ck_assert_uint_eq(bench_regs(&b).eflags, X86_FLAGS_ALL | 2);
}
END_TEST

START_TEST(sregs_come_back)
{
    struct d86_sregs in, out;
    memset(&in, 0, sizeof(in));
    for (unsigned i = 0; i < 6; i++)
        in.seg[i] = (struct d86_segment){ .base = 0x1000 * (i + 1),
                                          .limit = 0xfffff + i,
                                          .selector = (uint16_t)(8 * i + 8),
                                          .attr = i == D86_CS ? 0x409b : 0xd093,
                                          .unusable = i == D86_GS };
    in.ldt = (struct d86_segment){ .base = 0x5000, .limit = 0x7f, .selector = 0x40, .attr = 0x82 };
    in.tr = (struct d86_segment){ .base = 0x6000, .limit = 0x67, .selector = 0x48, .attr = 0x8b };
    in.gdt = (struct d86_table){ 0x7000, 0x4f };
    in.idt = (struct d86_table){ 0x8000, 0x7ff };
    in.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM;
    in.cr2 = 0xdeadbeef;
    in.cr3 = 0x123000;
    in.cr4 = X86_CR4_PSE | X86_CR4_PGE | X86_CR4_OSFXSR;
    in.efer = X86_EFER_NXE;
    for (unsigned i = 0; i < 4; i++)
        in.dr[i] = 0x1111 * (i + 1);
    in.dr[6] = X86_DR6_FIXED | 5;
    in.dr[7] = X86_DR7_FIXED | 0x00dd0302;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &in), 0);
    out = sregs();
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_eq(out.seg[i].base, in.seg[i].base);
        ck_assert_uint_eq(out.seg[i].limit, in.seg[i].limit);
        ck_assert_uint_eq(out.seg[i].selector, in.seg[i].selector);
        ck_assert_uint_eq(out.seg[i].attr, in.seg[i].attr);
        ck_assert(out.seg[i].unusable == in.seg[i].unusable);
    }
    ck_assert_uint_eq(out.ldt.base, 0x5000);
    ck_assert_uint_eq(out.ldt.limit, 0x7f);
    ck_assert_uint_eq(out.tr.selector, 0x48);
    ck_assert_uint_eq(out.tr.attr, 0x8b);
    ck_assert_uint_eq(out.gdt.base, 0x7000);
    ck_assert_uint_eq(out.idt.limit, 0x7ff);
    ck_assert_uint_eq(out.cr0, in.cr0);
    ck_assert_uint_eq(out.cr2, in.cr2);
    ck_assert_uint_eq(out.cr3, in.cr3);
    ck_assert_uint_eq(out.cr4, in.cr4);
    ck_assert_uint_eq(out.efer, in.efer);
    ck_assert_mem_eq(out.dr, in.dr, sizeof(in.dr));
}
END_TEST

/* Settings no processor can be in; nothing may change. */
static const struct {
    const char *name;
    const char *cpu; /* NULL: the default */
    uint32_t cr0, cr4;
    uint64_t efer;
    const char *says;
} refused[] = {
    { "PG without PE", NULL, X86_CR0_PG, 0, 0, "CR0.PG" },
    { "NW without CD", NULL, X86_CR0_PE | X86_CR0_NW, 0, 0, "CR0.NW" },
    { "reserved bit of CR0", NULL, X86_CR0_PE | 1u << 6, 0, 0, "CR0" },
    { "another one", NULL, X86_CR0_PE | 1u << 28, 0, 0, "CR0" },
    { "reserved bit of CR4", NULL, X86_CR0_PE, 1u << 20, 0, "CR4" },
    { "VMXE", NULL, X86_CR0_PE, 1u << 13, 0, "CR4" },
    { "OSXMMEXCPT without SSE", "pentium2", X86_CR0_PE, X86_CR4_OSXMMEXCPT, 0, "CR4" },
    { "LME", NULL, X86_CR0_PE, 0, 1u << 8, "EFER" },
    { "NXE without NX", "pentium3", X86_CR0_PE, 0, X86_EFER_NXE, "EFER" },
    { "PAE with reserved bits in a PDPTE", NULL, X86_CR0_PE | X86_CR0_PG, X86_CR4_PAE, 0, "pointer table" },
};

START_TEST(impossible_sregs_are_refused_and_change_nothing)
{
    struct d86_sregs before, after;
    if (refused[_i].cpu) {
        bench_close(&b);
        bench_open_model(&b, refused[_i].cpu);
    }
    bench_write64(&b, 0x10000, 0x11000 | 1 | 2); /* PDPTE with bit 1 set, for the last row */
    bench_mode(&b, BENCH_FLAT32);
    before = sregs();
    struct d86_sregs s = before;
    s.cr0 = refused[_i].cr0 | X86_CR0_ET;
    s.cr4 = refused[_i].cr4;
    s.efer = refused[_i].efer;
    s.cr3 = 0x10000;
    s.seg[D86_DS].base = 0x1234;
    s.gdt.base = 0x5678;
    ck_assert_msg(d86_vcpu_set_sregs(b.cpu, &s) == -EINVAL, "%s", refused[_i].name);
    ck_assert_msg(strstr(d86_last_error(), refused[_i].says), "%s: '%s'", refused[_i].name, d86_last_error());
    after = sregs();
    ck_assert_uint_eq(after.cr0, before.cr0);
    ck_assert_uint_eq(after.cr3, before.cr3);
    ck_assert_uint_eq(after.cr4, before.cr4);
    ck_assert_uint_eq(after.efer, before.efer);
    ck_assert_uint_eq(after.seg[D86_DS].base, before.seg[D86_DS].base);
    ck_assert_uint_eq(after.gdt.base, before.gdt.base);
}
END_TEST

START_TEST(fpu_state_comes_back)
{
    struct d86_fpu in, out;
    d86_vcpu_get_fpu(b.cpu, &in);
    memcpy(in.fxsave, "\x7f\x03\x00\x38\x81", 5); /* FCW, FSW with TOP 7, two registers in use */
    in.fxsave[6] = 0x23;
    in.fxsave[7] = 0x01; /* FOP 123 */
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 10; j++)
            in.fxsave[32 + 16 * i + j] = (uint8_t)(i * 10 + j + 1);
        for (unsigned j = 0; j < 16; j++)
            in.fxsave[160 + 16 * i + j] = (uint8_t)(i * 16 + j + 100);
    }
    memcpy(in.fxsave + 24, "\xc0\x1f\0\0", 4); /* MXCSR with DAZ */
    ck_assert_int_eq(d86_vcpu_set_fpu(b.cpu, &in), 0);
    d86_vcpu_get_fpu(b.cpu, &out);
    ck_assert_mem_eq(in.fxsave, out.fxsave, 5);
    ck_assert_mem_eq(in.fxsave + 6, out.fxsave + 6, 2);
    ck_assert_mem_eq(in.fxsave + 24, out.fxsave + 24, 4);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_mem_eq(in.fxsave + 32 + 16 * i, out.fxsave + 32 + 16 * i, 10);
    ck_assert_mem_eq(in.fxsave + 160, out.fxsave + 160, 128);

    struct d86_fpu bad = in;
    bad.fxsave[26] = 1; /* MXCSR bit 16 */
    ck_assert_int_eq(d86_vcpu_set_fpu(b.cpu, &bad), -EINVAL);
    ck_assert(strstr(d86_last_error(), "MXCSR"));
    d86_vcpu_get_fpu(b.cpu, &out);
    ck_assert_mem_eq(in.fxsave + 24, out.fxsave + 24, 4);
}
END_TEST

START_TEST(msrs_follow_wrmsr)
{
    static const uint32_t writable[] = { X86_MSR_SYSENTER_CS, X86_MSR_SYSENTER_ESP, X86_MSR_SYSENTER_EIP };
    uint64_t value;
    for (unsigned i = 0; i < ARRAY_SIZE(writable); i++) {
        ck_assert_int_eq(d86_vcpu_set_msr(b.cpu, writable[i], 0x1230 + i), 0);
        ck_assert_int_eq(d86_vcpu_get_msr(b.cpu, writable[i], &value), 0);
        ck_assert_uint_eq(value, 0x1230 + i);
    }
    ck_assert_int_eq(d86_vcpu_get_msr(b.cpu, 0x12345, &value), -EINVAL);
    ck_assert_str_eq(d86_last_error(), "the processor model has no MSR 0x12345");
    ck_assert_int_eq(d86_vcpu_set_msr(b.cpu, X86_MSR_EFER, 1u << 8), -EINVAL);
    ck_assert(strstr(d86_last_error(), "does not take"));
    ck_assert_int_eq(d86_vcpu_set_msr(b.cpu, X86_MSR_PAT, 0x0202020202020202ull),
                     -EINVAL); /* type 2 is reserved */
    ck_assert_int_eq(d86_vcpu_set_msr(b.cpu, X86_MSR_EFER, X86_EFER_NXE), 0);
    ck_assert_uint_eq(sregs().efer, X86_EFER_NXE);
}
END_TEST

START_TEST(events_come_back)
{
    const struct d86_events in = { true, false, true, true, true, 0x33 };
    d86_vcpu_set_events(b.cpu, &in);
    struct d86_events out = events();
    ck_assert(out.halted && !out.shutdown && out.nmi_pending && out.nmi_blocked && out.interrupt_shadow);
    ck_assert_int_eq(out.interrupt, 0x33);
    d86_vcpu_set_events(b.cpu, &(struct d86_events){ .interrupt = 300 });
    ck_assert_int_eq(events().interrupt, -1);
}
END_TEST

/* ---- External interrupts ------------------------------------------------------------------------------- */

/* Real mode with vector v at offset 0x3000 + 16 v, where `inc byte [DATA + v]; iret` waits. */
static void real_mode_handlers(void)
{
    bench_mode(&b, BENCH_REAL);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3);
    for (unsigned vector = 0; vector < 48; vector++) {
        uint16_t handler = (uint16_t)(0x3000 + 16 * vector);
        bench_write32(&b, vector * 4, handler);
        BENCH_BYTES(&b, handler, 0xfe, 0x06, LE16(BENCH_DATA + vector), 0xcf);
        BENCH_BYTES(&b, BENCH_DATA + vector, 0);
    }
}

static unsigned taken(unsigned vector)
{
    uint8_t count;
    ck_assert_int_eq(d86_vm_read(b.vm, BENCH_DATA + vector, &count, 1), 0);
    return count;
}

START_TEST(interrupt_needs_if)
{
    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0xcc);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), -EAGAIN);
    set_flags(X86_IF);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x21), -EAGAIN); /* one at a time */
    ck_assert_int_eq(events().interrupt, 0x20);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(0x20), 1);
    ck_assert_uint_eq(taken(0x21), 0);
    ck_assert_int_eq(events().interrupt, -1);
    ck_assert_uint_eq(bench_regs(&b).eax, 1);
    ck_assert_uint_eq(bench_regs(&b).esp, BENCH_STACK);
}
END_TEST

START_TEST(sti_shadow_lasts_one_instruction)
{
    real_mode_handlers();
    /* sti; inc ax; inc ax; cli; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0x40, 0x40, 0xfa, 0xcc);
    b.exit->request_interrupt_window = 1;
    ck_assert_int_eq(bench_run(&b), BENCH_OTHER);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_INTERRUPT_WINDOW);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 2); /* after the instruction behind STI */
    ck_assert_uint_eq(bench_regs(&b).eax, 1);
    ck_assert(b.exit->ready_for_interrupt);
    ck_assert(b.exit->interrupt_flag);
    b.exit->request_interrupt_window = 0;
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x28), 0);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(0x28), 1);
    ck_assert(!b.exit->interrupt_flag);
    ck_assert(!b.exit->ready_for_interrupt);
}
END_TEST

START_TEST(sti_cli_opens_no_window)
{
    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0xfa, 0x90, 0xcc); /* sti; cli; nop; int3 */
    b.exit->request_interrupt_window = 1;
    BENCH_RUN(&b);
}
END_TEST

START_TEST(second_sti_makes_no_shadow)
{
    real_mode_handlers();
    set_flags(X86_IF);
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0x40, 0xcc); /* IF is set already: an interrupt may come after STI */
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 1);
    ck_assert(!events().interrupt_shadow);
    ck_assert(b.exit->ready_for_interrupt);
}
END_TEST

START_TEST(mov_ss_shadows_interrupt_and_nmi)
{
    real_mode_handlers();
    set_flags(X86_IF);
    /* mov ax,0; mov ss,ax; inc bx; inc bx; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xb8, 0, 0, 0x8e, 0xd0, 0x43, 0x43, 0xcc);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    d86_vcpu_run(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 5);
    ck_assert(events().interrupt_shadow);
    ck_assert(!b.exit->ready_for_interrupt);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), -EAGAIN);
    d86_vcpu_nmi(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 6); /* the INC came first */
    ck_assert(events().nmi_pending);
    ck_assert_uint_eq(taken(X86_NMI), 0);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(X86_NMI), 1);
    ck_assert_uint_eq(bench_regs(&b).ebx, 2);
}
END_TEST

START_TEST(popf_opens_a_window_at_once)
{
    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0x68, LE16(0x202), 0x9d, 0x40, 0xcc); /* push 202; popf; inc ax; int3 */
    b.exit->request_interrupt_window = 1;
    ck_assert_int_eq(bench_run(&b), BENCH_OTHER);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_INTERRUPT_WINDOW);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 4);
}
END_TEST

/* ---- NMI ----------------------------------------------------------------------------------------------- */

START_TEST(nmi_ignores_if_and_blocks_itself_until_iret)
{
    real_mode_handlers();
    /* NMI handler: inc byte [DATA+2]; out 10,al; iret */
    BENCH_BYTES(&b, 0x3020, 0xfe, 0x06, LE16(BENCH_DATA + 2), 0xe6, 0x10, 0xcf);
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0x40, 0xcc);
    d86_vcpu_nmi(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO);
    ck_assert(events().nmi_blocked);
    d86_vcpu_nmi(b.cpu); /* kept, and only once */
    d86_vcpu_nmi(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO); /* the second one, after IRET */
    ck_assert_uint_eq(taken(X86_NMI), 2);
    ck_assert_uint_eq(bench_regs(&b).esp, BENCH_STACK - 6); /* not nested */
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(X86_NMI), 2);
    ck_assert(!events().nmi_blocked);
    ck_assert_uint_eq(bench_regs(&b).eax, 2);
}
END_TEST

START_TEST(nmi_comes_before_an_interrupt)
{
    real_mode_handlers();
    /* Each handler pushes nothing; the order shows in the stack of return addresses: NMI handler runs first.
     */
    BENCH_BYTES(&b, 0x3020, 0x88, 0x1e, LE16(BENCH_DATA + 2), 0x43, 0xcf); /* mov [DATA+2],bl; inc bx; iret */
    BENCH_BYTES(&b, 0x3200, 0x88, 0x1e, LE16(BENCH_DATA + 0x20), 0x43, 0xcf);
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0xcc);
    struct d86_regs r = bench_regs(&b);
    r.ebx = 1;
    r.eflags |= X86_IF;
    d86_vcpu_set_regs(b.cpu, &r);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    d86_vcpu_nmi(b.cpu);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(X86_NMI), 1);
    ck_assert_uint_eq(taken(0x20), 2);
}
END_TEST

/* ---- HLT ----------------------------------------------------------------------------------------------- */

START_TEST(hlt_waits_until_woken)
{
    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0xf4, 0x40, 0xf4, 0x40, 0xcc); /* sti; hlt; inc ax; hlt; inc ax; int3 */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(bench_run(&b), BENCH_HLT);
        ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 2);
        ck_assert(events().halted);
        ck_assert(b.exit->ready_for_interrupt);
    }
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    ck_assert_int_eq(bench_run(&b), BENCH_HLT); /* the second HLT */
    ck_assert_uint_eq(taken(0x20), 1);
    ck_assert_uint_eq(bench_regs(&b).eax, 1);
    d86_vcpu_nmi(b.cpu);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(X86_NMI), 1);
    ck_assert(!events().halted);
}
END_TEST

START_TEST(kick_does_not_wake)
{
    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0xf4, 0xcc);
    ck_assert_int_eq(bench_run(&b), BENCH_HLT);
    d86_vcpu_kick(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_KICKED);
    ck_assert_int_eq(bench_run(&b), BENCH_HLT);
}
END_TEST

/* ---- Kicks --------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *kick_later(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    d86_vcpu_kick(b.cpu);
    return NULL;
}

static const struct {
    const char *name;
    uint8_t code[12], size;
    uint32_t ecx;
} endless[] = {
    { "jmp to itself", { 0xeb, 0xfe }, 2, 0 },
    { "jmp to itself, 32-bit displacement", { 0xe9, 0xfb, 0xff, 0xff, 0xff }, 5, 0 },
    { "a loop of two blocks", { 0x75, 0, 0xeb, 0xfc }, 4, 0 },
    { "jmp by register", { 0xff, 0xe0 }, 2, 0 },
    { "call that never returns", { 0xe8, 0, 0, 0, 0, 0x83, 0xc4, 4, 0xeb, 0xf6 }, 10, 0 },
    { "loop", { 0x41, 0xe2, 0xfd }, 3, 5 },
    { "rep movsb that goes on and on", { 0xf3, 0xa4, 0xeb, 0xfc }, 4, 0xffffffffu },
    { "rep stosd", { 0xf3, 0xab, 0xeb, 0xfc }, 4, 0xffffffffu },
    { "rep lodsb", { 0xf3, 0xac, 0xeb, 0xfc }, 4, 0xffffffffu },
    { "repe cmpsb", { 0xf3, 0xa6, 0xeb, 0xfc }, 4, 0xffffffffu },
    { "a loop that rewrites itself", { 0xc6, 0x05, LE32(BENCH_CODE + 7), 0xeb, 0xeb, 0xf7 }, 9, 0 },
};

START_TEST(kick_ends_any_run)
{
    pthread_t thread;
    bench_write(&b, BENCH_CODE, endless[_i].code, endless[_i].size);
    bench_mode(&b, BENCH_USER32);
    struct d86_regs r = bench_regs(&b);
    r.eax = BENCH_CODE;
    r.ecx = endless[_i].ecx;
    r.esi = r.edi = BENCH_HIGH;
    d86_vcpu_set_regs(b.cpu, &r);
    /* Strings walk through all 4 GiB; where there is no memory the device answers. */
    double start = now();
    ck_assert_int_eq(pthread_create(&thread, NULL, kick_later, NULL), 0);
    do {
        d86_vcpu_run(b.cpu);
        if (b.exit->reason == D86_EXIT_MMIO)
            memset(b.exit->mmio.data, 0, sizeof(b.exit->mmio.data));
    } while (b.exit->reason == D86_EXIT_MMIO && now() - start < 10);
    double took = now() - start;
    pthread_join(thread, NULL);
    ck_assert_msg(b.exit->reason == D86_EXIT_KICKED, "%s: exit %u", endless[_i].name, b.exit->reason);
    ck_assert_msg(took >= 0.019 && took < 5, "%s: took %f s", endless[_i].name, took);
    /* Once is once. */
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_ne(b.exit->reason, D86_EXIT_KICKED);
}
END_TEST

START_TEST(kick_before_run_is_kept)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xeb, 0xfe);
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_kick(b.cpu);
    d86_vcpu_kick(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_KICKED);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0xcc);
    BENCH_RUN(&b); /* two kicks are one */
}
END_TEST

static void on_alarm(int signal)
{
    (void)signal;
    d86_vcpu_kick(b.cpu);
}

START_TEST(kick_from_a_signal_handler)
{
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec when = { .it_value.tv_nsec = 20000000 };
    signal(SIGUSR1, on_alarm);
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0x0f, 0x58, 0xc1, 0xeb, 0xfa); /* inc eax; addps xmm0,xmm1; jmp */
    bench_mode(&b, BENCH_FLAT32);
    struct d86_sregs s = sregs();
    s.cr4 = X86_CR4_OSFXSR;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &when, NULL), 0);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_KICKED);
    ck_assert_uint_gt(bench_regs(&b).eax, 1000);
    timer_delete(timer);
}
END_TEST

/* ---- Shutdown ------------------------------------------------------------------------------------------ */

START_TEST(triple_fault_shuts_down_until_reset)
{
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0x0b); /* ud2 */
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_set_debug(b.cpu, 0);
    struct d86_sregs s = sregs();
    s.idt.limit = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    for (unsigned i = 0; i < 3; i++) {
        d86_vcpu_run(b.cpu);
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_SHUTDOWN);
        ck_assert(events().shutdown);
        ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE);
    }
    set_flags(X86_IF);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), -EAGAIN);
    d86_vcpu_nmi(b.cpu);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_SHUTDOWN);
    d86_vcpu_reset(b.cpu);
    check_reset_state();
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eax, 1);
}
END_TEST

/* ---- A20 ----------------------------------------------------------------------------------------------- */

START_TEST(a20_masks_data_and_code_but_not_the_caller)
{
    static const struct {
        bool enabled;
        uint32_t data, code;
    } turns[] = {
        { true, 0x22222222, 2 }, { false, 0x11111111, 1 }, { false, 0x11111111, 1 }, { true, 0x22222222, 2 }
    };
    bench_write32(&b, 0x4000, 0x11111111);
    bench_write32(&b, 0x104000, 0x22222222);
    /* mov eax,[104000]; int3 -- mov al,n; int3 at 2000 and 102000, which are one with A20 off */
    BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(0x104000), 0xcc);
    BENCH_BYTES(&b, 0x2000, 0xb8, LE32(1), 0xcc);
    BENCH_BYTES(&b, 0x102000, 0xb8, LE32(2), 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    for (unsigned i = 0; i < ARRAY_SIZE(turns); i++) {
        d86_vcpu_set_a20(b.cpu, turns[i].enabled);
        bench_set_eip(&b, BENCH_CODE);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, turns[i].data);
        ck_assert_uint_eq(bench_read32(&b, 0x104000), 0x22222222);
        bench_set_eip(&b, 0x102000);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, turns[i].code);
    }
}
END_TEST

/* ---- Debugging exits ----------------------------------------------------------------------------------- */

START_TEST(single_step_sees_each_instruction)
{
    /* inc eax; jmp +1; (nop); push eax; pop ebx; rep stosb (three times); nop */
    static const uint32_t eips[] = { 1, 4, 5, 6, 6, 6, 8, 9 };
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0xeb, 0x01, 0x90, 0x50, 0x5b, 0xf3, 0xaa, 0x90);
    bench_mode(&b, BENCH_FLAT32);
    struct d86_regs r = bench_regs(&b);
    r.ecx = 3;
    r.edi = BENCH_DATA;
    d86_vcpu_set_regs(b.cpu, &r);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    for (unsigned i = 0; i < ARRAY_SIZE(eips); i++) {
        d86_vcpu_run(b.cpu);
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
        ck_assert_uint_eq(b.exit->debug.cause, D86_DEBUG_SINGLE_STEP);
        ck_assert_msg(bench_regs(&b).eip == BENCH_CODE + eips[i], "step %u: EIP %#x", i, bench_regs(&b).eip);
        ck_assert_uint_eq(b.exit->debug.linear, BENCH_CODE + eips[i]);
    }
    ck_assert_uint_eq(bench_regs(&b).ebx, 1);
    ck_assert_uint_eq(sregs().dr[6], X86_DR6_FIXED); /* the guest's own debug state is not used */
}
END_TEST

START_TEST(single_step_over_a_device_access)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(BENCH_DEVICE), 0x90, 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_MMIO);
    bench_answer(&b);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 5);
    ck_assert_uint_eq(b.logged, 1);
}
END_TEST

START_TEST(int3_goes_to_the_guest_unless_asked_for)
{
    real_mode_handlers();
    bench_write32(&b, X86_BP * 4, 0x3000);
    BENCH_BYTES(&b, 0x3000, 0xfe, 0x06, LE16(BENCH_DATA), 0xf4);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0xcc);
    ck_assert_int_eq(bench_run(&b), BENCH_INT3);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 1); /* before the instruction */
    ck_assert_uint_eq(b.exit->debug.linear, BENCH_CODE + 1);
    d86_vcpu_set_debug(b.cpu, 0);
    ck_assert_int_eq(bench_run(&b), BENCH_HLT);
    ck_assert_uint_eq(taken(0), 1);
    uint16_t frame[3];
    ck_assert_int_eq(d86_vm_read(b.vm, BENCH_STACK - 6, frame, 6), 0);
    ck_assert_uint_eq(frame[0], BENCH_CODE + 2); /* a trap */
}
END_TEST

START_TEST(exception_is_shown_then_delivered)
{
    real_mode_handlers();
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_EXCEPTIONS | D86_DEBUG_INT3);
    BENCH_BYTES(&b, BENCH_CODE, 0xd4, 0, 0xcc); /* aam 0: #DE; the handler skips nothing, so it comes again */
    for (unsigned i = 0; i < 3; i++) {
        BENCH_FAULT(&b, X86_DE);
        ck_assert(!b.exception.has_error_code);
        ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE);
        ck_assert_uint_eq(taken(0), i);
    }
    /* set_regs instead of delivery */
    bench_set_eip(&b, BENCH_CODE + 2);
    BENCH_RUN(&b);
    ck_assert_uint_eq(taken(0), 2);
}
END_TEST

START_TEST(exception_shows_error_code_and_cr2)
{
    struct d86_sregs s;
    bench_mode(&b, BENCH_FLAT32);
    s = sregs();
    bench_write32(&b, 0x10000, 0x11007);
    bench_write32(&b, 0x11000 + 4, 0x1007); /* only the code is there */
    s.cr3 = 0x10000;
    s.cr0 |= X86_CR0_PG;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    BENCH_BYTES(&b, BENCH_CODE, 0xc6, 0x05, LE32(0x12345), 1, 0xcc);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert(b.exception.has_error_code);
    ck_assert_uint_eq(b.exception.error_code, X86_PF_W);
    ck_assert_uint_eq(b.exception.cr2, 0x12345);
    ck_assert_uint_eq(sregs().cr2, 0x12345);
}
END_TEST

START_TEST(statistics_count)
{
    struct d86_stats before, after;
    BENCH_BYTES(&b, BENCH_CODE, 0xb9, LE32(1000), 0x40, 0xe2, 0xfd,
                0xcc); /* mov ecx,1000; again: inc; loop; int3 */
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_stats(b.cpu, &before);
    BENCH_RUN(&b);
    d86_vcpu_stats(b.cpu, &after);
    ck_assert_uint_eq(after.instructions - before.instructions, 2001);
    ck_assert_uint_eq(after.exits - before.exits, 1);
    ck_assert_uint_gt(after.blocks_built, before.blocks_built);

    real_mode_handlers();
    BENCH_BYTES(&b, BENCH_CODE, 0xb9, LE16(100), 0xbf, LE16(BENCH_DATA + 64), 0xf3, 0xaa, 0xcc);
    d86_vcpu_stats(b.cpu, &before);
    set_flags(X86_IF);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    BENCH_RUN(&b);
    d86_vcpu_stats(b.cpu, &after);
    ck_assert_uint_eq(after.interrupts - before.interrupts, 1);
    ck_assert_uint_eq(after.instructions - before.instructions, 2 + 2 + 100); /* an iteration counts as one */
}
END_TEST

/* Time passes for it when it runs, and only then. */
START_TEST(processor_time_is_counted)
{
    const struct timespec rest = { .tv_nsec = 20000000 };
    uint64_t before, after;
    BENCH_BYTES(&b, BENCH_CODE, 0xb9, LE32(20000000), 0xe2, 0xfe, 0xcc); /* mov ecx,...; loop $; int3 */
    bench_mode(&b, BENCH_FLAT32);
    BENCH_RUN(&b);
    before = d86_vcpu_run_ns(b.cpu);
    ck_assert_uint_gt(before, 0);
    for (unsigned i = 0; i < 3; i++)
        nanosleep(&rest, NULL);
    after = d86_vcpu_run_ns(b.cpu);
    ck_assert_uint_lt(after - before, 20000000);
    bench_set_eip(&b, BENCH_CODE);
    BENCH_RUN(&b);
    ck_assert_uint_gt(d86_vcpu_run_ns(b.cpu), after + 1000000);
}
END_TEST

/* A counter by its name. */
static uint64_t counter(const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(b.cpu, i, &c); i++) {
        if (strcmp(c.name, name) == 0)
            return c.value;
    }
    ck_abort_msg("there is no counter %s", name);
}

START_TEST(counters_have_names)
{
    struct d86_counter c, other;
    unsigned count = 0;
    for (; d86_vcpu_counter(b.cpu, count, &c); count++) {
        ck_assert_uint_eq(strspn(c.name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(c.name));
        ck_assert_str_ne(c.what, "");
        for (unsigned i = 0; i < count; i++) {
            ck_assert(d86_vcpu_counter(b.cpu, i, &other));
            ck_assert_str_ne(c.name, other.name);
        }
    }
    ck_assert_uint_gt(count, sizeof(struct d86_stats) / sizeof(uint64_t));
    ck_assert(!d86_vcpu_counter(b.cpu, UINT32_MAX, &c));
}
END_TEST

START_TEST(counters_are_the_statistics)
{
    struct d86_stats s;
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0x40, 0x40, 0xcc); /* inc eax, three times; int3 */
    bench_mode(&b, BENCH_FLAT32);
    uint64_t before = counter("instructions");
    BENCH_RUN(&b);
    ck_assert_uint_eq(counter("instructions") - before, 3);
    d86_vcpu_stats(b.cpu, &s);
    ck_assert_uint_eq(counter("instructions"), s.instructions);
    ck_assert_uint_eq(counter("blocks_built"), s.blocks_built);
    ck_assert_uint_eq(counter("exits"), s.exits);
    /* the interpreter enters no native code, timed or not */
    d86_vcpu_set_timing(b.cpu, true);
    BENCH_RUN(&b);
    ck_assert_uint_eq(counter("native_entries"), 0);
    ck_assert_uint_eq(counter("native_ns"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vcpu");
    TCase *tc = tcase_create("vcpu");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, created_in_the_reset_state);
    tcase_add_test(tc, reset_returns_to_it_and_keeps_memory);
    tcase_add_test(tc, first_instruction_is_fetched_below_4_gib);
    tcase_add_test(tc, regs_come_back);
    tcase_add_test(tc, sregs_come_back);
    tcase_add_loop_test(tc, impossible_sregs_are_refused_and_change_nothing, 0, ARRAY_SIZE(refused));
    tcase_add_test(tc, fpu_state_comes_back);
    tcase_add_test(tc, msrs_follow_wrmsr);
    tcase_add_test(tc, events_come_back);
    tcase_add_test(tc, interrupt_needs_if);
    tcase_add_test(tc, sti_shadow_lasts_one_instruction);
    tcase_add_test(tc, sti_cli_opens_no_window);
    tcase_add_test(tc, second_sti_makes_no_shadow);
    tcase_add_test(tc, mov_ss_shadows_interrupt_and_nmi);
    tcase_add_test(tc, popf_opens_a_window_at_once);
    tcase_add_test(tc, nmi_ignores_if_and_blocks_itself_until_iret);
    tcase_add_test(tc, nmi_comes_before_an_interrupt);
    tcase_add_test(tc, hlt_waits_until_woken);
    tcase_add_test(tc, kick_does_not_wake);
    tcase_add_loop_test(tc, kick_ends_any_run, 0, ARRAY_SIZE(endless));
    tcase_add_test(tc, kick_before_run_is_kept);
    tcase_add_test(tc, kick_from_a_signal_handler);
    tcase_add_test(tc, triple_fault_shuts_down_until_reset);
    tcase_add_test(tc, a20_masks_data_and_code_but_not_the_caller);
    tcase_add_test(tc, single_step_sees_each_instruction);
    tcase_add_test(tc, single_step_over_a_device_access);
    tcase_add_test(tc, int3_goes_to_the_guest_unless_asked_for);
    tcase_add_test(tc, exception_is_shown_then_delivered);
    tcase_add_test(tc, exception_shows_error_code_and_cr2);
    tcase_add_test(tc, statistics_count);
    tcase_add_test(tc, processor_time_is_counted);
    tcase_add_test(tc, counters_have_names);
    tcase_add_test(tc, counters_are_the_statistics);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
