/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine sbe as its caller sees it: what an audit counts, and what one does that finds something; that
 * flags of the guest's do not stay behind in the executor; that the guest gets on whatever puts out what it
 * needs; simulated protection keys. The test reaches into the arena to bring such things about.
 */
#include <check.h>

#include "../../monitor/library/arena.h" /* to break the shadow's and the code cache's own records */
#include "sbe_guest.h"

/* L: INC DWORD [EBX]; XOR EAX, EAX; CPUID; MOV EBX, 30000; OUT 80, AL; JMP L: one round for each exit */
static const uint8_t rounds[] = { 0xff, 0x03, 0x31, 0xc0, 0x0f, 0xa2, 0xbb, 0x00,
                                  0x00, 0x03, 0x00, 0xe6, 0x80, 0xeb, 0xf1 };

enum { ROUNDS = 100 };

static struct sbe_guest guest;

static bool open_audited(enum d86_engine engine, uint32_t audit)
{
    const struct d86_vcpu_config config = { .engine = engine, .eager = true, .audit = audit };
    return sbe_guest_open(&guest, &config, rounds, sizeof(rounds));
}

static void run_rounds(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
        ck_assert_msg(guest.exit->reason == D86_EXIT_IO, "exit %u: %s", guest.exit->reason,
                      guest.exit->error.text);
    }
}

START_TEST(audits_come_after_every_so_many_entries)
{
    static const uint32_t every[] = { 0, 1, 7, 1000000 };
    if (!open_audited(D86_ENGINE_SBE, every[_i]))
        return;
    run_rounds();
    uint64_t entries = sbe_guest_counter(&guest, "native_entries");
    uint64_t audits = sbe_guest_counter(&guest, "shadow_audits");
    ck_assert_uint_ge(entries, ROUNDS);
    ck_assert_uint_eq(audits, every[_i] ? (entries + every[_i] - 1) / every[_i] : 0);
    sbe_guest_close(&guest);
}
END_TEST

START_TEST(lockstep_is_audited_too)
{
    if (!open_audited(D86_ENGINE_LOCKSTEP, 1))
        return;
    run_rounds();
    ck_assert_uint_ge(sbe_guest_counter(&guest, "shadow_audits"),
                      sbe_guest_counter(&guest, "lockstep_checks"));
    sbe_guest_close(&guest);
}
END_TEST

static void miscount_pages(struct vcpu *v)
{
    v->shadow->pages++;
}

/* Of 30000. Without paging the sync before the audit sees that nothing changed, and compares no page. */
static void mistake_frame(struct vcpu *v)
{
    v->shadow->page[SBE_GUEST_DATA >> 12].frame_plus_one++;
}

static void lose_code(struct vcpu *v)
{
    v->code->slot_at[SBE_GUEST_CODE >> 12] = 0;
}

static void spoil_code(struct vcpu *v)
{
    v->code->private_page[v->code->slot_at[SBE_GUEST_CODE >> 12] - 1][0x100] = 0x90;
}

static const struct {
    const char *name;
    void (*damage)(struct vcpu *v);
    const char *finding;
} damages[] = {
    { "a count", miscount_pages, "the shadow audit found page 00000000: the count of pages is wrong" },
    { "a frame", mistake_frame,
      "the shadow audit found page 00030000: mapped to another frame than in the guest's tables" },
    { "a mapping of code", lose_code, "the code audit found: " },
    { "a byte nobody scanned", spoil_code, "the code audit found: " },
};

START_TEST(what_an_audit_finds_ends_the_run)
{
    const char *name = damages[_i].name, *expected = damages[_i].finding;
    if (!open_audited(D86_ENGINE_SBE, 1))
        return;
    run_rounds();
    damages[_i].damage(&guest.vm->arena->vcpu);
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_INTERNAL_ERROR, "%s: exit %u", name, guest.exit->reason);
    ck_assert_uint_eq(guest.exit->error.code, D86_ERROR_BUG);
    ck_assert_msg(!strncmp(guest.exit->error.text, expected, strlen(expected)), "%s: %s", name,
                  guest.exit->error.text);
    sbe_guest_close(&guest);
}
END_TEST

/* ---- Audits of translated code ------------------------------------------------------------------------ */

/* L: INC DWORD [EBX]; MOV EAX, F; CALL EAX; OUT 80, AL; JMP L; F: JMP G; G, too far for one stretch: RET */
static const uint8_t kernel_rounds[0x220] = {
    0xff, 0x03, 0xb8, 0x10, 0x00,          0x02,          0x00,          0xff,          0xd0,
    0xe6, 0x80, 0xeb, 0xf3, [0x10] = 0xe9, [0x11] = 0xfb, [0x12] = 0x01, [0x210] = 0xc3
};

static bool open_kernel(uint32_t audit)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .eager = true, .audit = audit };
    if (!sbe_guest_open(&guest, &config, kernel_rounds, sizeof(kernel_rounds)))
        return false;
    sbe_guest_be_kernel(&guest);
    return true;
}

START_TEST(translated_code_is_audited_after_every_so_many_entries)
{
    static const uint32_t every[] = { 0, 1, 7, 1000000 };
    if (!open_kernel(every[_i]))
        return;
    run_rounds();
    uint64_t entries = sbe_guest_counter(&guest, "translated_entries");
    uint64_t audits = sbe_guest_counter(&guest, "translation_audits");
    ck_assert_uint_ge(entries, ROUNDS);
    ck_assert_uint_eq(audits, every[_i] ? (entries + every[_i] - 1) / every[_i] : 0);
    ck_assert_uint_eq(sbe_guest_counter(&guest, "native_entries"), 0);
    sbe_guest_close(&guest);
}
END_TEST

static struct translation_page *page_of_code(struct vcpu *v)
{
    return &v->translation->page[v->translation->page_at[SBE_GUEST_CODE >> 12] - 1];
}

/* The stretch that was made last, and is. */
static struct translation_stretch *newest_stretch(struct vcpu *v)
{
    return &v->translation->stretch[page_of_code(v)->stretches - 1];
}

static void spoil_host_code(struct vcpu *v)
{
    v->translation->code[newest_stretch(v)->code] ^= 1;
}

/* Written by who does not say so. */
static void change_guest_code(struct vcpu *v)
{
    v->map.ram[SBE_GUEST_CODE + 2] ^= 1;
}

static void know_an_offset(struct vcpu *v)
{
    page_of_code(v)->known[3] |= 1;
}

static void forget_an_offset(struct vcpu *v)
{
    page_of_code(v)->known[0] &= ~1ull;
}

static void lose_the_page(struct vcpu *v)
{
    v->translation->page_at[SBE_GUEST_CODE >> 12] = 0;
}

static void lose_the_frame(struct vcpu *v)
{
    v->code_frame[SBE_GUEST_CODE >> 12].translated_head = 0;
}

static void drop_without_unlisting(struct vcpu *v)
{
    newest_stretch(v)->dropped = true;
}

/* Of address F: into the middle of what is there. */
static void mislead_a_target(struct vcpu *v)
{
    v->translation->target[(SBE_GUEST_CODE + 0x10) % TRANSLATION_TARGETS].host++;
}

static void invent_a_target(struct vcpu *v)
{
    v->translation->target[77].negative = 5;
}

/* The first exit there is, that of F. */
static void mislead_an_exit(struct vcpu *v)
{
    struct translation *t = v->translation;
    ck_assert_uint_gt(t->part[0].exits, 0);
    t->code[t->exit[0].rel32]++;
}

static void say_it_is_not_linked(struct vcpu *v)
{
    ck_assert(v->translation->exit[0].linked);
    v->translation->exit[0].linked = false;
}

static void lose_a_link(struct vcpu *v)
{
    for (uint32_t i = 0; i < v->translation->part[0].stretches; i++)
        v->translation->stretch[i].incoming = 0;
}

static void mistake_a_site(struct vcpu *v)
{
    for (uint32_t i = 0; i < v->translation->part[0].sites; i++)
        v->translation->site[i].eip++;
}

static const struct {
    const char *name;
    void (*damage)(struct vcpu *v);
    const char *finding;
} translated_damages[] = {
    { "host code", spoil_host_code, "a stretch's host code is not what the guest's bytes make" },
    { "guest code", change_guest_code, "a stretch" },
    { "a known offset too many", know_an_offset, "the known offsets of a page are wrong" },
    { "a known offset too few", forget_an_offset, "the known offsets of a page are wrong" },
    { "an address", lose_the_page, "not every page is found by its address" },
    { "a frame's list", lose_the_frame, "the lists of regions and frames do not hold every page once" },
    { "a drop", drop_without_unlisting, "a page's list of stretches holds one that is not its" },
    { "a target", mislead_a_target, "the table of targets leads to what is not an address's code" },
    { "a target of nobody's", invent_a_target, "a target of nobody's has an address" },
    { "a branch", mislead_an_exit, "an exit leads to what is not its target's code" },
    { "a link", say_it_is_not_linked, "an exit that is not linked does not lead to its stub" },
    { "a list of links", lose_a_link, "the lists of links do not hold every linked exit once" },
    { "a site", mistake_a_site, "a call-out leads to another instruction's site" },
};

START_TEST(what_an_audit_of_translated_code_finds_ends_the_run)
{
    static const char whose[] = "the translation audit found: ";
    const char *name = translated_damages[_i].name, *finding = translated_damages[_i].finding;
    if (!open_kernel(1))
        return;
    run_rounds();
    translated_damages[_i].damage(&guest.vm->arena->vcpu);
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_INTERNAL_ERROR, "%s: exit %u", name, guest.exit->reason);
    ck_assert_uint_eq(guest.exit->error.code, D86_ERROR_BUG);
    ck_assert_msg(!strncmp(guest.exit->error.text, whose, strlen(whose)) &&
                      !strncmp(guest.exit->error.text + strlen(whose), finding, strlen(finding)),
                  "%s: %s", name, guest.exit->error.text);
    sbe_guest_close(&guest);
}
END_TEST

static const uint32_t flags_left[] = { 0x3002 /* none */, 0x43002 /* AC */, 0x7002 /* NT */,
                                       0x203002 /* ID */ };

/* An IRET refuses to go anywhere while the executor itself runs with EFLAGS.NT (SDM 2A, "IRET"). */
START_TEST(the_guests_flags_do_not_stay_behind)
{
    /* PUSH FLAGS; POPF; INC DWORD [EBX]; PUSH 3002; POPF; and the rounds */
    static uint8_t code[64] = { 0x68, 0, 0, 0, 0, 0x9d, 0xff, 0x03, 0x68, 0x02, 0x30, 0x00, 0x00, 0x9d };
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .eager = true };
    struct d86_counter c;
    uint64_t told = 0;
    memcpy(code + 1, &flags_left[_i], 4);
    memcpy(code + 14, rounds, sizeof(rounds));
    if (!sbe_guest_open(&guest, &config, code, sizeof(code)))
        return;
    run_rounds();
    for (unsigned i = 0; d86_vcpu_counter(guest.cpu, i, &c); i++)
        told += !strncmp(c.name, "trap_", 5) ? c.value : 0;
    ck_assert_uint_gt(told, 0);
    ck_assert_uint_eq(sbe_guest_counter(&guest, "native_traps"), told);
    ck_assert_uint_eq(sbe_guest_counter(&guest, "trap_refused"), 0);
    sbe_guest_close(&guest);
}
END_TEST

/* ---- Getting on ------------------------------------------------------------------------------------ */

/* L: PUSH [EBX]; POP EAX; OUT 80, AL; JMP L: data in one page, the stack in another */
static const uint8_t two_pages[] = { 0xff, 0x33, 0x58, 0xe6, 0x80, 0xeb, 0xf9 };

static const enum d86_engine native_engines[] = { D86_ENGINE_SBE, D86_ENGINE_LOCKSTEP };

/* So little may be mapped that each of the two pages puts the other out. */
START_TEST(pages_that_put_each_other_out_do_not_stop_the_guest)
{
    const struct d86_vcpu_config config = { .engine = native_engines[_i], .eager = true };
    if (!sbe_guest_open(&guest, &config, two_pages, sizeof(two_pages)))
        return;
    struct shadow *s = guest.vm->arena->vcpu.shadow;
    s->window = 1;
    s->budget = 2;
    run_rounds();
    ck_assert_uint_ge(sbe_guest_counter(&guest, "repeats"), ROUNDS);
    sbe_guest_close(&guest);
}
END_TEST

/* And where there is room, nobody is taken for stuck. */
START_TEST(pages_that_stay_need_no_repeats)
{
    const struct d86_vcpu_config config = { .engine = native_engines[_i], .eager = true };
    if (!sbe_guest_open(&guest, &config, two_pages, sizeof(two_pages)))
        return;
    run_rounds();
    ck_assert_uint_le(sbe_guest_counter(&guest, "repeats"), 1);
    sbe_guest_close(&guest);
}
END_TEST

/* ---- What the guest reads in a page with code ------------------------------------------------------ */

/*
 * L: MOV AL, [20040]; OUT 80, AL; INC BYTE [20040]; MOV AL, [20001]; OUT 80, AL; JMP L. 20040 is a constant
 * that no scan reaches, 20001 is the first instruction's own.
 */
static const uint8_t reads_its_page[0x41] = { [0] = 0xa0, 0x40, 0x00, 0x02, 0x00, 0xe6, 0x80,         0xfe,
                                              0x05,       0x40, 0x00, 0x02, 0x00, 0xa0, 0x01,         0x00,
                                              0x02,       0x00, 0xe6, 0x80, 0xeb, 0xea, [0x40] = 0x55 };

static const struct {
    enum d86_split split;
    bool hidden; /* the guest reads its own bytes */
} split_rows[] = { { D86_SPLIT_SEGMENT, true }, { D86_SPLIT_NONE, false } };

static uint8_t next_byte(void)
{
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_uint_eq(guest.exit->reason, D86_EXIT_IO);
    return guest.exit->io.data[0];
}

/* Without a split it reads INT3 where nothing was scanned; what is emulated works on its own bytes. */
START_TEST(without_a_split_the_guest_reads_int3s)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE,
                                            .split = split_rows[_i].split,
                                            .eager = true };
    uint8_t constant;
    if (!sbe_guest_open(&guest, &config, reads_its_page, sizeof(reads_its_page)))
        return;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(next_byte(), split_rows[_i].hidden ? 0x55 + i : 0xcc);
        ck_assert_uint_eq(next_byte(), 0x40);
    }
    ck_assert_int_eq(d86_vm_read(guest.vm, SBE_GUEST_CODE + 0x40, &constant, 1), 0);
    ck_assert_uint_eq(constant, 0x55 + 4);
    sbe_guest_close(&guest);
}
END_TEST

/* ---- Writes by the caller --------------------------------------------------------------------------- */

/* L: MOV AL, 0; OUT 80, AL; JMP L */
static const uint8_t tells[] = { 0xb0, 0x00, 0xe6, 0x80, 0xeb, 0xfa };

/* Devices write to memory in any number of places between two runs: CHANNEL_WRITES_MAX are kept. */
static const struct {
    bool kernel;
    unsigned others; /* writes elsewhere that come first */
} dma_rows[] = { { false, 0 },
                 { true, 0 },
                 { false, CHANNEL_WRITES_MAX - 1 },
                 { true, CHANNEL_WRITES_MAX - 1 },
                 { false, CHANNEL_WRITES_MAX },
                 { true, CHANNEL_WRITES_MAX },
                 { false, 2 * CHANNEL_WRITES_MAX },
                 { true, 2 * CHANNEL_WRITES_MAX } };

static uint8_t told(void)
{
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_IO, "exit %u: %s", guest.exit->reason,
                  guest.exit->error.text);
    return guest.exit->io.data[0];
}

START_TEST(code_the_caller_writes_is_seen_after_any_number_of_writes)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .eager = true };
    if (!sbe_guest_open(&guest, &config, tells, sizeof(tells)))
        return;
    if (dma_rows[_i].kernel)
        sbe_guest_be_kernel(&guest);
    for (uint8_t round = 1; round < 5; round++) {
        for (unsigned i = 0; i < dma_rows[_i].others; i++)
            ck_assert_int_eq(d86_vm_write(guest.vm, SBE_GUEST_STACK + 16 * i, &round, 1), 0);
        ck_assert_int_eq(d86_vm_write(guest.vm, SBE_GUEST_CODE + 1, &round, 1), 0);
        /* What was under way when the run ended is not fetched again. */
        told();
        ck_assert_uint_eq(told(), round);
        ck_assert_uint_eq(told(), round);
    }
    ck_assert_uint_gt(
        sbe_guest_counter(&guest, dma_rows[_i].kernel ? "translated_entries" : "native_entries"), 0);
    sbe_guest_close(&guest);
}
END_TEST

/* ---- Simulated keys -------------------------------------------------------------------------------- */

/* L: MOV EAX, [20001]; OUT 80, AL; JMP L: reads itself */
static const uint8_t reads_itself[] = { 0xa1, 0x01, 0x00, 0x02, 0x00, 0xe6, 0x80, 0xeb, 0xf7 };

static const struct {
    enum d86_split split;
    bool faults;
} key_rows[] = { { D86_SPLIT_SEGMENT, false }, { D86_SPLIT_PKU, true } };

START_TEST(simulated_keys_make_data_accesses_to_code_fault)
{
    const struct d86_vcpu_config config = {
        .engine = D86_ENGINE_LOCKSTEP, .split = key_rows[_i].split, .eager = true, .simulate_keys = true
    };
    if (!sbe_guest_open(&guest, &config, reads_itself, sizeof(reads_itself)))
        return;
    ck_assert_int_eq(d86_vcpu_split(guest.cpu), key_rows[_i].split);
    run_rounds();
    uint64_t split = sbe_guest_counter(&guest, "trap_split");
    ck_assert_msg(key_rows[_i].faults ? split >= ROUNDS : !split, "trap_split %lu", (unsigned long)split);
    sbe_guest_close(&guest);
}
END_TEST

START_TEST(keys_are_simulated_by_lockstep_alone)
{
    static const struct d86_vcpu_config refused[] = {
        { .engine = D86_ENGINE_SBE, .simulate_keys = true },
        { .engine = D86_ENGINE_INTERP, .simulate_keys = true },
        { .engine = D86_ENGINE_LOCKSTEP, .split = D86_SPLIT_NONE, .simulate_keys = true },
    };
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &refused[_i], &cpu), -EINVAL);
    d86_vm_destroy(vm);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sbe");
    TCase *tc = tcase_create("sbe");
    tcase_add_loop_test(tc, audits_come_after_every_so_many_entries, 0, 4);
    tcase_add_test(tc, lockstep_is_audited_too);
    tcase_add_loop_test(tc, what_an_audit_finds_ends_the_run, 0, sizeof(damages) / sizeof(damages[0]));
    tcase_add_loop_test(tc, translated_code_is_audited_after_every_so_many_entries, 0, 4);
    tcase_add_loop_test(tc, what_an_audit_of_translated_code_finds_ends_the_run, 0,
                        sizeof(translated_damages) / sizeof(translated_damages[0]));
    tcase_add_loop_test(tc, the_guests_flags_do_not_stay_behind, 0,
                        sizeof(flags_left) / sizeof(flags_left[0]));
    tcase_add_loop_test(tc, pages_that_put_each_other_out_do_not_stop_the_guest, 0, 2);
    tcase_add_loop_test(tc, pages_that_stay_need_no_repeats, 0, 2);
    tcase_add_loop_test(tc, without_a_split_the_guest_reads_int3s, 0, 2);
    tcase_add_loop_test(tc, code_the_caller_writes_is_seen_after_any_number_of_writes, 0,
                        sizeof(dma_rows) / sizeof(dma_rows[0]));
    tcase_add_loop_test(tc, simulated_keys_make_data_accesses_to_code_fault, 0, 2);
    tcase_add_loop_test(tc, keys_are_simulated_by_lockstep_alone, 0, 3);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
