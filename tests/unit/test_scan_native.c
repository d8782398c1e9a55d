/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Promotions against the processor: invented code runs as it is and as the private page with all its sites
 * promoted; both must end alike. Then the private page is single-stepped, and at each native instruction the
 * guest state that scan_snippet_resume() gives must be one the original goes through, in the same order.
 *
 *   test_scan_native [COUNT [FIRST-SEED]]
 */
#include "test_scan_native.h"

#include "translator/decode.h"
#include "translator/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITES = SCAN_PAGE_SIZE, TRACE_MAX = 80, STEPS_MAX = 600, VECTOR_STEP = 1 };

static struct scan_page page;
static uint8_t private_page[SCAN_PAGE_SIZE];
static struct scan_site sites[SITES];
static struct native_case test;
static uint64_t seed;

/* The original's states: before its first instruction, before the second ... and where it ended. */
static struct native_stop trace[TRACE_MAX];
static unsigned trace_count;

static uint64_t branches, jumps, twins, refused, boundaries, inside, exchanged, debts, faults;

/* ---- Failing ------------------------------------------------------------------------------------- */

static void print_code(const char *what, const uint8_t *bytes)
{
    fprintf(stderr, "  %-8s", what);
    for (unsigned i = test.start; i < test.start + 48 && i < SCAN_PAGE_SIZE; i++)
        fprintf(stderr, "%s%02x", i == test.site ? " |" : " ", bytes[i]);
    fputc('\n', stderr);
}

static void print_state(const char *what, const struct native_state *s, unsigned vector)
{
    fprintf(stderr, "  %-8s eip %08x flags %03x vector %u\n          ", what, s->eip, s->flags, vector);
    for (unsigned i = 0; i < 8; i++)
        fprintf(stderr, " %08x", s->reg[i]);
    fprintf(stderr, "\n           x87 status %02x%02x tags %02x\n", s->fpu[3], s->fpu[2], s->fpu[4]);
}

static void print_difference(const struct native_state *a, const struct native_state *b)
{
    for (unsigned i = 0; i < FPU_IMAGE_SIZE; i++)
        if (a->fpu[i] != b->fpu[i])
            fprintf(stderr, "  fpu+%u: %02x, promoted %02x\n", i, a->fpu[i], b->fpu[i]);
    for (unsigned i = 0; i < NATIVE_DATA_SIZE; i++)
        if (a->data[i] != b->data[i])
            fprintf(stderr, "  data+%u: %02x, promoted %02x\n", i, a->data[i], b->data[i]);
}

static void print_snippets(void)
{
    for (unsigned i = 0; i < page.jump_count; i++) {
        fprintf(stderr, "  snippet %08x:", page.snippet_address + page.jumps[i].snippet);
        for (unsigned at = page.jumps[i].snippet; at < page.jumps[i].snippet_end; at++)
            fprintf(stderr, " %02x", page.snippets[at]);
        fputc('\n', stderr);
    }
}

_Noreturn static void fail(const char *what, const struct native_stop *wanted, const struct native_stop *got)
{
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    print_code("original", test.page);
    print_code("private", private_page);
    print_snippets();
    if (wanted)
        print_state("original", &wanted->state, wanted->vector);
    if (got)
        print_state("promoted", &got->state, got->vector);
    if (wanted && got)
        print_difference(&wanted->state, &got->state);
    exit(EXIT_FAILURE);
}

static void require_sound(const char *when)
{
    struct scan_fault fault = scan_check(&page);

    if (fault.what) {
        fprintf(stderr, "%s, offset 0x%x: ", when, fault.offset);
        fail(fault.what, NULL, NULL);
    }
}

/* ---- Both sides ---------------------------------------------------------------------------------- */

static void show(const uint8_t *bytes)
{
    memcpy((void *)(uintptr_t)page.address, bytes, SCAN_PAGE_SIZE);
}

/* Bytes below ESP are nobody's, but a step may have pushed there what is about to be pushed. */
static bool same_data(const struct native_state *a, const struct native_state *b)
{
    unsigned esp = a->reg[4] - NATIVE_DATA;
    unsigned red = esp >= 4 && esp <= NATIVE_DATA_SIZE ? esp - 4 : 0;

    return !memcmp(a->data, b->data, red) &&
           !memcmp(a->data + (red ? esp : 0), b->data + (red ? esp : 0), NATIVE_DATA_SIZE - (red ? esp : 0));
}

static bool same_state(const struct native_state *a, const struct native_state *b)
{
    return !memcmp(a->reg, b->reg, sizeof(a->reg)) && a->eip == b->eip && a->flags == b->flags &&
           !memcmp(a->fpu, b->fpu, sizeof(a->fpu)) && same_data(a, b);
}

/* Does its memory operand reach what differs between both sides: code, snippets, the scratch area? */
static bool is_aimed_at_code(const struct native_state *state, const struct insn *insn)
{
    uint32_t address = insn->disp;

    if (insn->base != X86_NO_REG)
        address += state->reg[insn->base];
    if (insn->index != X86_NO_REG)
        address += state->reg[insn->index] << insn->scale;
    return address - (NATIVE_WINDOW - (32 << 20)) < 64 << 20 ||
           address - page.address + 32 < SCAN_PAGE_SIZE + 64;
}

/* May this be run outside of a private page? Jumps into the middle of instructions find all kinds of things.
 */
static bool is_harmless(const struct native_state *state)
{
    uint32_t offset = state->eip - page.address;
    struct insn insn;

    if (offset > SCAN_PAGE_SIZE - X86_INSN_MAX)
        return offset >= SCAN_PAGE_SIZE; /* elsewhere the fetch faults */
    if (test.page[offset] == SCAN_TRAP_BYTE)
        return true;
    return x86_decode(test.page + offset, X86_INSN_MAX, true, &insn) == X86_DECODE_OK &&
           insn.op != X86_PUSHF && /* would show the trace flag */
           insn.op != X86_POPF &&  /* a handler written in C begins with the code's AC flag */
           scan_verdict(&insn, &page.mode).action == SCAN_KEEP && !is_aimed_at_code(state, &insn);
}

/* The original, instruction by instruction. False: it runs for too long, or does what this process must not.
 */
static bool run_original(void)
{
    struct native_state *first = &trace[0].state;

    show(test.page);
    *first = test.state;
    native_normalise_fpu(first->fpu);
    trace[0].vector = VECTOR_STEP;
    for (trace_count = 1; trace_count < TRACE_MAX; trace_count++) {
        if (!is_harmless(&trace[trace_count - 1].state))
            return false;
        native_run(&trace[trace_count - 1].state, true, &trace[trace_count]);
        if (trace[trace_count].vector != VECTOR_STEP)
            return true;
    }
    return false;
}

static const struct native_stop *last_of_trace(void)
{
    return &trace[trace_count];
}

/* scan_resume_fpu() acts on the processor: give it the state as it stopped, and take it back. */
static void resume_fpu(const struct scan_resume *resume, uint8_t image[FPU_IMAGE_SIZE])
{
    static _Alignas(16) uint8_t ours[512], theirs[512];

    memcpy(theirs, image, FPU_IMAGE_SIZE);
    __asm__ volatile("fxsave %0\n\tfxrstor %1" : "=m"(ours) : "m"(theirs));
    scan_resume_fpu(resume, (const uint32_t *)(uintptr_t)NATIVE_SCRATCH);
    __asm__ volatile("fxsave %0\n\tfxrstor %1" : "=m"(theirs) : "m"(ours));
    memcpy(image, theirs, FPU_IMAGE_SIZE);
    native_normalise_fpu(image);
}

static void translate_snippet(struct native_stop *stop)
{
    uint32_t offset = stop->state.eip - page.snippet_address;
    struct scan_resume resume;

    if (offset >= SCAN_PAGE_SIZE)
        return;
    if (!scan_snippet_resume(&page, offset, &resume))
        fail("stopped in a snippet where no instruction begins", NULL, stop);
    scan_resume_registers(&resume, stop->state.reg, (const uint32_t *)(uintptr_t)NATIVE_SCRATCH);
    stop->state.eip = resume.eip;
    exchanged += resume.vector != 0;
    if (resume.fpu_turn || resume.fpu_pop || resume.vector)
        resume_fpu(&resume, stop->state.fpu);
    inside++;
}

/* From what the processor has to what the guest has. */
static void translate(struct native_stop *stop)
{
    uint32_t offset;
    struct scan_owed owed;

    translate_snippet(stop);
    offset = stop->state.eip - page.address;
    if (offset >= SCAN_PAGE_SIZE || !scan_flags_owed(&page, offset, &owed))
        return;
    stop->state.flags = scan_flags_paid(&owed, stop->state.reg, stop->state.flags);
    debts++;
}

/* A site that could not be promoted: the private page ends there. */
static bool is_trap_of_ours(const struct native_stop *stop)
{
    uint32_t offset = stop->state.eip - page.address;

    return offset < SCAN_PAGE_SIZE && stop->vector == 3 && test.page[offset] != SCAN_TRAP_BYTE;
}

static void run_promoted(void)
{
    struct native_stop stop;

    show(private_page);
    native_run(&test.state, false, &stop);
    translate(&stop);
    if (is_trap_of_ours(&stop))
        return;
    faults += stop.vector != 3;
    if (stop.vector != last_of_trace()->vector || !same_state(&stop.state, &last_of_trace()->state))
        fail("the promoted page ends differently", last_of_trace(), &stop);
}

static void step_promoted(void)
{
    static struct native_stop native, guest;
    unsigned at = 0;

    show(private_page);
    native.state = trace[0].state;
    for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
        native_run(&native.state, true, &native);
        guest = native;
        translate(&guest);
        if (is_trap_of_ours(&guest))
            return;
        boundaries++;
        while (at < trace_count && !same_state(&trace[at].state, &guest.state))
            at++;
        if (!same_state(&trace[at].state, &guest.state))
            fail("a step shows a state the original does not have", &trace[at], &guest);
        if (native.vector != VECTOR_STEP)
            return;
    }
    fail("the promoted page runs for too long", last_of_trace(), &native);
}

/* ---- Cases --------------------------------------------------------------------------------------- */

static void open_page(uint32_t address, uint64_t *random)
{
    uint32_t snippets = scan_snippet_place(address, NATIVE_WINDOW, (unsigned)native_random(random));

    if (native_random(random) % 2)
        snippets = NATIVE_WINDOW + SCAN_PAGE_SIZE * (uint32_t)(native_random(random) % 4096);
    page = (struct scan_page){
        .original = test.page,
        .private_page = private_page,
        .sites = sites,
        .site_capacity = SITES,
        .address = address,
        .mode = { SCAN_CODE32 | SCAN_CR4_OSFXSR | SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT,
                  (1u << X86_ISA_SSE3) - 1 },
        .snippets = (uint8_t *)(uintptr_t)snippets,
        .snippet_address = snippets,
        .scratch = native_random(random) % 8 ? NATIVE_SCRATCH : 0,
        .turns_fpu = true,
    };
    scan_init(&page);
}

static void promote_all(void)
{
    struct scan_change change;

    for (unsigned i = 0; i < page.site_count; i++) {
        if (sites[i].reason != SCAN_HIDDEN || sites[i].form != SCAN_FORM_INT3)
            continue;
        if (!scan_promote(&page, sites[i].offset, &change))
            refused++;
        else if (sites[i].form == SCAN_FORM_INT3)
            fail("a promotion did not last", NULL, NULL);
        require_sound("promoted");
    }
    branches += page.stats.forms[SCAN_FORM_BRANCH];
    jumps += page.stats.forms[SCAN_FORM_JUMP];
}

static void run_case(void)
{
    uint64_t random = seed * 7919;
    uint32_t address = native_code_page((unsigned)native_random(&random));

    native_generate(&test, native_random(&random), address);
    open_page(address, &random);
    scan_from(&page, test.start);
    require_sound("scanned");
    promote_all();
    twins += page.stats.forms[SCAN_FORM_TWIN];
    if ((page.jump_count == 0 && page.stats.forms[SCAN_FORM_TWIN] == 0) || !run_original())
        return;
    run_promoted();
    step_promoted();
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 30000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

    native_open();
    for (seed = first; seed < first + count; seed++)
        run_case();
    printf("%llu cases: %llu branches, %llu sites in snippets, %llu twins, %llu refused; %llu boundaries, "
           "%llu of them in "
           "snippets, %llu with XMM registers exchanged, %llu with flags owed; %llu faults\n",
           (unsigned long long)count, (unsigned long long)branches, (unsigned long long)jumps,
           (unsigned long long)twins, (unsigned long long)refused, (unsigned long long)boundaries,
           (unsigned long long)inside, (unsigned long long)exchanged, (unsigned long long)debts,
           (unsigned long long)faults);
    /* A test of nothing proves nothing. */
    if (count >= 1000 && (branches * 200 < count || jumps * 20 < count || debts * 200 < count ||
                          exchanged * 10 < count || refused > branches + jumps)) {
        fputs("too few promotions\n", stderr);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
