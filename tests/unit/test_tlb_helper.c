/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel module's bookkeeping (monitor/helper/pages.c) under a kernel that is none (stub_kernel.h): what
 * fetches and reads see in each state, what is refused, and that nothing is lost or left behind, whatever
 * fails and in whatever order things are asked for.
 */
#include "stub_kernel.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "pages.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { A = STUB_LOW, B = STUB_LOW + 0x1000, MAPPED = VM_READ | VM_EXEC | VM_SHARED };

static struct d86_tlb_owner *owner;

static int map_owner(struct vm_area_struct *vma)
{
    return d86_tlb_mmap(owner, vma);
}

static const struct d86_tlb_register registration = { D86_TLB_VERSION, 0, STUB_RAM_FD, STUB_ARENA_FD };

static void begin(void)
{
    stub_begin();
    owner = d86_tlb_owner_new();
    ck_assert_ptr_nonnull(owner);
    ck_assert_int_eq(d86_tlb_register(owner, &registration), 0);
}

static void end(void)
{
    d86_tlb_owner_free(owner);
    stub_end();
}

static struct vm_area_struct *map_at(unsigned long at)
{
    int error;
    struct vm_area_struct *vma = stub_mmap(map_owner, at, PAGE_SIZE, MAPPED, 0, &error);
    ck_assert_int_eq(error, 0);
    return vma;
}

/* With page n of the arena before page n of the RAM file. */
static int prime(uint32_t at, unsigned n)
{
    const struct d86_tlb_prime r = { at, 0, STUB_ARENA_AT + n * PAGE_SIZE, STUB_RAM_AT + n * PAGE_SIZE };
    return d86_tlb_prime(owner, &r);
}

static int settle(uint32_t at, uint32_t flags)
{
    const struct d86_tlb_page r = { at, flags };
    return d86_tlb_settle(owner, &r);
}

static int unprime(uint32_t at)
{
    const struct d86_tlb_page r = { at, 0 };
    return d86_tlb_unprime(owner, &r);
}

/* ---- What the program sees --------------------------------------------------------------------------- */

START_TEST(an_empty_page_is_not_there)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_uint_eq(stub_fetch(A), STUB_FAULT);
    ck_assert_uint_eq(stub_read(A), STUB_FAULT);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(a_settled_page_has_two_faces)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 3), 0);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT + 3 * PAGE_SIZE));
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT + 3 * PAGE_SIZE));
    ck_assert_uint_eq(stub_read(A), stub_frame(STUB_RAM_AT + 3 * PAGE_SIZE));
    ck_assert_uint_eq(stub_write(A), STUB_FAULT);
    ck_assert_int_eq(unprime(A), 0);
    ck_assert_uint_eq(stub_fetch(A), STUB_FAULT);
    ck_assert_uint_eq(stub_read(A), STUB_FAULT);
    stub_munmap(vma);
    end();
}
END_TEST

/* The processor has lost what nobody executed: a fault, never the original's bytes. */
START_TEST(a_page_nobody_executed_cannot_be_fetched_once_settled)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 0), 0);
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_uint_eq(stub_fetch(A), STUB_FAULT);
    ck_assert_uint_eq(stub_read(A), stub_frame(STUB_RAM_AT));
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(without_u_reads_fault)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 0), 0);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT));
    ck_assert_int_eq(settle(A, D86_TLB_SUPERVISOR), 0);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT));
    ck_assert_uint_eq(stub_read(A), STUB_FAULT);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(priming_again_shows_other_frames)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 0), 0);
    (void)stub_fetch(A);
    ck_assert_int_eq(settle(A, 0), 0);
    (void)stub_read(A);
    ck_assert_int_eq(prime(A, 1), 0);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT + PAGE_SIZE));
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_uint_eq(stub_read(A), stub_frame(STUB_RAM_AT + PAGE_SIZE));
    ck_assert_int_eq(stub_pins(STUB_ARENA_AT), 0);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(one_frame_can_be_shown_at_many_places)
{
    begin();
    struct vm_area_struct *a = map_at(A), *b = map_at(B);
    ck_assert_int_eq(prime(A, 0), 0);
    ck_assert_int_eq(prime(B, 0), 0);
    ck_assert_int_eq(stub_pins(STUB_ARENA_AT), 2);
    (void)stub_fetch(A), (void)stub_fetch(B);
    stub_munmap(a);
    ck_assert_uint_eq(stub_fetch(B), stub_frame(STUB_ARENA_AT));
    ck_assert_int_eq(stub_pins(STUB_ARENA_AT), 1);
    stub_munmap(b);
    end();
}
END_TEST

/* The arena's own frames may be the originals, too: the self-test's are. */
START_TEST(both_faces_can_be_the_arenas)
{
    const struct d86_tlb_prime r = { A, 0, STUB_ARENA_AT, STUB_ARENA_AT + PAGE_SIZE };
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(d86_tlb_prime(owner, &r), 0);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(ring_0_primes_with_a_page_of_its_own)
{
    const struct d86_tlb_prime r = { A, D86_TLB_RING0, STUB_OTHER_AT, STUB_RAM_AT };
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(d86_tlb_prime(owner, &r), -EOPNOTSUPP);
    stub_allow_ring0(true);
    /* What the program had there before must not be executed. */
    ck_assert_int_eq(prime(A, 0), 0);
    (void)stub_fetch(A);
    ck_assert_int_eq(d86_tlb_prime(owner, &r), 0);
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_uint_eq(stub_fetch(A), STUB_RING0_FRAME);
    ck_assert_uint_eq(stub_read(A), stub_frame(STUB_RAM_AT));
    stub_munmap(vma);
    end();
}
END_TEST

/* ---- What is refused --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct d86_tlb_register r;
    int error;
} bad_registrations[] = {
    { "another version", { 2, 0, STUB_RAM_FD, STUB_ARENA_FD }, -EINVAL },
    { "flags", { D86_TLB_VERSION, 1, STUB_RAM_FD, STUB_ARENA_FD }, -EINVAL },
    { "no such descriptor", { D86_TLB_VERSION, 0, 5, STUB_ARENA_FD }, -EBADF },
    { "a negative one", { D86_TLB_VERSION, 0, STUB_RAM_FD, -1 }, -EBADF },
    { "a file on a disk", { D86_TLB_VERSION, 0, STUB_DISK_FD, STUB_ARENA_FD }, -EINVAL },
    { "one that cannot be read", { D86_TLB_VERSION, 0, STUB_RAM_FD, STUB_WRITE_FD }, -EINVAL },
};

START_TEST(refuses_registrations)
{
    stub_begin();
    owner = d86_tlb_owner_new();
    ck_assert_int_eq(d86_tlb_register(owner, &bad_registrations[_i].r), bad_registrations[_i].error);
    ck_assert_int_eq(prime(A, 0), -ENXIO);
    ck_assert_int_eq(d86_tlb_register(owner, &registration), 0);
    ck_assert_int_eq(d86_tlb_register(owner, &registration), -EBUSY);
    end();
}
END_TEST

static const struct {
    const char *name;
    struct d86_tlb_prime r;
    int error;
} bad_primes[] = {
    { "flags", { A, 4, STUB_ARENA_AT, STUB_RAM_AT }, -EINVAL },
    { "inside of a page", { A + 4, 0, STUB_ARENA_AT, STUB_RAM_AT }, -EINVAL },
    { "where nothing is mapped", { A + 0x5000, 0, STUB_ARENA_AT, STUB_RAM_AT }, -ENOENT },
    { "a frame inside of a page", { A, 0, STUB_ARENA_AT + 1, STUB_RAM_AT }, -EINVAL },
    { "no private frame", { A, 0, 0, STUB_RAM_AT }, -EFAULT },
    { "no original frame", { A, 0, STUB_ARENA_AT, 0xffff800000000000 }, -EFAULT },
    { "a private frame of the RAM file", { A, 0, STUB_RAM_AT, STUB_RAM_AT }, -EACCES },
    { "a private frame of another file", { A, 0, STUB_OTHER_AT, STUB_RAM_AT }, -EACCES },
    { "an original frame of another file", { A, 0, STUB_ARENA_AT, STUB_OTHER_AT }, -EACCES },
    { "code from a noexec file system", { A, 0, STUB_NOEXEC_AT, STUB_RAM_AT }, -EACCES },
};

START_TEST(refuses_to_prime)
{
    struct d86_tlb_counters counters;
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 7), 0);
    (void)stub_fetch(A);
    ck_assert_int_eq(d86_tlb_prime(owner, &bad_primes[_i].r), bad_primes[_i].error);
    ck_assert_uint_eq(stub_fetch(A), stub_frame(STUB_ARENA_AT + 7 * PAGE_SIZE)); /* as it was */
    d86_tlb_count(owner, &counters);
    ck_assert_uint_eq(counters.refusals, 1);
    ck_assert_uint_eq(counters.pages, 1);
    stub_munmap(vma);
    end();
}
END_TEST

static const struct {
    const char *name;
    unsigned long at, size, flags, pgoff;
} bad_mappings[] = {
    { "two pages", A, 2 * PAGE_SIZE, MAPPED, 0 },       { "above 4 GiB", 0x100000000, PAGE_SIZE, MAPPED, 0 },
    { "to write", A, PAGE_SIZE, MAPPED | VM_WRITE, 0 }, { "private", A, PAGE_SIZE, VM_READ | VM_EXEC, 0 },
    { "an offset", A, PAGE_SIZE, MAPPED, 1 },
};

START_TEST(refuses_to_be_mapped)
{
    int error;
    begin();
    ck_assert_ptr_null(stub_mmap(map_owner, bad_mappings[_i].at, bad_mappings[_i].size,
                                 bad_mappings[_i].flags, bad_mappings[_i].pgoff, &error));
    ck_assert_int_eq(error, -EINVAL);
    end();
}
END_TEST

START_TEST(the_last_page_below_4_gib_can_be_mapped)
{
    int error;
    struct vm_area_struct *vma;
    begin();
    vma = stub_mmap(map_owner, 0xfffff000, PAGE_SIZE, MAPPED, 0, &error);
    ck_assert_ptr_nonnull(vma);
    vma->vm_start = A, vma->vm_end = B; /* the stub's tables are short */
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(another_process_may_nothing)
{
    int error;
    begin();
    struct vm_area_struct *vma = map_at(A);
    stub_be_another(true);
    ck_assert_int_eq(prime(A, 0), -EPERM);
    ck_assert_int_eq(settle(A, 0), -EPERM);
    ck_assert_int_eq(unprime(A), -EPERM);
    ck_assert_ptr_null(stub_mmap(map_owner, B, PAGE_SIZE, MAPPED, 0, &error));
    ck_assert_int_eq(error, -EPERM);
    stub_be_another(false);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(another_owner_of_the_same_process_may_nothing)
{
    struct d86_tlb_owner *first;
    begin();
    struct vm_area_struct *vma = map_at(A);
    first = owner;
    owner = d86_tlb_owner_new();
    ck_assert_int_eq(d86_tlb_register(owner, &registration), 0);
    ck_assert_int_eq(prime(A, 0), -ENOENT);
    ck_assert_int_eq(unprime(A), -ENOENT);
    d86_tlb_owner_free(owner);
    owner = first;
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(only_a_primed_page_can_be_settled)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(settle(A, 0), -EBUSY);
    ck_assert_int_eq(settle(B, 0), -ENOENT);
    ck_assert_int_eq(settle(A, 1), -EINVAL);
    ck_assert_int_eq(settle(A + 1, 0), -EINVAL);
    ck_assert_int_eq(prime(A, 0), 0);
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_int_eq(settle(A, 0), -EBUSY);
    ck_assert_int_eq(unprime(A), 0);
    ck_assert_int_eq(unprime(A), 0);
    ck_assert_int_eq(unprime(B), -ENOENT);
    ck_assert_int_eq(settle(A, 0), -EBUSY);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(there_is_an_end_of_pages)
{
    begin();
    unsigned before = d86_tlb_max_pages;
    struct vm_area_struct *a = map_at(A), *b = map_at(B);
    d86_tlb_max_pages = 1;
    ck_assert_int_eq(prime(A, 0), 0);
    ck_assert_int_eq(prime(B, 1), -ENOSPC);
    ck_assert_int_eq(unprime(A), 0);
    ck_assert_int_eq(prime(B, 1), 0);
    d86_tlb_max_pages = before;
    stub_munmap(a), stub_munmap(b);
    end();
}
END_TEST

/* ---- Mappings that move, and things that fail -------------------------------------------------------- */

START_TEST(a_page_does_not_move)
{
    begin();
    struct vm_area_struct *vma = map_at(A);
    ck_assert_int_eq(prime(A, 0), 0);
    (void)stub_fetch(A);
    ck_assert_int_eq(settle(A, 0), 0);
    ck_assert_int_eq(stub_mremap(vma), -EINVAL);
    ck_assert_uint_eq(stub_read(A), stub_frame(STUB_RAM_AT));
    ck_assert_int_eq(unprime(A), 0);
    stub_munmap(vma);
    end();
}
END_TEST

START_TEST(whatever_fails_nothing_is_lost)
{
    static const struct d86_tlb_register twice = { D86_TLB_VERSION, 0, STUB_RAM_FD, STUB_ARENA_FD };
    bool done = false;
    for (unsigned nth = 1; !done; nth++) {
        int error = -ENOMEM;
        stub_begin();
        stub_fail(nth);
        owner = d86_tlb_owner_new();
        if (owner && d86_tlb_register(owner, &twice) == 0) {
            struct vm_area_struct *vma = stub_mmap(map_owner, A, PAGE_SIZE, MAPPED, 0, &error);
            if (vma) {
                done = prime(A, 0) == 0;
                (void)stub_fetch(A);
                done &= settle(A, 0) == 0 && stub_read(A) == stub_frame(STUB_RAM_AT);
                done &= prime(A, 1) == 0 && unprime(A) == 0;
                stub_munmap(vma);
            }
        }
        if (owner)
            d86_tlb_owner_free(owner);
        stub_end();
        ck_assert_uint_le(nth, 100);
    }
}
END_TEST

/* ---- At random --------------------------------------------------------------------------------------- */

enum { PLACES = 6, STEPS = 10000 };

struct place {
    struct vm_area_struct *vma;
    unsigned private, original; /* frames, while primed or settled */
    bool primed, settled;
};

static unsigned pick(unsigned n)
{
    return (unsigned)rand() % n;
}

static uint64_t pages_now(void)
{
    struct d86_tlb_counters counters;
    d86_tlb_count(owner, &counters);
    return counters.pages;
}

static void random_prime(struct place *p, uint32_t at)
{
    unsigned a = pick(STUB_FILE_PAGES), b = pick(STUB_FILE_PAGES);
    const struct d86_tlb_prime r = { at, 0, STUB_ARENA_AT + a * PAGE_SIZE,
                                     (pick(2) ? STUB_RAM_AT : STUB_ARENA_AT) + b * PAGE_SIZE };
    uint64_t pages = pages_now();
    stub_fail(pick(8) ? 0 : 1 + pick(3));
    if (d86_tlb_prime(owner, &r) == 0)
        *p = (struct place){ p->vma, stub_frame(r.private_at), stub_frame(r.original_at), true, false };
    else if (pages_now() < pages)
        p->primed = p->settled = false; /* it was emptied before that failed */
    stub_fail(0);
}

static void random_step(struct place *p, uint32_t at)
{
    int error;
    switch (pick(8)) {
    case 0:
        if (!p->vma)
            p->vma = stub_mmap(map_owner, at, PAGE_SIZE, MAPPED, 0, &error);
        break;
    case 1:
        if (p->vma)
            stub_munmap(p->vma);
        *p = (struct place){ 0 };
        break;
    case 2:
    case 3:
        random_prime(p, at);
        break;
    case 4:
    case 5:
        if (settle(at, 0) == 0)
            p->settled = true;
        break;
    case 6:
        if (unprime(at) == 0)
            p->primed = p->settled = false;
        break;
    default:
        if (p->vma && pick(4) == 0)
            ck_assert_int_eq(stub_mremap(p->vma), -EINVAL);
        break;
    }
}

/* A fetch meets the private frame or nothing; a read of a settled page the original, or what it read before.
 */
static void look(const struct place *p, uint32_t at)
{
    unsigned met = stub_fetch(at);
    ck_assert(met == STUB_FAULT || (p->primed && met == p->private));
    if (!p->primed || p->settled) {
        met = stub_read(at);
        ck_assert_uint_eq(met, p->primed ? p->original : STUB_FAULT);
    }
}

START_TEST(random_life)
{
    struct place places[PLACES] = { 0 };
    struct d86_tlb_counters counters;
    srand((unsigned)_i + 1);
    begin();
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned n = pick(PLACES), primed = 0;
        random_step(&places[n], A + n * 0x1000);
        if (pick(3))
            look(&places[n], A + n * 0x1000);
        for (unsigned j = 0; j < PLACES; j++)
            primed += places[j].primed;
        d86_tlb_count(owner, &counters);
        ck_assert_uint_eq(counters.pages, primed);
        ck_assert_uint_eq(counters.pinned, 2 * primed);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        if (places[i].vma)
            stub_munmap(places[i].vma);
    }
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tlb_helper");
    TCase *tc = tcase_create("pages");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, an_empty_page_is_not_there);
    tcase_add_test(tc, a_settled_page_has_two_faces);
    tcase_add_test(tc, a_page_nobody_executed_cannot_be_fetched_once_settled);
    tcase_add_test(tc, without_u_reads_fault);
    tcase_add_test(tc, priming_again_shows_other_frames);
    tcase_add_test(tc, one_frame_can_be_shown_at_many_places);
    tcase_add_test(tc, both_faces_can_be_the_arenas);
    tcase_add_test(tc, ring_0_primes_with_a_page_of_its_own);
    tcase_add_loop_test(tc, refuses_registrations, 0, (int)ARRAY_SIZE(bad_registrations));
    tcase_add_loop_test(tc, refuses_to_prime, 0, (int)ARRAY_SIZE(bad_primes));
    tcase_add_loop_test(tc, refuses_to_be_mapped, 0, (int)ARRAY_SIZE(bad_mappings));
    tcase_add_test(tc, the_last_page_below_4_gib_can_be_mapped);
    tcase_add_test(tc, another_process_may_nothing);
    tcase_add_test(tc, another_owner_of_the_same_process_may_nothing);
    tcase_add_test(tc, only_a_primed_page_can_be_settled);
    tcase_add_test(tc, there_is_an_end_of_pages);
    tcase_add_test(tc, a_page_does_not_move);
    tcase_add_test(tc, whatever_fails_nothing_is_lost);
    tcase_add_loop_test(tc, random_life, 0, 4);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
