/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page walks in the three modes of the class: what is translated, what faults with which error code, which
 * accessed and dirty bits are set; and what must not be remembered across the instructions that flush.
 * SDM 3A, "32-Bit Paging", "PAE Paging", "Access Rights", "Page-Fault Exceptions", "Caching Translation
 * Information".
 */
#include "cpu_bench.h"

enum {
    ROOT = 0x10000,  /* page directory, or the four PDPTEs */
    LOW = 0x11000,   /* 32-bit: page table of the first 4 MiB, which hold the code; PAE: page directory */
    TABLE = 0x12000, /* page table of the linear addresses under test */
    LINEAR = 0x00c00000,
    OFFSET = 0x120,
    FRAME = 0x300000,
    FRAME_LARGE = 0x400000, /* where the tests' entries lead */
};

#define FRAME_HIGH 0x100400000ull /* above 4 GiB */
#define P          X86_PTE_P
#define W          X86_PTE_W
#define U          X86_PTE_U
#define A          X86_PTE_A
#define D          X86_PTE_D
#define PS         X86_PTE_PS
#define G          X86_PTE_G
#define NX         X86_PTE_NX
#define WP         X86_CR0_WP

static struct bench b;

static void setup(void)
{
    bench_open(&b);
    ck_assert_int_eq(d86_vm_add_ram(b.vm, FRAME_HIGH, 0x2000), 0);
}

static void teardown(void)
{
    bench_close(&b);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

static bool pae;

/* The entries of the linear address under test. */
static uint64_t pde_pa(void)
{
    return pae ? LOW + (LINEAR >> 21) * 8 : ROOT + (LINEAR >> 22) * 4;
}

static void set_pde(uint64_t entry)
{
    if (pae)
        bench_write64(&b, pde_pa(), entry);
    else
        bench_write32(&b, pde_pa(), (uint32_t)entry);
}

static uint64_t get_pde(void)
{
    return pae ? bench_read64(&b, pde_pa()) : bench_read32(&b, pde_pa());
}

static void set_pte(unsigned page, uint64_t entry)
{
    if (pae)
        bench_write64(&b, TABLE + page * 8, entry);
    else
        bench_write32(&b, TABLE + page * 4, (uint32_t)entry);
}

static uint64_t get_pte(unsigned page)
{
    return pae ? bench_read64(&b, TABLE + page * 8) : bench_read32(&b, TABLE + page * 4);
}

/* Flat code, paging on, the first MiBs mapped to themselves, the address under test by these entries. */
static void paging_on(bool use_pae, bool user, uint32_t cr0, uint32_t cr4, uint64_t efer)
{
    pae = use_pae;
    bench_mode(&b, user ? BENCH_USER32 : BENCH_FLAT32);
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    if (pae) {
        bench_write64(&b, ROOT, LOW | P);
        bench_write64(&b, LOW, P | W | U | PS);
    } else {
        bench_write32(&b, ROOT, LOW | P | W | U);
        for (uint32_t page = 0; page < 1024; page++)
            bench_write32(&b, LOW + page * 4, page << 12 | P | W | U);
    }
    s.cr0 |= X86_CR0_PG | cr0;
    s.cr3 = ROOT;
    s.cr4 = cr4 | (pae ? X86_CR4_PAE : 0);
    s.efer = efer;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
}

/* ---- One walk ------------------------------------------------------------------------------------------ */

enum access { READ, WRITE, MODIFY, FETCH };
enum { GOOD = -1 };

static const struct {
    const char *name;
    bool pae;
    enum access access;
    bool user;
    uint64_t pde, pte;
    int error;   /* of the #PF, or GOOD */
    uint64_t pa; /* of the page it leads to */
    uint64_t pde_sets, pte_sets;
    uint32_t cr0, cr4;
    bool nxe;
} walks[] = {
    /* clang-format off */
    /* 32-bit, 4 KiB pages */
    { "read sets A", 0, READ, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "write sets A and D", 0, WRITE, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A|D },
    { "read-modify-write sets A and D", 0, MODIFY, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A,
      .pte_sets = A|D },
    { "fetch sets A", 0, FETCH, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "user read", 0, READ, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "user write", 0, WRITE, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A|D },
    { "user fetch", 0, FETCH, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "user read of a supervisor page", 0, READ, 1, TABLE|P|W|U, FRAME|P|W, .error = 5 },
    { "user read under a supervisor directory entry", 0, READ, 1, TABLE|P|W, FRAME|P|W|U, .error = 5 },
    { "user write to a supervisor page", 0, WRITE, 1, TABLE|P|W|U, FRAME|P|W, .error = 7 },
    { "user fetch from a supervisor page", 0, FETCH, 1, TABLE|P|W|U, FRAME|P|W, .error = 5 },
    { "user read of a read-only page", 0, READ, 1, TABLE|P|W|U, FRAME|P|U, GOOD, FRAME, A, .pte_sets = A },
    { "user write to a read-only page", 0, WRITE, 1, TABLE|P|W|U, FRAME|P|U, .error = 7 },
    { "user write under a read-only directory entry", 0, WRITE, 1, TABLE|P|U, FRAME|P|W|U, .error = 7 },
    { "user read-modify-write of a read-only page", 0, MODIFY, 1, TABLE|P|W|U, FRAME|P|U, .error = 7 },
    { "supervisor write to a read-only page, WP clear", 0, WRITE, 0, TABLE|P|W|U, FRAME|P|U, GOOD, FRAME, A,
      .pte_sets = A|D },
    { "supervisor write to a read-only page, WP set", 0, WRITE, 0, TABLE|P|W|U, FRAME|P|U, 3, .cr0 = WP },
    { "supervisor write under a read-only directory entry, WP", 0, WRITE, 0, TABLE|P|U, FRAME|P|W|U, 3,
      .cr0 = WP },
    { "supervisor read-modify-write of a read-only page, WP", 0, MODIFY, 0, TABLE|P|W|U, FRAME|P, 3,
      .cr0 = WP },
    { "supervisor read of a read-only page, WP", 0, READ, 0, TABLE|P|W|U, FRAME|P, GOOD, FRAME, A,
      .pte_sets = A, .cr0 = WP },
    { "read of an absent page", 0, READ, 0, TABLE|P|W|U, FRAME|W|U, .error = 0 },
    { "write to an absent page", 0, WRITE, 0, TABLE|P|W|U, FRAME|W|U, .error = 2 },
    { "fetch from an absent page", 0, FETCH, 0, TABLE|P|W|U, FRAME|W|U, .error = 0 },
    { "user read of an absent page", 0, READ, 1, TABLE|P|W|U, 0, .error = 4 },
    { "user write to an absent page", 0, WRITE, 1, TABLE|P|W|U, 0, .error = 6 },
    { "user fetch from an absent page", 0, FETCH, 1, TABLE|P|W|U, 0, .error = 4 },
    { "absent table, read", 0, READ, 0, TABLE|W|U, FRAME|P|W|U, .error = 0 },
    { "absent table, user write", 0, WRITE, 1, TABLE|W|U, FRAME|P|W|U, .error = 6 },
    { "rights of an absent page do not matter", 0, WRITE, 1, TABLE|P, FRAME, .error = 6 },
    { "PAT, G, PCD, PWT and the available bits", 0, WRITE, 0, TABLE|P|W|U|0xe18, FRAME|P|W|U|0xf98, GOOD,
      FRAME, A, .pte_sets = A|D },
    { "PS without CR4.PSE is ignored", 0, READ, 0, TABLE|P|W|U|PS, FRAME|P|W|U, GOOD, FRAME, A,
      .pte_sets = A },
    /* 32-bit, 4 MiB pages */
    { "large page read", 0, READ, 0, FRAME_LARGE|P|W|U|PS, 0, GOOD, FRAME_LARGE, A, .pte_sets = 0,
      .cr4 = X86_CR4_PSE },
    { "large page write", 0, WRITE, 0, FRAME_LARGE|P|W|U|PS, 0, GOOD, FRAME_LARGE, A|D, .pte_sets = 0,
      .cr4 = X86_CR4_PSE },
    { "large page fetch", 0, FETCH, 1, FRAME_LARGE|P|W|U|PS, 0, GOOD, FRAME_LARGE, A, .pte_sets = 0,
      .cr4 = X86_CR4_PSE },
    { "large page with PAT", 0, READ, 0, FRAME_LARGE|P|W|U|PS|0x1000, 0, GOOD, FRAME_LARGE, A, .pte_sets = 0,
      .cr4 = X86_CR4_PSE },
    { "large page, user write to read-only", 0, WRITE, 1, FRAME_LARGE|P|U|PS, 0, 7, .cr4 = X86_CR4_PSE },
    { "large page, user read of supervisor", 0, READ, 1, FRAME_LARGE|P|W|PS, 0, 5, .cr4 = X86_CR4_PSE },
    { "small page with PSE on", 0, WRITE, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A|D,
      .cr4 = X86_CR4_PSE },
    { "PSE-36 leads above 4 GiB", 0, WRITE, 0, FRAME_LARGE|P|W|U|PS|0x2000, 0, GOOD, FRAME_HIGH, A|D,
      .pte_sets = 0, .cr4 = X86_CR4_PSE },
    { "PSE-36 beyond 36 bits, read", 0, READ, 0, FRAME_LARGE|P|W|U|PS|0x20000, 0, 9, .cr4 = X86_CR4_PSE },
    { "bit 21 of a large page, user write", 0, WRITE, 1, FRAME_LARGE|P|W|U|PS|0x200000, 0, 0xf,
      .cr4 = X86_CR4_PSE },
    /* PAE, 4 KiB pages */
    { "PAE read", 1, READ, 0, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "PAE write", 1, WRITE, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A|D },
    { "PAE fetch", 1, FETCH, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A },
    { "PAE above 4 GiB", 1, MODIFY, 0, TABLE|P|W|U, FRAME_HIGH|P|W|U, GOOD, FRAME_HIGH, A, .pte_sets = A|D },
    { "PAE user write to read-only", 1, WRITE, 1, TABLE|P|W|U, FRAME|P|U, .error = 7 },
    { "PAE user read under supervisor", 1, READ, 1, TABLE|P|W, FRAME|P|W|U, .error = 5 },
    { "PAE supervisor write to read-only, WP", 1, WRITE, 0, TABLE|P|W|U, FRAME|P|U, 3, .cr0 = WP },
    { "PAE absent page", 1, WRITE, 0, TABLE|P|W|U, 0, .error = 2 },
    { "PAE absent table", 1, READ, 1, 0, FRAME|P|W|U, .error = 4 },
    { "PAE absent entries may hold anything", 1, READ, 0, TABLE|P|W|U, 0x7ffffffffffffffeull, .error = 0 },
    { "PAE reserved address bit of a page", 1, READ, 0, TABLE|P|W|U, FRAME|P|W|U|1ull<<36, .error = 9 },
    { "PAE reserved bit 62 of a page, user write", 1, WRITE, 1, TABLE|P|W|U, FRAME|P|W|U|1ull<<62,
      .error = 0xf },
    { "PAE reserved bit of a table", 1, READ, 0, TABLE|P|W|U|1ull<<40, FRAME|P|W|U, .error = 9 },
    { "PAE bit 63 while EFER.NXE is clear, read", 1, READ, 0, TABLE|P|W|U, FRAME|P|W|U|NX, .error = 9 },
    { "PAE bit 63 while EFER.NXE is clear, fetch", 1, FETCH, 0, TABLE|P|W|U, FRAME|P|W|U|NX, .error = 9 },
    { "PAE bit 63 of a table while EFER.NXE is clear", 1, READ, 1, TABLE|P|W|U|NX, FRAME|P|W|U,
      .error = 0xd },
    /* execute-disable */
    { "NX read", 1, READ, 0, TABLE|P|W|U, FRAME|P|W|U|NX, GOOD, FRAME, A, .pte_sets = A, .nxe = 1 },
    { "NX write", 1, WRITE, 0, TABLE|P|W|U|NX, FRAME|P|W|U|NX, GOOD, FRAME, A, .pte_sets = A|D, .nxe = 1 },
    { "NX fetch", 1, FETCH, 0, TABLE|P|W|U, FRAME|P|W|U|NX, 0x11, .nxe = 1 },
    { "NX of the table, user fetch", 1, FETCH, 1, TABLE|P|W|U|NX, FRAME|P|W|U, 0x15, .nxe = 1 },
    { "NXE fetch from an absent page", 1, FETCH, 0, TABLE|P|W|U, 0, 0x10, .nxe = 1 },
    { "NXE user fetch from a supervisor page", 1, FETCH, 1, TABLE|P|W|U, FRAME|P|W, 0x15, .nxe = 1 },
    { "NXE reserved bit, fetch", 1, FETCH, 0, TABLE|P|W|U, FRAME|P|W|U|1ull<<50, 0x19, .nxe = 1 },
    { "NXE and no NX, fetch", 1, FETCH, 1, TABLE|P|W|U, FRAME|P|W|U, GOOD, FRAME, A, .pte_sets = A,
      .nxe = 1 },
    { "NXE without PAE has no I bit", 0, FETCH, 0, TABLE|P|W|U, 0, 0, .nxe = 1 },
    /* PAE, 2 MiB pages: CR4.PSE does not matter */
    { "2 MiB read", 1, READ, 0, FRAME_LARGE|P|W|U|PS, 0, GOOD, FRAME_LARGE, A, .pte_sets = 0 },
    { "2 MiB write", 1, WRITE, 1, FRAME_LARGE|P|W|U|PS, 0, GOOD, FRAME_LARGE, A|D, .pte_sets = 0,
      .cr4 = X86_CR4_PSE },
    { "2 MiB above 4 GiB", 1, WRITE, 0, FRAME_HIGH|P|W|U|PS, 0, GOOD, FRAME_HIGH, A|D, .pte_sets = 0 },
    { "2 MiB with PAT", 1, READ, 0, FRAME_LARGE|P|W|U|PS|0x1000, 0, GOOD, FRAME_LARGE, A, .pte_sets = 0 },
    { "2 MiB with bit 13", 1, READ, 0, FRAME_LARGE|P|W|U|PS|0x2000, 0, .error = 9 },
    { "2 MiB with bit 20, user write", 1, WRITE, 1, FRAME_LARGE|P|W|U|PS|0x100000, 0, .error = 0xf },
    { "2 MiB NX fetch", 1, FETCH, 1, FRAME_LARGE|P|W|U|PS|NX, 0, 0x15, .nxe = 1 },
    { "2 MiB user read of supervisor", 1, READ, 1, FRAME_LARGE|P|W|PS, 0, .error = 5 },
    /* clang-format on */
};

/* Code for one access at `la`; where it starts. */
static uint32_t access_code(enum access access, uint32_t la)
{
    switch (access) {
    case READ:
        BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(la), 0xcc); /* mov eax,[la] */
        break;
    case WRITE:
        BENCH_BYTES(&b, BENCH_CODE, 0xc7, 0x05, LE32(la), LE32(0xfeedface),
                    0xcc); /* mov dword [la],FEEDFACE */
        break;
    case MODIFY:
        BENCH_BYTES(&b, BENCH_CODE, 0xff, 0x05, LE32(la), 0xcc); /* inc dword [la] */
        break;
    default:
        return la;
    }
    return BENCH_CODE;
}

/* What is at the page: mov al,77; int3 -- also a number. */
enum { CONTENTS = 0xcccc77b0 };

START_TEST(walk_is)
{
    const char *name = walks[_i].name;
    static const uint64_t frames[] = { FRAME, FRAME_LARGE, FRAME_HIGH };
    uint32_t la = LINEAR + OFFSET;
    paging_on(walks[_i].pae, walks[_i].user, walks[_i].cr0, walks[_i].cr4, walks[_i].nxe ? X86_EFER_NXE : 0);
    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
        bench_write32(&b, frames[i] + OFFSET, frames[i] == walks[_i].pa ? CONTENTS : 0x0b0b0b0b);
    set_pde(walks[_i].pde);
    set_pte(0, walks[_i].pte);
    bench_set_eip(&b, access_code(walks[_i].access, la));
    enum bench_end end = bench_run(&b);
    if (walks[_i].error == GOOD) {
        ck_assert_msg(end == BENCH_INT3, "%s: end %d, exception %u (%#x)", name, (int)end, b.exception.vector,
                      b.exception.error_code);
        static const uint32_t results[] = { CONTENTS, 0, 0, 0x77 },
                              left[] = { CONTENTS, 0xfeedface, CONTENTS + 1, CONTENTS };
        ck_assert_msg(bench_regs(&b).eax == results[walks[_i].access], "%s: EAX %#x", name,
                      bench_regs(&b).eax);
        ck_assert_uint_eq(bench_read32(&b, walks[_i].pa + OFFSET), left[walks[_i].access]);
        ck_assert_msg(get_pde() == (walks[_i].pde | walks[_i].pde_sets), "%s: PDE %#llx", name,
                      (unsigned long long)get_pde());
        ck_assert_msg(get_pte(0) == (walks[_i].pte | walks[_i].pte_sets), "%s: PTE %#llx", name,
                      (unsigned long long)get_pte(0));
    } else {
        ck_assert_msg(end == BENCH_EXCEPTION && b.exception.vector == X86_VEC_PF, "%s: end %d, exception %u",
                      name, (int)end, b.exception.vector);
        ck_assert_msg(b.exception.error_code == (uint32_t)walks[_i].error, "%s: error code %#x", name,
                      b.exception.error_code);
        ck_assert_uint_eq(b.exception.cr2, la);
        ck_assert_uint_eq(bench_regs(&b).eip, walks[_i].access == FETCH ? la : BENCH_CODE);
        /* A fault may set A on the way, never D. */
        ck_assert_uint_eq(get_pde() & ~(uint64_t)A, walks[_i].pde & ~(uint64_t)A);
        ck_assert_uint_eq(get_pte(0) & ~(uint64_t)A, walks[_i].pte & ~(uint64_t)A);
    }
    ck_assert_uint_eq(b.logged, 0);
}
END_TEST

/* ---- Accesses over a page border ----------------------------------------------------------------------- */

START_TEST(border_fault_names_the_second_page_and_writes_nothing)
{
    paging_on(_i, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, FRAME | P | W | U);
    set_pte(1, 0);
    bench_write32(&b, FRAME + 0xffc, 0x11111111);
    for (unsigned before = 1; before <= 3; before++) {
        bench_set_eip(&b, access_code(WRITE, LINEAR + 0x1000 - before));
        BENCH_FAULT(&b, X86_VEC_PF);
        ck_assert_uint_eq(b.exception.cr2, LINEAR + 0x1000);
        ck_assert_uint_eq(b.exception.error_code, X86_PF_W);
        ck_assert_uint_eq(bench_read32(&b, FRAME + 0xffc), 0x11111111);
    }
    /* The first page's fault comes first. */
    set_pte(0, 0);
    bench_set_eip(&b, BENCH_CODE);
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0); /* flush */
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, LINEAR + 0x1000 - 3);
    /* Both there, not neighbours. */
    set_pte(0, FRAME | P | W | U);
    set_pte(1, FRAME_LARGE | P | W | U);
    bench_set_eip(&b, BENCH_CODE);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_read32(&b, FRAME + 0xffc), 0xedface11);
    ck_assert_uint_eq(bench_read32(&b, FRAME_LARGE) & 0xff, 0xfe);
    ck_assert_uint_eq(get_pte(1), FRAME_LARGE | P | W | U | A | D);
}
END_TEST

/* ---- Copies -------------------------------------------------------------------------------------------- */

/*
 * What is copied is read before the limit of where it goes is looked at, by an iteration as by many at once
 * (the SDM leaves the order open; processors do it in this one).
 */
START_TEST(a_copy_reads_before_it_looks_at_the_destination)
{
    static const uint8_t forms[][3] = { { 0xa4, 0xcc }, { 0xf3, 0xa4, 0xcc }, { 0xf3, 0xa5, 0xcc } };
    paging_on(false, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, 0);
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    s.seg[D86_ES].limit = 0xfffff;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    bench_write(&b, BENCH_CODE, forms[_i], sizeof(forms[_i]));
    struct d86_regs r = bench_regs(&b);
    r.eip = BENCH_CODE;
    r.ecx = 5;
    r.esi = LINEAR;
    r.edi = 0x100000;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, LINEAR);
    set_pte(0, FRAME | P);
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_FAULT(&b, X86_GP);
}
END_TEST

/* ---- Dirty bit ----------------------------------------------------------------------------------------- */

START_TEST(dirty_bit_is_set_by_the_first_write_after_a_flush)
{
    paging_on(_i, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, FRAME | P | W | U);
    /* mov eax,[la]; int3 -- mov [la],eax; int3 -- invlpg [la]; int3 */
    enum { READS = BENCH_CODE, WRITES = BENCH_CODE + 0x10, FLUSHES = BENCH_CODE + 0x20 };
    BENCH_BYTES(&b, READS, 0xa1, LE32(LINEAR), 0xcc);
    BENCH_BYTES(&b, WRITES, 0xa3, LE32(LINEAR), 0xcc);
    BENCH_BYTES(&b, FLUSHES, 0x0f, 0x01, 0x3d, LE32(LINEAR), 0xcc);
    for (unsigned round = 0; round < 3; round++) {
        set_pte(0, FRAME | P | W | U);
        bench_set_eip(&b, FLUSHES);
        BENCH_RUN(&b);
        bench_set_eip(&b, READS);
        BENCH_RUN(&b);
        ck_assert_uint_eq(get_pte(0), FRAME | P | W | U | A);
        bench_set_eip(&b, WRITES); /* the page is in the TLB by now, from the read */
        BENCH_RUN(&b);
        ck_assert_uint_eq(get_pte(0), FRAME | P | W | U | A | D);
    }
}
END_TEST

/* ---- Flushing ------------------------------------------------------------------------------------------ */

enum flush { BY_INVLPG, BY_CR3, BY_PGE, BY_CR0_PG, FLUSHES };

static const uint8_t flush_code[FLUSHES][24] = {
    [BY_INVLPG] = { 0x0f, 0x01, 0x3d, LE32(LINEAR + 0x123), 0xcc },
    [BY_CR3] = { 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0xcc },
    /* mov eax,cr4; xor al,80; mov cr4,eax; xor al,80; mov cr4,eax */
    [BY_PGE] = { 0x0f, 0x20, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0xcc },
    /* mov eax,cr0; btc eax,31; mov cr0,eax; btc eax,31; mov cr0,eax -- identity-mapped code */
    [BY_CR0_PG] = { 0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xf8, 31, 0x0f, 0x22, 0xc0, 0x0f, 0xba, 0xf8, 31, 0x0f,
                    0x22, 0xc0, 0xcc },
};

/* Small, large; with PAE; global or not; by each way of flushing. Only MOV CR3 may leave a global page
 * cached. */
START_TEST(flush_shows_the_new_mapping)
{
    bool use_pae = _i & 1, large = _i & 2, global = _i & 4;
    enum flush flush = (enum flush)(_i >> 3);
    enum { READS = BENCH_CODE + 0x40, WRITES = BENCH_CODE + 0x80 };
    uint64_t bits = P | W | U | (large ? PS : 0) | (global ? G : 0);
    uint32_t first = 0x400000, second = 0x800000, inside = large ? 0x5000 : 0;
    if (flush == BY_CR3 && global)
        return;
    paging_on(use_pae, false, 0, X86_CR4_PSE | X86_CR4_PGE, 0);
    set_pde(large ? first | bits : (TABLE | P | W | U));
    set_pte(0, first | bits);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t frame = i ? second : first;
        bench_write32(&b, frame + OFFSET, 100 + i);
        bench_write32(&b, frame + inside + OFFSET, 200 + i);
        BENCH_BYTES(&b, frame + inside + 0x200, 0xb8, LE32(300 + i), 0xcc); /* mov eax,300+i; int3 */
    }
    bench_write(&b, BENCH_CODE, flush_code[flush], sizeof(flush_code[flush]));
    BENCH_BYTES(&b, READS, 0xa1, LE32(LINEAR + OFFSET), 0x8b, 0x1d, LE32(LINEAR + inside + OFFSET), 0xcc);
    BENCH_BYTES(&b, WRITES, 0xc7, 0x05, LE32(LINEAR + inside + 0x300), LE32(0x5a5a5a5a), 0xcc);
    for (unsigned round = 0; round < 4; round++) {
        unsigned now = round & 1;
        uint32_t frame = now ? second : first;
        if (large)
            set_pde(frame | bits);
        else
            set_pte(0, frame | bits);
        bench_set_eip(&b, BENCH_CODE);
        BENCH_RUN(&b);
        bench_set_eip(&b, READS);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, large ? 100 + now : 200 + now);
        ck_assert_uint_eq(bench_regs(&b).ebx, 200 + now);
        bench_set_eip(&b, LINEAR + inside + 0x200);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 300 + now);
        bench_write32(&b, first + inside + 0x300, 0);
        bench_write32(&b, second + inside + 0x300, 0);
        bench_set_eip(&b, WRITES);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_read32(&b, frame + inside + 0x300), 0x5a5a5a5a);
    }
}
END_TEST

/* From all rights to fewer: the access that went well must fault once the translation was flushed. */
START_TEST(removed_rights_count_after_a_flush)
{
    static const struct {
        uint64_t bits;
        enum access access;
        uint32_t error;
    } steps[] = {
        { P | U, WRITE, 7 }, { P | W, READ, 5 }, { P | W, FETCH, 5 },
        { 0, READ, 4 },      { 0, FETCH, 4 },    { P | W, WRITE, 7 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        paging_on(_i, true, 0, 0, 0);
        set_pde(TABLE | P | W | U);
        set_pte(0, FRAME | P | W | U);
        bench_write32(&b, FRAME + OFFSET, CONTENTS);
        uint32_t start = access_code(steps[i].access, LINEAR + OFFSET);
        bench_set_eip(&b, start);
        BENCH_RUN(&b);
        set_pte(0, FRAME | steps[i].bits);
        struct d86_sregs s;
        d86_vcpu_get_sregs(b.cpu, &s);
        ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
        bench_set_eip(&b, start);
        BENCH_FAULT(&b, X86_VEC_PF);
        ck_assert_uint_eq(b.exception.error_code, steps[i].error);
    }
}
END_TEST

START_TEST(wp_counts_at_once)
{
    paging_on(_i, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, FRAME | P | U);
    /* mov [la],eax; mov ebx,cr0; bts ebx,16; mov cr0,ebx; mov [la],eax */
    BENCH_BYTES(&b, BENCH_CODE, 0xa3, LE32(LINEAR), 0x0f, 0x20, 0xc3, 0x0f, 0xba, 0xeb, 16, 0x0f, 0x22, 0xc3,
                0xa3, LE32(LINEAR), 0xcc);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 15);
    ck_assert_uint_eq(b.exception.error_code, 3);
}
END_TEST

START_TEST(user_and_supervisor_translations_are_kept_apart)
{
    paging_on(_i, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, FRAME | P | W);
    bench_write32(&b, FRAME + OFFSET, CONTENTS);
    bench_set_eip(&b, access_code(READ, LINEAR + OFFSET));
    BENCH_RUN(&b); /* now in the supervisor's TLB */
    /* To CPL 3 without a flush: the stack holds EIP, CS, EFLAGS, ESP, SS for IRET. */
    enum { GDT = 0x9000 };
    bench_write64(&b, GDT + 8, 0x00cffb000000ffffull); /* user code, user data */
    bench_write64(&b, GDT + 16, 0x00cff3000000ffffull);
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    s.gdt = (struct d86_table){ GDT, 23 };
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    const uint32_t frame[] = { BENCH_CODE + 0x10, 0x0b, 2, BENCH_STACK, 0x13 };
    bench_write(&b, BENCH_STACK, frame, sizeof(frame));
    /* mov eax,[la]; iret; at +10: mov eax,ss:[la] */
    BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(LINEAR + OFFSET), 0xcf);
    BENCH_BYTES(&b, BENCH_CODE + 0x10, 0x36, 0xa1, LE32(LINEAR + OFFSET), 0xcc);
    bench_set_eip(&b, BENCH_CODE);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 0x10);
    ck_assert_uint_eq(b.exception.error_code, 5);
}
END_TEST

/* ---- PDPTEs -------------------------------------------------------------------------------------------- */

START_TEST(pdptes_are_loaded_with_cr3_only)
{
    enum { OTHER = 0x13000 };
    paging_on(true, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, FRAME | P | W | U);
    bench_write32(&b, FRAME + OFFSET, 1);
    bench_write32(&b, FRAME_LARGE + OFFSET, 2);
    /* Another directory that maps the address elsewhere, put into the PDPTE in memory. */
    bench_write64(&b, OTHER, P | W | U | PS);
    bench_write64(&b, OTHER + (LINEAR >> 21) * 8, FRAME_LARGE | P | W | U | PS);
    bench_write64(&b, ROOT, OTHER | P);
    /* invlpg [la]; mov ebx,[la]; mov eax,cr3; mov cr3,eax; mov ecx,[la]; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0x01, 0x3d, LE32(LINEAR), 0x8b, 0x1d, LE32(LINEAR + OFFSET), 0x0f, 0x20,
                0xd8, 0x0f, 0x22, 0xd8, 0x8b, 0x0d, LE32(LINEAR + OFFSET), 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx, 1);
    ck_assert_uint_eq(bench_regs(&b).ecx, 2);
}
END_TEST

static const struct {
    uint64_t pdpte;
    bool good;
} pdptes[] = {
    { LOW | P, true },
    { LOW | P | 0x18, true },     /* PWT, PCD */
    { LOW | P | 0xe00, true },    /* available */
    { 0x7ffffffffffffffe, true }, /* absent: the rest does not matter */
    { LOW | P | 2, false },
    { LOW | P | 4, false },
    { LOW | P | 0x20, false },
    { LOW | P | 0x100, false },
    { LOW | P | 1ull << 36, false },
    { LOW | P | 1ull << 63, false },
};

START_TEST(reserved_pdpte_bits_refuse_cr3)
{
    enum { NEW = 0x14000 };
    paging_on(true, false, 0, 0, 0);
    bench_write64(&b, NEW, LOW | P);
    bench_write64(&b, NEW + 8 * 3, pdptes[_i].pdpte);                     /* any of the four */
    BENCH_BYTES(&b, BENCH_CODE, 0xb8, LE32(NEW), 0x0f, 0x22, 0xd8, 0xcc); /* mov eax,NEW; mov cr3,eax; int3 */
    struct d86_sregs s;
    if (pdptes[_i].good) {
        BENCH_RUN(&b);
    } else {
        BENCH_FAULT(&b, X86_GP);
        ck_assert_uint_eq(b.exception.error_code, 0);
        ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 5);
    }
    d86_vcpu_get_sregs(b.cpu, &s);
    ck_assert_uint_eq(s.cr3, pdptes[_i].good ? NEW : ROOT);
    /* The old tables are still in use, or the new ones: code goes on running. */
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x42, 0xcc);
    bench_set_eip(&b, BENCH_CODE);
    BENCH_RUN(&b);
}
END_TEST

START_TEST(reserved_pdpte_bits_refuse_cr0_and_cr4)
{
    struct d86_sregs s;
    /* Turning paging on with PAE: mov eax,cr0; bts eax,31; mov cr0,eax */
    bench_mode(&b, BENCH_FLAT32);
    bench_write64(&b, ROOT, LOW | P | 2);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr3 = ROOT;
    s.cr4 = X86_CR4_PAE;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xe8, 31, 0x0f, 0x22, 0xc0, 0xcc);
    BENCH_FAULT(&b, X86_GP);
    d86_vcpu_get_sregs(b.cpu, &s);
    ck_assert(!(s.cr0 & X86_CR0_PG));
    /* Turning PAE on with paging on: mov eax,cr4; or al,20; mov cr4,eax */
    paging_on(false, false, 0, 0, 0);
    bench_write32(&b, ROOT + 4 * 2, 3); /* the third PDPTE's low half, seen as one: P and a reserved bit */
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0x20, 0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0, 0xcc);
    BENCH_FAULT(&b, X86_GP);
    d86_vcpu_get_sregs(b.cpu, &s);
    ck_assert(!(s.cr4 & X86_CR4_PAE));
}
END_TEST

/* ---- Where tables may be ------------------------------------------------------------------------------- */

START_TEST(tables_in_rom_translate_and_keep_their_bits)
{
    static uint8_t rom[0x2000];
    enum { AT = 0x2000000 };
    uint32_t entry;
    struct d86_sregs s;
    entry = (AT + 0x1000) | P | W | U;
    memcpy(rom, &entry, 4);
    for (uint32_t page = 0; page < 1024; page++) {
        entry = page << 12 | P | W | U;
        memcpy(rom + 0x1000 + page * 4, &entry, 4);
    }
    ck_assert_int_eq(d86_vm_add_rom(b.vm, AT, rom, sizeof(rom)), 0);
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr0 |= X86_CR0_PG;
    s.cr3 = AT;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    bench_set_eip(&b, access_code(WRITE, 0x5000));
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_read32(&b, 0x5000), 0xfeedface);
    ck_assert_uint_eq(bench_read32(&b, AT), (AT + 0x1000) | P | W | U);
    ck_assert_uint_eq(b.logged, 0);
}
END_TEST

/* Tables outside memory read as ones: present, everything allowed, and with PSE full of reserved bits. */
START_TEST(tables_outside_memory_read_as_ones)
{
    struct d86_sregs s;
    paging_on(false, false, 0, X86_CR4_PSE, 0);
    bench_write32(&b, pde_pa(), 0x8000000 | P | W | U); /* the table is not in memory */
    bench_set_eip(&b, access_code(READ, LINEAR + OFFSET));
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 1);
    BENCH_SAW(&b, 0, 0xfffff000u + OFFSET, 4, false, 0xffffffffu);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr3 = 0x8000000;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    bench_set_eip(&b, BENCH_CODE);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.error_code, X86_PF_P | X86_PF_RSVD);
    ck_assert_uint_eq(b.exception.cr2, BENCH_CODE);
}
END_TEST

START_TEST(a20_masks_tables_and_pages)
{
    struct d86_sregs s;
    paging_on(_i, false, 0, 0, 0);
    set_pde(TABLE | 0x100000 | P | W | U);
    set_pte(0, FRAME | P | W | U); /* bit 20 set in 300000: masked, it is 200000 */
    bench_write32(&b, FRAME + OFFSET, 1);
    bench_write32(&b, FRAME - 0x100000 + OFFSET, 2);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr3 = ROOT | 0x100000;
    d86_vcpu_set_a20(b.cpu, false);
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    bench_set_eip(&b, access_code(READ, LINEAR + OFFSET));
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eax, 2);
}
END_TEST

/* A store into a page table through its own mapping is seen after the flush like any other. */
START_TEST(tables_can_be_written_through_themselves)
{
    paging_on(false, false, 0, 0, 0);
    set_pde(TABLE | P | W | U);
    set_pte(0, TABLE | P | W | U); /* LINEAR shows the table itself */
    bench_write32(&b, FRAME + OFFSET, 0x1234);
    /* mov dword [LINEAR+4],FRAME|7; invlpg [LINEAR+1000]; mov eax,[LINEAR+1000+OFFSET]; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xc7, 0x05, LE32(LINEAR + 4), LE32(FRAME | 7), 0x0f, 0x01, 0x3d,
                LE32(LINEAR + 0x1000), 0xa1, LE32(LINEAR + 0x1000 + OFFSET), 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x1234);
    ck_assert_uint_eq(get_pte(1), FRAME | P | W | U | A);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paging");
    TCase *tc = tcase_create("paging");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, walk_is, 0, ARRAY_SIZE(walks));
    tcase_add_loop_test(tc, border_fault_names_the_second_page_and_writes_nothing, 0, 2);
    tcase_add_loop_test(tc, a_copy_reads_before_it_looks_at_the_destination, 0, 3);
    tcase_add_loop_test(tc, dirty_bit_is_set_by_the_first_write_after_a_flush, 0, 2);
    tcase_add_loop_test(tc, flush_shows_the_new_mapping, 0, 8 * FLUSHES);
    tcase_add_loop_test(tc, removed_rights_count_after_a_flush, 0, 2);
    tcase_add_loop_test(tc, wp_counts_at_once, 0, 2);
    tcase_add_loop_test(tc, user_and_supervisor_translations_are_kept_apart, 0, 2);
    tcase_add_test(tc, pdptes_are_loaded_with_cr3_only);
    tcase_add_loop_test(tc, reserved_pdpte_bits_refuse_cr3, 0, ARRAY_SIZE(pdptes));
    tcase_add_test(tc, reserved_pdpte_bits_refuse_cr0_and_cr4);
    tcase_add_test(tc, tables_in_rom_translate_and_keep_their_bits);
    tcase_add_test(tc, tables_outside_memory_read_as_ones);
    tcase_add_loop_test(tc, a20_masks_tables_and_pages, 0, 2);
    tcase_add_test(tc, tables_can_be_written_through_themselves);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
