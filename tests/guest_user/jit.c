/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Code that is made at run time, and changes: what is executed must always be what was written last, whoever
 * wrote it and through whichever mapping of the memory.
 */
#include "user.h"

#define EMIT(p, text) put_bytes((p), (text), sizeof(text) - 1)

static uint8_t *put_bytes(uint8_t *p, const char *bytes, uint32_t size)
{
    memcpy(p, bytes, size);
    return p + size;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, 4);
    return p + 4;
}

static uint32_t call(const void *code)
{
    struct registers r = { .eflags = 0x202 };
    call_code(code, &r);
    return r.eax;
}

/* mov eax, value; ret */
static void put_constant(uint8_t *p, uint32_t value)
{
    p = EMIT(p, "\xb8");
    p = put32(p, value);
    EMIT(p, "\xc3");
}

static void check_rewrite(uint8_t *page)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < scaled(3000); i++) {
        put_constant(page + i % 64, i * 0x01010101);
        wrong += call(page + i % 64) != i * 0x01010101;
    }
    check_equal(wrong, 0, "rewritten functions");
}

/* Bodies with instructions that are replaced: the one that was there before must not be what runs. */
static void check_sensitive(uint8_t *page)
{
    uint32_t wrong = 0, cs;
    __asm__("mov %%cs, %0" : "=r"(cs));
    for (uint32_t i = 0; i < scaled(400); i++) {
        uint8_t *p = page;
        uint32_t expected;
        switch (i % 6) {
        case 0: /* mov eax, cs */
            p = EMIT(p, "\x8c\xc8");
            expected = cs;
            break;
        case 1: /* push cs; pop eax */
            p = EMIT(p, "\x0e\x58");
            expected = cs;
            break;
        case 2: /* mov eax, NR_GETPPID; int 0x80; mov eax, i */
            p = EMIT(p, "\xb8\x40\x00\x00\x00\xcd\x80\xb8");
            p = put32(p, i);
            expected = i;
            break;
        case 3: /* push ebx; xor eax, eax; cpuid; pop ebx; mov eax, i */
            p = EMIT(p, "\x53\x31\xc0\x0f\xa2\x5b\xb8");
            p = put32(p, i);
            expected = i;
            break;
        case 4: /* pushf; pop eax; and eax, 0x200 */
            p = EMIT(p, "\x9c\x58\x25\x00\x02\x00\x00");
            expected = EFLAGS_IF;
            break;
        default: /* int 0x80 as the bytes of a constant */
            p = EMIT(p, "\xb8\xcd\x80\xc3\x90");
            expected = 0x90c380cd;
        }
        EMIT(p, "\xc3");
        wrong += call(page) != expected;
    }
    check_equal(wrong, 0, "rewritten functions with sensitive instructions");
}

/* A fault that is written over by code that has none, and back. */
static void check_fault_and_back(uint8_t *page)
{
    static const uint8_t faults[] = { 0xcc, 0xf4, 0xfa, 0xec };
    static const int signals[] = { SIG_TRAP, SIG_SEGV, SIG_SEGV, SIG_SEGV };
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < scaled(200); i++) {
        struct registers r = { 0 };
        struct fault fault;
        page[0] = faults[i % 4];
        page[1] = 0xc3;
        run_code(page, &r, &fault);
        wrong += fault.sig != signals[i % 4];
        put_constant(page, i);
        wrong += call(page) != i;
    }
    check_equal(wrong, 0, "again and again a fault and then none");
}

static void check_self_patching(uint8_t *page)
{
    uint32_t wrong = 0;
    /* The byte just behind the instruction that writes: mov byte [next+1], imm; mov al, 0; movzx eax, al; ret
     */
    for (uint32_t i = 0; i < scaled(300); i++) {
        uint8_t *p = EMIT(page, "\xc6\x05");
        p = put32(p, (uint32_t)page + 8);
        *p++ = (uint8_t)i;
        EMIT(p, "\xb0\x00\x0f\xb6\xc0\xc3");
        wrong += call(page) != (uint8_t)i;
    }
    check_equal(wrong, 0, "code patches the next instruction");

    /* add dword [page+6], 1 has its immediate at 6: the next run adds 2, then 4. movsx eax, byte [page+6];
     * ret */
    uint8_t *p = EMIT(page, "\x83\x05");
    p = put32(p, (uint32_t)page + 6);
    EMIT(p, "\x01\x0f\xbe\x05");
    p = put32(page + 10, (uint32_t)page + 6);
    EMIT(p, "\xc3");
    wrong = 0;
    for (uint32_t i = 1; i <= 6; i++)
        wrong += call(page) != 1u << i;
    check_equal(wrong, 0, "code patches the instruction that patches");

    /* A loop whose body changes each time around:
     * mov ecx, 100; xor eax, eax; L: add eax, 1; inc byte [L+2]; loop L; ret */
    p = EMIT(page, "\xb9\x64\x00\x00\x00\x31\xc0\x83\xc0\x01\xfe\x05");
    p = put32(p, (uint32_t)page + 9);
    EMIT(p, "\xe2\xf5\xc3");
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 100; i++)
        expected += i + 1;
    check_equal(call(page), expected, "a loop patches its body");

    /* From elsewhere in the page, by string instructions: the code copies a function over one it then calls.
     */
    put_constant(page + 0x200, 0x11111111);
    put_constant(page + 0x300, 0x22222222);
    p = EMIT(page,
             "\x56\x57\xbe"); /* push esi; push edi; mov esi, 300; mov edi, 200; mov ecx, 6; rep movsb */
    p = put32(p, (uint32_t)page + 0x300);
    p = EMIT(p, "\xbf");
    p = put32(p, (uint32_t)page + 0x200);
    p = EMIT(p, "\xb9\x06\x00\x00\x00\xf3\xa4\x5f\x5e\xe8");
    put32(p, 0x200 - (uint32_t)(p + 4 - page));
    EMIT(p + 4, "\xc3");
    check_equal(call(page + 0x200), 0x11111111, "before code copies code");
    check_equal(call(page), 0x22222222, "code copies code");
}

static void check_second_mapping(void)
{
    int object = shared_object(2 * PAGE);
    uint8_t *writable = map_object(object, NULL, 2 * PAGE, PROT_RW);
    uint8_t *executable = map_object(object, NULL, 2 * PAGE, PROT_RX);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < scaled(1000); i++) {
        put_constant(writable + 16, i);
        wrong += call(executable + 16) != i;
    }
    check_equal(wrong, 0, "writes through a second mapping");

    uint8_t *other = map_object(object, NULL, 2 * PAGE, PROT_RX);
    wrong = 0;
    for (uint32_t i = 0; i < scaled(100); i++) {
        put_constant(writable + PAGE - 3, i); /* straddles the pages */
        wrong += call(executable + PAGE - 3) != i;
        wrong += call(other + PAGE - 3) != i;
    }
    check_equal(wrong, 0, "one frame executed at two addresses");

    /* Written by the kernel. */
    uint8_t code[6];
    int ends[2];
    linux_call(NR_PIPE, ends);
    wrong = 0;
    for (uint32_t i = 0; i < scaled(100); i++) {
        put_constant(code, i ^ 0x5a5a5a5a);
        linux_call(NR_WRITE, ends[1], code, sizeof(code));
        linux_call(NR_READ, ends[0], writable + 64, sizeof(code));
        wrong += call(executable + 64) != (i ^ 0x5a5a5a5a);
    }
    check_equal(wrong, 0, "functions written by the kernel");
}

struct shared_code {
    uint8_t *writable;
    volatile uint32_t *turn;
};

static int write_for_parent(void *argument)
{
    struct shared_code *shared = argument;
    for (uint32_t i = 1; i <= 100; i++) {
        while (*shared->turn != 2 * i - 1)
            linux_call(NR_SCHED_YIELD);
        put_constant(shared->writable, i * 3);
        *shared->turn = 2 * i;
    }
    return 0;
}

/* Another process writes what this one executes. */
static void check_other_process(void)
{
    int object = shared_object(2 * PAGE);
    struct shared_code shared = { map_object(object, NULL, 2 * PAGE, PROT_RW), NULL };
    const uint8_t *executable = map_object(object, NULL, 2 * PAGE, PROT_RX);
    shared.turn = (volatile uint32_t *)(shared.writable + PAGE);
    uint32_t wrong = 0;
    int child = start_child(write_for_parent, &shared);
    for (uint32_t i = 1; i <= 100; i++) {
        *shared.turn = 2 * i - 1;
        while (*shared.turn != 2 * i)
            linux_call(NR_SCHED_YIELD);
        wrong += call(executable) != i * 3;
    }
    check_equal((uint32_t)wait_child(child), 0, "the writing process ends well");
    check_equal(wrong, 0, "functions written by another process");
}

static int run_and_change(void *argument)
{
    uint8_t *page = argument;
    if (call(page) != 1)
        return 1;
    put_constant(page, 2);
    return call(page) == 2 ? 0 : 2;
}

/* A private page is copied when one of two processes writes. */
static void check_copy_on_write(uint8_t *page)
{
    uint32_t wrong = 0;
    put_constant(page, 1);
    for (unsigned i = 0; i < scaled(20); i++) {
        wrong += call(page) != 1;
        wrong += (uint32_t)wait_child(start_child(run_and_change, page));
        wrong += call(page) != 1;
    }
    check_equal(wrong, 0, "a child changes its copy of the code");
}

static void check_mprotect(void)
{
    uint8_t *page = map_memory(NULL, PAGE, PROT_RW), *store = map_memory(NULL, PAGE, PROT_RWX);
    uint32_t wrong = 0;
    EMIT(store, "\x88\x07\xc3"); /* mov [edi], al; ret */
    for (uint32_t i = 0; i < scaled(200); i++) {
        linux_call(NR_MPROTECT, page, PAGE, PROT_RW);
        put_constant(page, i + 7);
        linux_call(NR_MPROTECT, page, PAGE, PROT_RX);
        wrong += call(page) != i + 7;
        struct registers r = { .eax = 0, .edi = (uint32_t)page };
        struct fault fault;
        wrong += !run_code(store, &r, &fault) || fault.sig != SIG_SEGV || fault.code != CODE_ACCERR ||
                 fault.addr != (uint32_t)page;
    }
    check_equal(wrong, 0, "again and again writable, then executable");
    linux_call(NR_MPROTECT, page, PAGE, 0);
    struct registers r = { 0 };
    struct fault fault;
    run_code(page, &r, &fault);
    check_equal((uint32_t)fault.sig, SIG_SEGV, "a page without permissions cannot be executed");
    check_equal(fault.addr - (uint32_t)page, 0, "and its address is told");
    linux_call(NR_MPROTECT, page, PAGE, PROT_RX);
    check_equal(call(page), scaled(200) + 6, "after that it can");
}

static void check_remap(void)
{
    uint8_t *const where = (uint8_t *)0x30000000;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < scaled(200); i++) {
        uint8_t *page = map_memory(where, PAGE, PROT_RWX);
        put_constant(page, i);
        wrong += call(page) != i;
        linux_call(NR_MUNMAP, page, PAGE);
        if (i % 20 == 0) {
            struct registers r = { 0 };
            struct fault fault;
            run_code(where, &r, &fault);
            wrong += fault.sig != SIG_SEGV || fault.code != CODE_MAPERR || fault.eip != (uint32_t)where;
        }
    }
    check_equal(wrong, 0, "again and again unmapped and mapped with other contents");

    uint8_t *page = map_memory(where, PAGE, PROT_RWX);
    put_constant(page, 0x1234);
    wrong = call(page) != 0x1234;
    for (uint32_t i = 0; i < scaled(50); i++) {
        enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
        uint8_t *to = where + (1 + i % 2) * 0x10000;
        uint8_t *moved =
            (uint8_t *)linux_call(NR_MREMAP, page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        wrong += moved != to || call(moved) != 0x1234;
        struct registers r = { 0 };
        struct fault fault;
        run_code(page, &r, &fault);
        wrong += fault.sig != SIG_SEGV;
        page = moved;
    }
    check_equal(wrong, 0, "again and again moved with mremap");
}

/* Two files' pages take turns at one address, without being written. */
static void check_exchange(void)
{
    uint8_t *const where = (uint8_t *)0x31000000;
    int objects[2] = { shared_object(PAGE), shared_object(PAGE) };
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 2; i++)
        put_constant(map_object(objects[i], NULL, PAGE, PROT_RW), 100 + i);
    for (uint32_t i = 0; i < scaled(100); i++) {
        map_object(objects[i % 2], where, PAGE, PROT_RX);
        wrong += call(where) != 100 + i % 2;
    }
    check_equal(wrong, 0, "two pages take turns at an address");
}

/* ---- An instruction whose second half is on a page that is not there ---- */

static uint8_t *const two_pages = (uint8_t *)0x32000000;
static unsigned times_mapped;
static uint32_t upper_value, fault_address, fault_eip;

static void map_upper(int sig, struct signal_info *info, struct signal_context *context)
{
    (void)sig;
    fault_address = info->addr;
    fault_eip = context->eip;
    if (info->addr != (uint32_t)two_pages + PAGE || ++times_mapped > 10) {
        check(false, "a fault elsewhere: eip %x, address %x", context->eip, info->addr);
        end_program(1);
    }
    uint8_t *upper = map_memory(two_pages + PAGE, PAGE, PROT_RWX);
    memset(upper, 0x90, PAGE);
    /* The last three bytes of mov eax, imm32, and ret. */
    upper[0] = (uint8_t)(upper_value >> 8);
    upper[1] = (uint8_t)(upper_value >> 16);
    upper[2] = (uint8_t)(upper_value >> 24);
    upper[3] = 0xc3;
}

static void check_straddling(void)
{
    uint32_t wrong = 0;
    map_memory(two_pages, PAGE, PROT_RWX);
    two_pages[PAGE - 2] = 0xb8;
    for (uint32_t i = 0; i < 8; i++) {
        upper_value = 0x0badc000u + (i << 24);
        two_pages[PAGE - 1] = (uint8_t)upper_value;
        times_mapped = 0;
        set_handler(SIG_SEGV, map_upper, 0);
        uint32_t got = call(two_pages + PAGE - 2);
        wrong += got != upper_value || times_mapped != 1 || fault_eip != (uint32_t)two_pages + PAGE - 2 ||
                 fault_address != (uint32_t)two_pages + PAGE;
        /* Now present: changed by writing, and by mapping another page there. */
        two_pages[PAGE + 2] = 0x77;
        wrong += call(two_pages + PAGE - 2) != ((upper_value & 0x00ffffff) | 0x77000000);
        upper_value ^= 0x00ff0000;
        linux_call(NR_MUNMAP, two_pages + PAGE, PAGE);
        wrong += call(two_pages + PAGE - 2) != upper_value || times_mapped != 2;
        linux_call(NR_MUNMAP, two_pages + PAGE, PAGE);
    }
    catch_faults();
    check_equal(wrong, 0, "an instruction reaches into a page that comes and goes");

    /* Falling off the end: the instruction at the start of the absent page. */
    memset(two_pages + PAGE - 16, 0x90, 16);
    struct registers r = { 0 };
    struct fault fault;
    run_code(two_pages + PAGE - 16, &r, &fault);
    check_equal((uint32_t)fault.sig, SIG_SEGV, "code runs off its page");
    check_equal(fault.eip, (uint32_t)two_pages + PAGE, "and faults at the next");
}

int program(void)
{
    uint8_t *page = map_memory(NULL, 2 * PAGE, PROT_RWX);
    check_rewrite(page);
    check_rewrite(page + PAGE - 40);
    check_sensitive(page);
    check_fault_and_back(page);
    check_self_patching(page);
    check_second_mapping();
    check_other_process();
    check_copy_on_write(page);
    check_mprotect();
    check_remap();
    check_exchange();
    check_straddling();
    return 0;
}
