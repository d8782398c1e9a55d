/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every fault a user program can raise, as it sees it: signal, code, trap number, error code, address and the
 * EIP where it happened. SDM 3A, "Exception and Interrupt Reference", and Linux' choice of signals.
 */
#include "user.h"

#define SEGV_GP(error, at) .sig = SIG_SEGV, .code = CODE_KERNEL, .trapno = 13, .err = (error), .eip = (at)
#define ILL_UD(at)         .sig = SIG_ILL, .code = CODE_ILLOPN, .trapno = 6, .eip = (at), .addr_is_eip = true
#define SEGV_PF(why, error, where, at)                                                                       \
    .sig = SIG_SEGV, .code = (why), .trapno = 14, .err = (error), .addr = (where), .eip = (at)
#define FPE(why, trap, at) .sig = SIG_FPE, .code = (why), .trapno = (trap), .eip = (at), .addr_is_eip = true

enum { READ_ONLY = 0x34000000, GAP = 0x35000000, DATA = 0x36000000, DATA_END = DATA + PAGE };
enum { FPE_FLTDIV = 3, FPE_FLTOVF = 4, FPE_FLTINV = 7, BUS_ADRERR = 2 };

static const struct code_row rows[] = {
    /* Invalid opcodes. */
    { "ud2", CODE("\x0f\x0b"), ILL_UD(0) },
    { "ud2 behind other instructions", CODE("\x90\x40\x0f\x0b"), ILL_UD(2) },
    { "ud1", CODE("\x0f\xb9\xc0"), ILL_UD(0) },
    { "mov cs, ax", CODE("\x8e\xc8"), ILL_UD(0) },
    { "lock nop", CODE("\xf0\x90"), ILL_UD(0) },
    { "lock mov", CODE("\xf0\x89\x00"), ILL_UD(0) },
    { "lock add to a register", CODE("\xf0\x01\xc0"), ILL_UD(0) },
    { "lea of a register", CODE("\x8d\xc0"), ILL_UD(0) },
    { "les of a register, no VEX map", CODE("\xc4\xc0\x00\x00\x00"), ILL_UD(0) },
    { "mov from segment register 6", CODE("\x8c\xf0"), ILL_UD(0) },
    { "cmpxchg8b of a register", CODE("\x0f\xc7\xc8"), ILL_UD(0) },
    { "too long", CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), SEGV_GP(0, 0) },
    { "15 bytes are not", CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90\xc3") },
    /* Privileged. */
    { "hlt", CODE("\xf4"), SEGV_GP(0, 0) },
    { "cli", CODE("\xfa"), SEGV_GP(0, 0) },
    { "sti", CODE("\xfb"), SEGV_GP(0, 0) },
    { "in al, 0x61", CODE("\xe4\x61"), SEGV_GP(0, 0) },
    { "in eax, dx", CODE("\x90\xed"), SEGV_GP(0, 1) },
    { "out 0x80, al", CODE("\xe6\x80"), SEGV_GP(0, 0) },
    { "out dx, ax", CODE("\x66\xef"), SEGV_GP(0, 0) },
    { "insb", CODE("\x6c"), .in = { .edi = DATA }, SEGV_GP(0, 0) },
    { "rep outsd", CODE("\xf3\x6f"), .in = { .esi = DATA, .ecx = 1 }, SEGV_GP(0, 0) },
    { "lgdt", CODE("\x0f\x01\x10"), .in = { .eax = DATA }, SEGV_GP(0, 0) },
    { "lidt", CODE("\x0f\x01\x18"), .in = { .eax = DATA }, SEGV_GP(0, 0) },
    { "lldt", CODE("\x0f\x00\xd0"), SEGV_GP(0, 0) },
    { "ltr", CODE("\x0f\x00\xd8"), SEGV_GP(0, 0) },
    { "lmsw", CODE("\x0f\x01\xf0"), SEGV_GP(0, 0) },
    { "clts", CODE("\x0f\x06"), SEGV_GP(0, 0) },
    { "invd", CODE("\x0f\x08"), SEGV_GP(0, 0) },
    { "wbinvd", CODE("\x0f\x09"), SEGV_GP(0, 0) },
    { "invlpg", CODE("\x0f\x01\x38"), .in = { .eax = DATA }, SEGV_GP(0, 0) },
    { "mov eax, cr0", CODE("\x0f\x20\xc0"), SEGV_GP(0, 0) },
    { "mov cr0, eax", CODE("\x0f\x22\xc0"), SEGV_GP(0, 0) },
    { "mov eax, cr2", CODE("\x0f\x20\xd0"), SEGV_GP(0, 0) },
    { "mov cr3, eax", CODE("\x0f\x22\xd8"), SEGV_GP(0, 0) },
    { "mov cr4, eax", CODE("\x0f\x22\xe0"), SEGV_GP(0, 0) },
    { "mov eax, dr7", CODE("\x0f\x21\xf8"), SEGV_GP(0, 0) },
    { "mov dr7, eax", CODE("\x0f\x23\xf8"), SEGV_GP(0, 0) },
    { "rdmsr", CODE("\x0f\x32"), SEGV_GP(0, 0) },
    { "wrmsr", CODE("\x0f\x30"), SEGV_GP(0, 0) },
    { "sysexit", CODE("\x0f\x35"), SEGV_GP(0, 0) },
    /* Software interrupts. */
    { "int3", CODE("\x90\xcc"), .sig = SIG_TRAP, .code = CODE_KERNEL, .trapno = 3, .eip = 2 },
    { "int 3 in two bytes", CODE("\xcd\x03"), .sig = SIG_TRAP, .code = CODE_KERNEL, .trapno = 3, .eip = 2 },
    /* Some hypervisors below the host show the EIP of the instruction. */
    { "int1", CODE("\xf1\x90"), .sig = SIG_TRAP, .code = CODE_BRKPT, .trapno = 1, .eip = 1,
      .addr_is_eip = true, .guest_only = true },
    { "int 1 in two bytes", CODE("\xcd\x01"), SEGV_GP(0x0a, 0) },
    { "int 0x21", CODE("\xcd\x21"), SEGV_GP(0x10a, 0) },
    { "int 0", CODE("\xcd\x00"), SEGV_GP(0x02, 0) },
    { "int 14", CODE("\xcd\x0e"), SEGV_GP(0x72, 0) },
    { "int 0xff", CODE("\xcd\xff"), SEGV_GP(0x7fa, 0) },
    { "into with overflow", CODE("\xb0\x7f\xfe\xc0\xce"), .sig = SIG_SEGV, .code = CODE_KERNEL, .trapno = 4,
      .eip = 5 },
    { "into without", CODE("\x31\xc0\xce\xc3") },
    { "bound, outside", CODE("\x62\x03"), .in = { .eax = 9, .ebx = DATA + 8 }, .sig = SIG_SEGV,
      .code = CODE_KERNEL, .trapno = 5, .eip = 0 },
    { "bound, inside", CODE("\x62\x03\xc3"), .in = { .eax = 3, .ebx = DATA + 8 }, .eax = 3 },
    /* Arithmetic. */
    { "div by zero", CODE("\xf7\xf1"), FPE(CODE_INTDIV, 0, 0) },
    { "div, quotient too large", CODE("\xf7\xf1"), .in = { .edx = 5, .ecx = 5 }, FPE(CODE_INTDIV, 0, 0) },
    { "idiv of the most negative", CODE("\x99\xf7\xf9"), .in = { .eax = 0x80000000, .ecx = ~0u },
      FPE(CODE_INTDIV, 0, 1) },
    { "aam 0", CODE("\xd4\x00"), FPE(CODE_INTDIV, 0, 0) },
    { "x87 division, unmasked",
      CODE("\xdb\xe3\x68\x7b\x03\x00\x00\xd9\x2c\x24\x58\xd9\xe8\xd9\xee\xde\xf9\x9b"),
      FPE(FPE_FLTDIV, 16, 17) },
    { "x87 stack underflow, unmasked",
      CODE("\xdb\xe3\x68\x7e\x03\x00\x00\xd9\x2c\x24\x58\xde\xc1\x90\xd9\xe8"), FPE(FPE_FLTINV, 16, 14) },
    { "SSE division, unmasked",
      CODE("\x68\x80\x1d\x00\x00\x0f\xae\x14\x24\x58\x0f\x57\xc0\x68\x00\x00\x80\x3f"
           "\xf3\x0f\x10\x0c\x24\x58\xf3\x0f\x5e\xc8\xc3"),
      FPE(FPE_FLTDIV, 19, 24) },
    /* Page faults. */
    { "read of 0", CODE("\x8b\x00"), SEGV_PF(CODE_MAPERR, 4, 0, 0) },
    { "write to 0", CODE("\x89\x00"), SEGV_PF(CODE_MAPERR, 6, 0, 0) },
    { "jump to 0 is told there", CODE("\xc3"), .eax = 0 },
    { "read of a gap", CODE("\x8b\x40\x04"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP + 4, 0) },
    { "write to a gap", CODE("\x40\x88\x40\x03"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP + 4, 1) },
    { "add to a gap", CODE("\x01\x00"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP, 0) },
    { "read-only page read", CODE("\x8b\x00\xc3"), .in = { .eax = READ_ONLY }, .eax = 0 },
    { "read-only page written", CODE("\x89\x00"), .in = { .eax = READ_ONLY },
      SEGV_PF(CODE_ACCERR, 7, READ_ONLY, 0) },
    { "read-only page and lock xadd", CODE("\xf0\x0f\xc1\x00"), .in = { .eax = READ_ONLY },
      SEGV_PF(CODE_ACCERR, 7, READ_ONLY, 0) },
    { "read across the end of a page", CODE("\x8b\x00"), .in = { .eax = DATA_END - 1 },
      SEGV_PF(CODE_MAPERR, 4, DATA_END, 0) },
    { "push to a gap", CODE("\x89\xc4\x50"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP - 4, 2) },
    { "push es to a gap", CODE("\x89\xc4\x06"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP - 4, 2) },
    { "pop es from a gap", CODE("\x89\xc4\x07"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP, 2) },
    { "pushf to a gap", CODE("\x89\xc4\x9c"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP - 4, 2) },
    { "popf from a gap", CODE("\x89\xc4\x9d"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP, 2) },
    { "ret from a gap", CODE("\x89\xc4\xc3"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP, 2) },
    /* Only the last of the three, as processors differ in which they read first. */
    { "iret's flags from a gap", CODE("\x89\xc4\xcf"), .in = { .eax = DATA_END - 8 },
      SEGV_PF(CODE_MAPERR, 4, DATA_END, 2) },
    { "call to a stack in a gap", CODE("\x89\xc4\xe8\x00\x00\x00\x00"), .in = { .eax = GAP },
      SEGV_PF(CODE_MAPERR, 6, GAP - 4, 2) },
    { "mov ds, [gap]", CODE("\x8e\x18"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP, 0) },
    { "mov [gap], cs", CODE("\x8c\x08"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP, 0) },
    { "fnsave to a gap", CODE("\xdd\x30"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 6, GAP, 0) },
    { "jmp [gap]", CODE("\xff\x20"), .in = { .eax = GAP }, SEGV_PF(CODE_MAPERR, 4, GAP, 0) },
    { "memory behind a file's end", CODE("\x8b\x00"), .in = { .eax = DATA + 2 * PAGE }, .sig = SIG_BUS,
      .code = BUS_ADRERR, .trapno = 14, .err = 4, .addr = DATA + 2 * PAGE, .eip = 0 },
    /* Alignment. push 0x40202; popf; mov eax, [eax]. */
    { "unaligned with AC", CODE("\x68\x02\x02\x04\x00\x9d\x8b\x00"), .in = { .eax = DATA + 1 },
      .sig = SIG_BUS, .code = CODE_ADRALN, .trapno = 17, .eip = 6 },
    { "unaligned word with AC", CODE("\x68\x02\x02\x04\x00\x9d\x66\x89\x00"), .in = { .eax = DATA + 3 },
      .sig = SIG_BUS, .code = CODE_ADRALN, .trapno = 17, .eip = 6 },
    { "aligned with AC", CODE("\x68\x02\x02\x04\x00\x9d\x8b\x00\xc3"), .in = { .eax = DATA + 32 }, .eax = 0 },
    { "movaps, unaligned", CODE("\x0f\x28\x00"), .in = { .eax = DATA + 8 }, SEGV_GP(0, 0) },
    /* Selectors. */
    { "mov ss, 0", CODE("\x31\xc0\x8e\xd0"), SEGV_GP(0, 2) },
    { "mov ds, 0 is allowed, its use is not", CODE("\x31\xc0\x8e\xd8\xa1\x00\x00\x00\x36"), SEGV_GP(0, 4) },
    { "mov es beyond the GDT", CODE("\x8e\xc0"), .in = { .eax = 0x1f3 }, SEGV_GP(0x1f0, 0) },
    { "mov fs from an empty LDT", CODE("\x8e\xe0"), .in = { .eax = 0x3f }, SEGV_GP(0x3c, 0) },
    { "pop gs beyond the GDT", CODE("\x50\x0f\xa9"), .in = { .eax = 0x2000 }, SEGV_GP(0x2000, 1) },
    { "pop ss beyond the GDT", CODE("\x50\x17"), .in = { .eax = 0x2003 }, SEGV_GP(0x2000, 1) },
    { "lds beyond the GDT", CODE("\xc5\x00"), .in = { .eax = DATA + 16 }, SEGV_GP(0x7f8, 0) },
    { "jmp 0:0", CODE("\xea\x00\x00\x00\x00\x00\x00"), SEGV_GP(0, 0) },
    { "jmp far to selector 0x10", CODE("\xea\x00\x00\x00\x00\x10\x00"), SEGV_GP(0x10, 0) },
    { "call far to selector 0x2000", CODE("\x9a\x00\x00\x00\x00\x03\x20"), SEGV_GP(0x2000, 0) },
    { "call far to an empty LDT", CODE("\x9a\x00\x00\x00\x00\x0f\x00"), SEGV_GP(0x0c, 0) },
    { "retf to selector 0x10", CODE("\x6a\x10\x6a\x00\xcb"), SEGV_GP(0x10, 4) },
    { "retf to selector 0", CODE("\x6a\x00\x6a\x00\xcb"), SEGV_GP(0, 4) },
    { "iret to selector 0x1f3", CODE("\x9c\x68\xf3\x01\x00\x00\x6a\x00\xcf"), SEGV_GP(0x1f0, 8) },
};

static void set_up_memory(void)
{
    static const uint32_t data[] = { [2] = 1, 8, [4] = 0, 0x7fb };
    map_memory((void *)READ_ONLY, PAGE, PROT_R);
    map_object(shared_object(PAGE), (void *)(DATA + PAGE), 2 * PAGE, PROT_RW);
    linux_call(NR_MUNMAP, DATA_END, PAGE);
    memcpy(map_memory((void *)DATA, PAGE, PROT_RW), data, sizeof(data));
}

/* A string instruction has done what it could before the page that is missing. */
static void check_string_progress(uint8_t *page)
{
    struct registers r = { .esi = DATA_END - 24, .edi = DATA + 64, .ecx = 100 };
    struct fault f;
    memcpy(page, "\xf3\xa4\xc3", 3);
    run_code(page, &r, &f);
    check_equal((uint32_t)f.sig, SIG_SEGV, "rep movsb runs into a gap");
    check_equal(f.addr, DATA_END, "rep movsb's address");
    check_equal(f.ecx, 76, "rep movsb's count");
    check_equal(f.esi, DATA_END, "rep movsb's source");
    check_equal(f.edi, DATA + 64 + 24, "rep movsb's destination");
    check_equal(f.eip, (uint32_t)page, "rep movsb's eip");

    r = (struct registers){ .eax = 1, .edi = DATA + 128, .ecx = 10, .eflags = EFLAGS_DF | 2 };
    memcpy(page, "\xf3\xab\xc3", 3);
    run_code(page, &r, &f);
    check_equal(r.edi, DATA + 128 - 40, "rep stosd goes down");
    check_equal(*(uint32_t *)(DATA + 92), 1, "and writes there");
}

static void check_flags_of_fault(uint8_t *page)
{
    enum { RF = 1u << 16 };
    struct registers r = { .eflags = 0xed7 };
    struct fault f;
    memcpy(page, "\x0f\x0b", 2);
    run_code(page, &r, &f);
    check_equal(f.eflags & (RF | 0xfff), RF | 0xed7, "flags at ud2");
    r.eflags = 0x202;
    memcpy(page, "\xcc", 1);
    run_code(page, &r, &f);
    check_equal(f.eflags & (RF | 0xfff), 0x202, "flags at int3");
}

/* POPF of what a user must not change. */
static void check_popf(uint8_t *page)
{
    struct registers r = { .eax = EFLAGS_IOPL | 2 };
    memcpy(page, "\x50\x9d\x9c\x58\xc3", 5);
    call_code(page, &r);
    check_equal(r.eax & (EFLAGS_IOPL | EFLAGS_IF), EFLAGS_IF, "popf changes neither IF nor IOPL");
    r = (struct registers){ .eax = EFLAGS_ID | EFLAGS_AC | EFLAGS_NT | EFLAGS_DF | 0x202 };
    call_code(page, &r);
    check_equal(r.eax & (EFLAGS_ID | EFLAGS_AC | EFLAGS_NT | EFLAGS_DF),
                EFLAGS_ID | EFLAGS_AC | EFLAGS_NT | EFLAGS_DF, "popf changes ID, AC, NT and DF");
}

/* ---- Single steps ---- */

static uint32_t steps, step_eips, step_base, bad_steps;

static void count_step(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)sig;
    if (c->eip - step_base < PAGE) {
        steps++;
        step_eips = step_eips * 31 + (c->eip - step_base);
        bad_steps +=
            info->code != CODE_TRACE || c->trapno != 1 || !(c->eflags & EFLAGS_TF) || info->addr != c->eip;
    }
}

/* Step through `bytes`, which count instructions of which the last is RET; `path` sums the offsets seen. */
static void check_steps(uint8_t *page, const char *name, const char *bytes, uint32_t size,
                        const uint8_t *offsets, uint32_t count)
{
    struct registers r = { .eflags = 0x202 };
    uint32_t expected = 0;
    for (uint32_t i = 0; i < count; i++)
        expected = expected * 31 + offsets[i];
    /* push 0x302; popf; the code */
    memcpy(page, "\x68\x02\x03\x00\x00\x9d", 6);
    memcpy(page + 6, bytes, size);
    step_base = (uint32_t)page;
    steps = step_eips = bad_steps = 0;
    set_handler(SIG_TRAP, count_step, 0);
    call_code(page, &r);
    catch_faults();
    check_equal(steps, count, "%s: steps", name);
    check_equal(step_eips, expected, "%s: where they were", name);
    check_equal(bad_steps, 0, "%s: what was told", name);
}

#define STEPS(page, name, bytes, ...)                                                                        \
    do {                                                                                                     \
        static const uint8_t offsets_[] = { __VA_ARGS__ };                                                   \
        check_steps((page), (name), (bytes), sizeof(bytes) - 1, offsets_, sizeof(offsets_));                 \
    } while (0)

static void check_single_steps(uint8_t *page)
{
    STEPS(page, "nop, inc, push, pop", "\x90\x40\x50\x58\xc3", 7, 8, 9, 10);
    STEPS(page, "a loop", "\x31\xc9\xb1\x03\x41\x49\xe2\xfc\xc3", 8, 10, 11, 12, 10, 11, 12, 10, 11, 12, 14);
    STEPS(page, "rep stosb is one step an iteration",
          "\x57\x83\xec\x10\x89\xe7\x6a\x03\x59\xf3\xaa\x83\xc4\x10\x5f\xc3", 7, 10, 12, 14, 15, 15, 15, 17,
          20, 21);
    STEPS(page, "pushf, pop", "\x9c\x58\xa9\x00\x01\x00\x00\x75\x01\xf4\xc3", 7, 8, 13, 16);
    STEPS(page, "cpuid", "\x53\x31\xc0\x0f\xa2\x5b\xc3", 7, 9, 11, 12);
    STEPS(page, "mov eax, cs", "\x8c\xc8\x0e\x58\xc3", 8, 9, 10);
    /* The instruction behind a load of SS is not stepped to. */
    STEPS(page, "mov ss", "\x8c\xd0\x8e\xd0\x90\x90\xc3", 8, 11, 12);
}

/* A read of what is not there is fetched code when jumped to. */
static void check_jumps(void)
{
    static const uint32_t targets[] = { 0, 4, GAP, GAP + 0xffe };
    for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
        struct registers r = { 0 };
        struct fault f;
        run_code((void *)targets[i], &r, &f);
        check_equal((uint32_t)f.sig, SIG_SEGV, "jump to %x", targets[i]);
        check_equal((uint32_t)f.code, CODE_MAPERR, "jump to %x: code", targets[i]);
        check_equal(f.eip, targets[i], "jump to %x: eip", targets[i]);
        check_equal(f.addr, targets[i], "jump to %x: address", targets[i]);
        check_equal(f.err, 4, "jump to %x: error code", targets[i]);
    }
}

int program(void)
{
    uint8_t *page = map_memory(NULL, 2 * PAGE, PROT_RWX);
    set_up_memory();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        run_row(&rows[i], page);
    check_any_order(rows, ARRAY_SIZE(rows), page + PAGE - 3);
    check_string_progress(page);
    check_flags_of_fault(page);
    check_popf(page);
    check_single_steps(page);
    check_jumps();
    return 0;
}
