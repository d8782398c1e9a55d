/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts from the chips lent to the processor: when they are taken and when not, and how they get along
 * with the caller's own, with HLT, single-stepping and reset.
 */
#define _GNU_SOURCE
#include "chips_bench.h"

/* ---- Interrupts ---------------------------------------------------------------------------------------- */

/* INTR is up from the beginning: where is it taken? Offsets from the first instruction. */
static const struct {
    const char *name;
    uint32_t flags;
    uint8_t code[24];
    uint32_t at;
} openers[] = {
    { "on already", IF, { 0x90, 0x90 }, 0 },
    { "sti, whose shadow lasts an instruction", 0, { 0xfb, 0x90, 0x90 }, 2 },
    { "sti, and a jump in its shadow", 0, { 0x90, 0xfb, 0xeb, 0x02, 0x90, 0x90, 0x90 }, 6 },
    { "sti, cli", 0, { 0xfb, 0xfa, 0x90, 0xfb, 0x40, 0x90 }, 5 },
    { "popf", 0, { 0x68, LE32(0x202), 0x9d, 0x90 }, 6 },
    { "iret", 0, { 0x68, LE32(0x202), 0x0e, 0x68, LE32(BENCH_CODE + 14), 0xcf, 0x90, 0x90, 0x90 }, 14 },
    { "sti and hlt", 0, { 0x40, 0xfb, 0xf4, 0x90 }, 3 },
};

START_TEST(taken_when_they_come_on)
{
    unsigned o = (unsigned)_i % ARRAY_SIZE(openers);
    if (!start((unsigned)_i / ARRAY_SIZE(openers)))
        return;
    bench_write(&b, BENCH_CODE, openers[o].code, sizeof(openers[o].code));
    set_flags(openers[o].flags);
    near_set_irq(&chips, 1, true);
    ck_assert_uint_eq(state.intr, 1);
    RUN_HANDLER(VECTORS + 1);
    ck_assert_msg(interrupted_at() == BENCH_CODE + openers[o].at, "%s: at %x", openers[o].name,
                  interrupted_at());
    ck_assert_uint_eq(state.intr, 0);
    near_write(&chips, 0x20, 0x0b);
    ck_assert_uint_eq(chip_read(0x20), 2);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    ck_assert_uint_eq(counter("exits"), 1);
    stop();
}
END_TEST

/* In the shadow of STI something else may still happen to it: the chips are asked when it is over. */
START_TEST(not_acknowledged_before_they_can_be_taken)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0xe6, PORT_MARK, 0xfb, 0x90, 0x90); /* sti; out f5,al; sti; nop; nop */
    near_set_irq(&chips, 1, true);
    RUN_MARK();
    ck_assert_uint_eq(state.intr, 1);
    ck_assert_uint_eq(b.exit->ready_for_interrupt, 0);
    near_set_irq(&chips, 1, false);
    near_set_irq(&chips, 3, true);
    RUN_HANDLER(VECTORS + 3);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 3);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    stop();
}
END_TEST

/* Nothing of the kind ends a block: it comes soon. */
START_TEST(taken_when_the_guest_itself_lets_them_through)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0xfd, 0xe6, 0x21, 0xeb, 0xfe); /* mov al,fd; out 21,al; jmp $ */
    near_write(&chips, 0x21, 0xff);
    near_set_irq(&chips, 1, true);
    ck_assert_uint_eq(state.intr, 0);
    set_flags(IF);
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 4);
    stop();
}
END_TEST

START_TEST(a_mask_holds_them_back)
{
    if (!start((unsigned)_i))
        return;
    /* mov al,2; out 21,al; sti; nop; nop; out f5,al; mov al,0; out 21,al; jmp $ */
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x02, 0xe6, 0x21, 0xfb, 0x90, 0x90, 0xe6, PORT_MARK, 0xb0, 0x00, 0xe6,
                0x21, 0xeb, 0xfe);
    near_set_irq(&chips, 1, true);
    RUN_MARK();
    ck_assert_uint_eq(state.intr, 0);
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    stop();
}
END_TEST

/* The handler of IRQ 4 lets others in before it sends EOI. */
static const struct {
    unsigned irq;
    bool nests;
} rivals[] = { { 1, true }, { 12, true }, { 5, false }, { 6, false } };

START_TEST(one_in_service_holds_back_those_below)
{
    unsigned r = (unsigned)_i % ARRAY_SIZE(rivals), vector = VECTORS + rivals[r].irq;
    if (!start((unsigned)_i / ARRAY_SIZE(rivals)))
        return;
    /* sti; nop; out f5,al; nop; nop; out f5,al; mov al,20; out 20,al; iret */
    BENCH_BYTES(&b, STUBS + STUB_SIZE * 4, 0xfb, 0x90, 0xe6, PORT_MARK, 0x90, 0x90, 0xe6, PORT_MARK, 0xb0,
                0x20, 0xe6, 0x20, 0xcf);
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0x90, 0xe6, PORT_MARK, 0xf4); /* sti; nop; out f5,al; hlt */
    near_set_irq(&chips, 4, true);
    RUN_MARK();
    near_set_irq(&chips, rivals[r].irq, true);
    ck_assert_uint_eq(state.intr, rivals[r].nests);
    if (rivals[r].nests)
        RUN_HANDLER(vector);
    RUN_MARK();
    ck_assert_uint_eq(counter("chip_interrupts"), 1 + rivals[r].nests);
    if (!rivals[r].nests)
        RUN_HANDLER(vector);
    RUN_MARK();
    ck_assert_uint_eq(bench_regs(&b).esp, BENCH_STACK); /* of the main path */
    RUN(D86_EXIT_HLT);
    near_write(&chips, 0x20, 0x0b);
    ck_assert_uint_eq(chip_read(0x20), 0);
    ck_assert_uint_eq(counter("chip_interrupts"), 2);
    stop();
}
END_TEST

/* INTR was seen, but by the acknowledge cycle nothing asks any more (datasheet, "Interrupt Sequence"). */
START_TEST(a_spurious_one_has_the_lowest_levels_vector)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0x90, 0x90);
    state.intr = 1;
    RUN_HANDLER(VECTOR_SPURIOUS);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 2);
    near_write(&chips, 0x20, 0x0b);
    ck_assert_uint_eq(chip_read(0x20), 0);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    stop();
}
END_TEST

/* The stack is in a device's memory, so the delivery has exits: but the chips were asked once, before. */
START_TEST(one_whose_delivery_needs_the_caller_is_acknowledged_once)
{
    unsigned writes = 0;
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xbc, LE32(BENCH_DEVICE + 0x100), 0xfb, 0x90, 0xf4); /* mov esp; sti */
    near_set_irq(&chips, 1, true);
    near_set_irq(&chips, 3, true); /* asks for more right away */
    while (run() == D86_EXIT_MMIO && b.exit->mmio.is_write) {
        struct near_state before = state;
        ck_assert_uint_eq(counter("chip_interrupts"), 1);
        if (writes++ == 1) { /* nor does it matter whether they are there all the time */
            lent = false;
            RUN(D86_EXIT_MMIO);
            lent = true;
            writes++;
        }
        ck_assert_mem_eq(&before, &state, sizeof(state));
    }
    ck_assert_uint_eq(writes, 4); /* EFLAGS, CS, EIP, and EAX by the handler */
    ck_assert_uint_eq(b.exit->io.port, PORT_HANDLER);
    ck_assert_uint_eq(b.exit->io.data[0], VECTORS + 1);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    stop();
}
END_TEST

/* ---- Standing still ------------------------------------------------------------------------------------ */

START_TEST(a_halt_is_an_exit_unless_an_interrupt_waits)
{
    if (!start((unsigned)_i))
        return;
    /* hlt; mov al,fd; out 21,al; sti; hlt; nop; hlt; out f5,al */
    BENCH_BYTES(&b, BENCH_CODE, 0xf4, 0xb0, 0xfd, 0xe6, 0x21, 0xfb, 0xf4, 0x90, 0xf4, 0xe6, PORT_MARK);
    near_set_irq(&chips, 1, true);
    near_set_irq(&chips, 3, true); /* masked later */
    RUN(D86_EXIT_HLT);             /* IF is clear */
    ck_assert_uint_eq(b.exit->interrupt_flag, 0);
    RUN(D86_EXIT_HLT); /* and stays so */
    d86_vcpu_set_events(b.cpu, &(struct d86_events){ .interrupt = -1 });
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 7);
    RUN(D86_EXIT_HLT); /* nothing but what is masked */
    ck_assert_uint_eq(b.exit->interrupt_flag, 1);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 9);
    RUN(D86_EXIT_HLT);
    near_set_irq(&chips, 1, false);
    near_set_irq(&chips, 1, true);
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 9);
    RUN_MARK();
    ck_assert_uint_eq(counter("chip_interrupts"), 2);
    stop();
}
END_TEST

/* FERR# is the caller's, who has the interrupt controllers by then (SDM 1, "MS-DOS Compatibility Sub-mode").
 */
START_TEST(an_x87_error_comes_by_irq_13)
{
    if (!start((unsigned)_i))
        return;
    /* fninit; fldcw [DATA]; fld1; fldz; fdivp; fwait; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xdb, 0xe3, 0xd9, 0x2d, LE32(BENCH_DATA), 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9,
                0x9b, 0xf4);
    bench_write32(&b, BENCH_DATA, 0x37b); /* ZM is clear */
    set_flags(IF);
    timer_start(KHZ); /* which has ticks meanwhile, perhaps */
    RUN(D86_EXIT_FERR);
    ck_assert_uint_eq(b.exit->ferr, 1);
    near_set_irq(&chips, 13, true);
    RUN_HANDLER(VECTORS + 13);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 14);
    stop();
}
END_TEST

/* ---- Beside the caller's own --------------------------------------------------------------------------- */

START_TEST(a_window_opens_when_they_have_nothing_to_say)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xfb, 0x90, 0x90, 0xe6, PORT_MARK, 0xf4);
    near_set_irq(&chips, 1, true);
    b.exit->request_interrupt_window = 1;
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(b.exit->ready_for_interrupt, 0);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, VECTOR_OTHER), -EAGAIN);
    RUN(D86_EXIT_INTERRUPT_WINDOW);
    ck_assert_uint_eq(b.exit->ready_for_interrupt, 1);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 2);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, VECTOR_OTHER), 0);
    b.exit->request_interrupt_window = 0;
    RUN_HANDLER(VECTOR_OTHER);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 2);
    RUN_MARK();
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    ck_assert_uint_eq(counter("interrupts"), 2);
    stop();
}
END_TEST

/* What was accepted is taken first, and then nothing is lost. */
START_TEST(an_injected_one_comes_first)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0x90, 0xe6, PORT_MARK, 0xf4);
    set_flags(IF);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, VECTOR_OTHER), 0);
    near_set_irq(&chips, 1, true);
    RUN_HANDLER(VECTOR_OTHER);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE);
    ck_assert_uint_eq(state.intr, 1);
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE);
    RUN_MARK();
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    ck_assert_uint_eq(counter("interrupts"), 2);
    stop();
}
END_TEST

static void step_to(uint32_t eip)
{
    RUN(D86_EXIT_DEBUG);
    ck_assert_uint_eq(b.exit->debug.cause, D86_DEBUG_SINGLE_STEP);
    ck_assert_msg(bench_regs(&b).eip == eip, "at %x, not %x", bench_regs(&b).eip, eip);
}

START_TEST(steps_go_over_accesses_and_into_handlers)
{
    if (!start((unsigned)_i))
        return;
    /* mov al,5a; out 80,al; inc eax; in al,80; sti; nop; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x5a, 0xe6, 0x80, 0x40, 0xe4, 0x80, 0xfb, 0x90, 0xf4);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    near_set_irq(&chips, 1, true);
    step_to(BENCH_CODE + 2);
    step_to(BENCH_CODE + 4);
    ck_assert_uint_eq(chip_read(0x80), 0x5a);
    step_to(BENCH_CODE + 5);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x5b);
    near_write(&chips, 0x80, 0x77);
    step_to(BENCH_CODE + 7);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x77);
    step_to(BENCH_CODE + 8);
    step_to(BENCH_CODE + 9);
    step_to(STUBS + STUB_SIZE + 1); /* the interrupt, and the first instruction of its handler */
    ck_assert_uint_eq(interrupted_at(), BENCH_CODE + 9);
    ck_assert_uint_eq(counter("chip_reads"), 1);
    ck_assert_uint_eq(counter("chip_writes"), 1);
    ck_assert_uint_eq(counter("chip_interrupts"), 1);
    stop();
}
END_TEST

START_TEST(a_reset_of_the_processor_leaves_them_alone)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0xf5, 0xe6, 0x21, 0xe6, 0x80, 0xe6, PORT_MARK); /* mask, and a code */
    RUN_MARK();
    near_set_irq(&chips, 1, true);
    struct near_state before = state;
    d86_vcpu_reset(b.cpu);
    enter(false, 0);
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, PORT_MARK, 0xe4, 0x21, 0xfb, 0x90, 0x90);
    RUN_MARK();
    ck_assert_mem_eq(&before, &state, sizeof(state));
    RUN_HANDLER(VECTORS + 1);
    ck_assert_uint_eq(bench_regs(&b).eax & 0xff, VECTORS + 1);
    ck_assert_uint_eq(bench_read32(&b, bench_regs(&b).esp), 0xf5);
    ck_assert_uint_eq(chip_read(0x80), 0xf5);
    stop();
}
END_TEST

/* A processor that is shut down gives them back as it got them. */
START_TEST(after_a_shutdown_they_are_as_they_were)
{
    struct d86_sregs s;
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x80, 0x0f, 0x0b); /* out 80,al; ud2 */
    d86_vcpu_get_sregs(b.cpu, &s);
    s.idt.limit = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    near_write(&chips, 0x80, 0x77);
    RUN(D86_EXIT_SHUTDOWN);
    ck_assert_uint_eq(chip_read(0x80), 0);
    near_set_irq(&chips, 1, true);
    timer_start(KHZ);
    struct near_state before = state;
    RUN(D86_EXIT_SHUTDOWN);
    ck_assert_mem_eq(&before, &state, sizeof(state));
    stop();
}
END_TEST

/* On each of the processors, with all rows if there are any. */
#define ADD(test, rows) tcase_add_loop_test(tc, test, 0, PROCESSORS *(int)(rows))

int main(void)
{
    Suite *suite = suite_create("chips_interrupts");
    TCase *tc = tcase_create("chips_interrupts");
    tcase_set_timeout(tc, 90);
    ADD(taken_when_they_come_on, ARRAY_SIZE(openers));
    ADD(not_acknowledged_before_they_can_be_taken, 1);
    ADD(taken_when_the_guest_itself_lets_them_through, 1);
    ADD(a_mask_holds_them_back, 1);
    ADD(one_in_service_holds_back_those_below, ARRAY_SIZE(rivals));
    ADD(a_spurious_one_has_the_lowest_levels_vector, 1);
    ADD(one_whose_delivery_needs_the_caller_is_acknowledged_once, 1);
    ADD(a_halt_is_an_exit_unless_an_interrupt_waits, 1);
    ADD(an_x87_error_comes_by_irq_13, 1);
    ADD(a_window_opens_when_they_have_nothing_to_say, 1);
    ADD(an_injected_one_comes_first, 1);
    ADD(steps_go_over_accesses_and_into_handlers, 1);
    ADD(a_reset_of_the_processor_leaves_them_alone, 1);
    ADD(after_a_shutdown_they_are_as_they_were, 1);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
