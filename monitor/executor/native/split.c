/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Choosing a split view. Every provider is tried with real code before it is used: a page is mapped as code,
 * another one as data, both for one guest address; an instruction reads its own first bytes.
 * Executor process, before it confines itself.
 */
#include "split.h"

#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "channel.h"
#include "code_cache.h"
#include "executor.h"
#include "host.h"
#include "host_segments.h"
#include "tlb.h"

/* ---- What the host has ----------------------------------------------------------------------------- */

static void host_cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

/* SDM 2A, "CPUID", leaf 7: PKU and OSPKE. */
static bool host_has_keys(void)
{
    uint32_t r[4];
    host_cpuid(0, r);
    if (r[0] < 7)
        return false;
    host_cpuid(7, r);
    return (r[2] & 0x18) == 0x18;
}

/* A key under which pages can be fetched only; false: there is none. */
static bool take_key(struct split *s)
{
    if (s->key_simulated)
        return s->code_key_used = true;
    int key = host_has_keys() ? host_call_int(__NR_pkey_alloc, 0, PKEY_DISABLE_ACCESS, 0, 0, 0, 0) : -ENOSYS;
    if (key > 0) {
        s->code_key = key;
        s->code_key_used = true;
    }
    return s->code_key_used;
}

/* ---- The test ---------------------------------------------------------------------------------------- */

enum {
    TEST_PAGE = 0x00200000, /* guest linear address of the code */
    TEST_WORD = 0x600df00d, /* what the guest's data page holds there */
};

static bool test_page(uint32_t at, const uint8_t *bytes, unsigned size, int protection, int key)
{
    uint8_t *p = (uint8_t *)(uintptr_t)at;
    long result = host_call(__NR_mmap, (long)at, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (result != (long)at)
        return false;
    for (unsigned i = 0; i < size; i++)
        p[i] = bytes[i];
    return host_call_int(__NR_pkey_mprotect, (long)at, 4096, protection, key, 0, 0) == 0 ||
           (key <= 0 && host_call_int(__NR_mprotect, (long)at, 4096, protection, 0, 0, 0) == 0);
}

static void test_unmap(const struct split *s)
{
    host_call(__NR_munmap, TEST_PAGE, 4096, 0, 0, 0, 0);
    host_call(__NR_munmap, (long)split_data(s, TEST_PAGE), 4096, 0, 0, 0, 0);
}

/*
 * MOV EAX, [TEST_PAGE]; INT3, fetched from TEST_PAGE. What it should do: read the data page's word (segment),
 * its own bytes (none), or fault at the read (pku).
 */
static bool test_run(struct vcpu *v, struct native_trap *trap)
{
    struct native_segments segments = { .cs = HOST_CODE32 };
    uint32_t eflags = X86_FLAGS_ONE | X86_IF;
    uint16_t data = v->split.data_base ? (1 << 3 | X86_SEL_TI | 3) : HOST_FLAT_DATA;
    segments.ds = segments.es = segments.ss = data;
    v->eip = TEST_PAGE;
    v->gpr.d[X86_EAX] = 0;
    native_enter(v, &segments, &eflags, trap);
    return trap->cause == NATIVE_FAULT;
}

/* Does guest code that leaves by a door arrive? Else all that must not run natively traps. */
static bool test_door(struct vcpu *v)
{
    static const uint8_t door[] = {
        0xea,
        (TEST_PAGE + 7) & 0xff,
        TEST_PAGE >> 8 & 0xff,
        TEST_PAGE >> 16 & 0xff,
        TEST_PAGE >> 24,
        HOST_CODE64,
        0, /* then lea r8, [rip - 14]; jmp [r15 + 8] */
        0x4c,
        0x8d,
        0x05,
        0xf2,
        0xff,
        0xff,
        0xff,
        0x41,
        0xff,
        0x67,
        SCAN_DOOR_OFFSET,
    };
    struct native_trap trap = { 0 };
    bool arrived = test_page(TEST_PAGE, door, sizeof(door), PROT_READ | PROT_EXEC,
                             v->split.code_key_used ? v->split.code_key : -1) &&
                   !test_run(v, &trap) && trap.cause == NATIVE_DOOR && v->eip == TEST_PAGE;
    test_unmap(&v->split);
    return arrived;
}

static const char *test(struct vcpu *v)
{
    static const uint8_t code[] = {
        0xa1, TEST_PAGE & 0xff, TEST_PAGE >> 8 & 0xff, TEST_PAGE >> 16 & 0xff, TEST_PAGE >> 24, 0xcc,
    };
    static const uint8_t data[] = { TEST_WORD & 0xff, TEST_WORD >> 8 & 0xff, TEST_WORD >> 16 & 0xff,
                                    TEST_WORD >> 24 };
    const struct split *s = &v->split;
    const char *why = "this host does not let a process map memory where the guest's code has to be";
    struct native_trap trap;
    if (!test_page(TEST_PAGE, code, sizeof(code), PROT_READ | PROT_EXEC,
                   s->code_key_used ? s->code_key : -1) ||
        (s->data_base && !test_page(split_data(s, TEST_PAGE), data, sizeof(data), PROT_READ, -1)))
        goto out;
    why = "32-bit code does not run in a 64-bit process here";
    if (!test_run(v, &trap))
        goto out;
    why = NULL;
    if (s->provider == D86_SPLIT_SEGMENT && (trap.vector != X86_BP || v->gpr.d[X86_EAX] != TEST_WORD))
        why = "data segments with a base do not work here";
    if (s->provider == D86_SPLIT_PKU && !s->key_simulated &&
        (trap.vector != X86_VEC_PF || trap.address != TEST_PAGE))
        why = "protection keys do not stop data accesses here";
    if (s->provider == D86_SPLIT_NONE && trap.vector != X86_BP)
        why = "32-bit code does not run in a 64-bit process here";
out:
    test_unmap(s);
    v->split.doors = !why && test_door(v);
    return why;
}

/* ---- The split tlb, tried ------------------------------------------------------------------------------ */

enum { TLB_PAGES = 8, TLB_ROUNDS = 64, TLB_TRIES = 4 };

/* What a round came to, of MOV EAX, [itself]; INT3 at a page just primed. */
enum tlb_round { TLB_APART, TLB_SHARED, TLB_LOST, TLB_FAILED };

/* The first two private pages are nobody's yet: the one is what is fetched, the other what is read. */
static void tlb_write_faces(struct vcpu *v, uint32_t at)
{
    static const uint8_t load = 0xa1, trap = 0xcc;
    uint8_t *fetched = v->code->private_page[0], *read = v->code->private_page[1];
    fetched[0] = load;
    fetched[5] = trap;
    for (unsigned i = 0; i < 4; i++) {
        fetched[1 + i] = (uint8_t)(at >> 8 * i);
        read[i] = (uint8_t)((uint32_t)TEST_WORD >> 8 * i);
    }
}

/*
 * look: read the page first with our own 64-bit code. QEMU's emulator has one TLB, but for 64-bit code
 * another one than for 32-bit code.
 */
static enum tlb_round tlb_try(struct vcpu *v, uint32_t at, bool look)
{
    struct native_segments segments = {
        .cs = HOST_CODE32, .ds = HOST_FLAT_DATA, .es = HOST_FLAT_DATA, .ss = HOST_FLAT_DATA
    };
    struct native_trap trap;
    uint32_t eflags = X86_FLAGS_ONE | X86_IF;
    tlb_write_faces(v, at);
    if (tlb_map(CHANNEL_FD_TLB, at) < 0 ||
        tlb_prime(CHANNEL_FD_TLB, at, v->code->private_page[0], v->code->private_page[1]) < 0)
        return TLB_FAILED;
    if (look && *(const volatile uint32_t *)(uintptr_t)at != TEST_WORD)
        return TLB_SHARED;
    v->eip = at;
    v->gpr.d[X86_EAX] = 0;
    native_enter(v, &segments, &eflags, &trap);
    if (trap.cause != NATIVE_FAULT)
        return TLB_FAILED;
    if (trap.vector == X86_VEC_PF && (trap.error & X86_PF_I) && trap.address == at)
        return TLB_LOST;
    if (trap.vector != X86_BP)
        return TLB_FAILED;
    return v->gpr.d[X86_EAX] == TEST_WORD ? TLB_APART : TLB_SHARED;
}

/* Each page some times; `count` is by enum tlb_round. */
static void tlb_try_pages(struct vcpu *v, uint32_t at, unsigned count[TLB_FAILED + 1])
{
    for (unsigned i = 0; i < TLB_ROUNDS; i++)
        count[tlb_try(v, at + i % TLB_PAGES * 4096, i >= TLB_ROUNDS / 2)]++;
    host_call(__NR_munmap, at, TLB_PAGES * 4096, 0, 0, 0, 0);
}

/*
 * One read that met the private page is one too many; a lost entry now and then is not. A host that is busy,
 * or has something of its own in the same sets of its TLB, loses most for a while: then other pages are
 * tried.
 */
static const char *test_tlb(struct vcpu *v)
{
    unsigned count[TLB_FAILED + 1], try = 0;
    do {
        __builtin_memset(count, 0, sizeof(count));
        tlb_try_pages(v, TEST_PAGE + try * 2 * TLB_PAGES * 4096, count);
    } while (count[TLB_LOST] > TLB_ROUNDS / 2 && ++try < TLB_TRIES);
    for (unsigned i = 0; i < 2; i++)
        __builtin_memset(v->code->private_page[i], 0, 8);
    if (count[TLB_FAILED])
        return "the kernel module duplex86_tlb does not let pages be primed here";
    if (count[TLB_SHARED])
        return "the processor shares second-level TLB entries between fetches and data";
    if (count[TLB_LOST] > TLB_ROUNDS / 2)
        return "primed entries are gone when guest code runs (does each entry into the kernel load CR3? see "
               "pti=off)";
    v->split.doors = test_door(v);
    return NULL;
}

/* ---- Providers, best first --------------------------------------------------------------------------- */

/*
 * Half way between a 3 GiB user space and the end: with a data segment that ends at C0000000, host addresses
 * below data_base are out of reach of the guest's data accesses, and code there can be neither read nor
 * hidden.
 */
static const char *choose_segment(struct vcpu *v, bool simulate_keys)
{
    v->split = (struct split){ .provider = D86_SPLIT_SEGMENT,
                               .key_simulated = simulate_keys,
                               .data_base = 0x40000000,
                               .data_limit = 0xbfffffff };
    (void)take_key(&v->split); /* where there are keys, code is out of reach at every address */
    if (host_segments_init(v) < 0)
        return "this host's kernel gives a process no segment descriptors (modify_ldt)";
    return test(v);
}

static const char *choose_pku(struct vcpu *v, bool simulate_keys)
{
    v->split =
        (struct split){ .provider = D86_SPLIT_PKU, .key_simulated = simulate_keys, .data_limit = 0xffffffff };
    if (!simulate_keys && !host_has_keys())
        return "this host's processor has no protection keys (PKU)";
    if (!take_key(&v->split))
        return "this host's kernel gives no protection key";
    return test(v);
}

static const char *choose_none(struct vcpu *v)
{
    v->split = (struct split){ .provider = D86_SPLIT_NONE, .visible = true, .data_limit = 0xffffffff };
    return test(v);
}

static const char *choose_tlb(struct vcpu *v)
{
    v->split = (struct split){ .provider = D86_SPLIT_TLB, .primed = true, .data_limit = 0xffffffff };
    switch (tlb_open(CHANNEL_FD_TLB, CHANNEL_FD_RAM, CHANNEL_FD_ARENA)) {
    case 0:
        return test_tlb(v);
    case -EACCES:
    case -EPERM:
        return "this user may not open the kernel module's device, /dev/duplex86-tlb";
    case -EINVAL:
    case -ENOTTY:
        return "the kernel module duplex86_tlb is of another version";
    default:
        return "the kernel module duplex86_tlb is not loaded, or its device is not in /dev";
    }
}

bool split_choose(struct vcpu *v, unsigned wanted, bool simulate_keys, const char **why)
{
    switch (wanted) {
    case D86_SPLIT_SEGMENT:
        *why = choose_segment(v, simulate_keys);
        break;
    case D86_SPLIT_PKU:
        *why = choose_pku(v, simulate_keys);
        break;
    case D86_SPLIT_NONE:
        *why = choose_none(v);
        break;
    case D86_SPLIT_TLB:
        *why = choose_tlb(v);
        break;
    default: /* tlb only if asked for: it needs a module, and no processor promises to hold it */
        *why = choose_segment(v, simulate_keys);
        if (*why)
            *why = choose_pku(v, simulate_keys);
        break;
    }
    return !*why;
}
