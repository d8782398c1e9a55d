/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Attempts to get out: to other selectors than a 32-bit kernel has, into other kinds of system calls, at the
 * kernel's memory, by instructions that change what protects the monitor, seen at once or hidden in
 * constants. Each must end as on a 32-bit processor of this model. Most do otherwise on a 64-bit host.
 */
#include "user.h"

#define GP(error, at) .sig = SIG_SEGV, .code = CODE_KERNEL, .trapno = 13, .err = (error), .eip = (at)
#define UD(at)        .sig = SIG_ILL, .code = CODE_ILLOPN, .trapno = 6, .eip = (at), .addr_is_eip = true
#define KERNEL_READ   .sig = SIG_SEGV, .code = CODE_MAPERR, .trapno = 14, .err = 5
#define KERNEL_WRITE  .sig = SIG_SEGV, .code = CODE_MAPERR, .trapno = 14, .err = 7
#define READ_AT(a)    KERNEL_READ, .addr = (a)
#define WRITE_AT(a)   KERNEL_WRITE, .addr = (a)
#define ONLY          .guest_only = true
#define NO_SUCH_CALL  .eax = -38u

/* Far transfers to a selector: by JMP, CALL, RETF, IRET, through memory; then JMP, RETF and IRET once more
 * with the transfer inside the immediate of a MOV that is jumped into. */
/* clang-format off */
#define SELECTOR(name, byte, error) \
    { "jmp far to " name, CODE("\xea\x00\x00\x00\x08" byte "\x00"), 0, {}, GP(error, 0), ONLY }, \
    { "call far to " name, CODE("\x9a\x00\x00\x00\x08" byte "\x00"), 0, {}, GP(error, 0), ONLY }, \
    { "retf to " name, CODE("\x6a" byte "\x6a\x00\xcb"), 0, {}, GP(error, 4), ONLY }, \
    { "retf 8 to " name, CODE("\x6a" byte "\x6a\x00\xca\x08\x00"), 0, {}, GP(error, 4), ONLY }, \
    { "iret to " name, CODE("\x9c\x6a" byte "\x6a\x00\xcf"), 0, {}, GP(error, 5), ONLY }, \
    { "jmp [far] to " name, CODE("\x6a" byte "\x6a\x00\xff\x2c\x24"), 0, {}, GP(error, 4), ONLY }, \
    { "call [far] to " name, CODE("\x6a" byte "\x6a\x00\xff\x1c\x24"), 0, {}, GP(error, 4), ONLY }, \
    { "hidden jmp far to " name, \
      CODE("\x90\xb8\xea\x00\x00\x00\x08" byte "\x00"), 2, {}, GP(error, 2), ONLY }, \
    { "hidden retf to " name, \
      CODE("\x6a" byte "\x6a\x00\xeb\x01\xb8\xcb\xcb\xcb\xcb"), 0, {}, GP(error, 7), ONLY }, \
    { "hidden iret to " name, \
      CODE("\x9c\x6a" byte "\x6a\x00\xeb\x02\x66\xb8\xcf\x90"), 0, {}, GP(error, 9), ONLY }, \
    { "operand-size jmp far to " name, CODE("\x66\xea\x00\x00" byte "\x00"), 0, {}, GP(error, 0), ONLY }, \
    { "mov ss to " name, CODE("\xb8" byte "\x00\x00\x00\x8e\xd0"), 0, {}, GP(error, 5), ONLY }

#define KERNEL_ADDRESS(text, value) \
    { "read of " text, CODE("\x8b\x00"), 0, { .eax = (value) }, READ_AT(value), ONLY }, \
    { "write of " text, CODE("\x89\x00"), 0, { .eax = (value) }, WRITE_AT(value), ONLY }, \
    { "read by cs of " text, CODE("\x2e\x8a\x00"), 0, { .eax = (value) }, READ_AT(value), ONLY }, \
    { "string read of " text, CODE("\xac"), 0, { .esi = (value) }, READ_AT(value), ONLY }, \
    { "push from " text, CODE("\x40\xff\x30"), 0, { .eax = (value) - 1 }, READ_AT(value), .eip = 1, ONLY }, \
    { "x87 load of " text, CODE("\xd9\x00"), 0, { .eax = (value) }, READ_AT(value), ONLY }, \
    { "MMX load of " text, CODE("\x0f\x6f\x00"), 0, { .eax = (value) }, READ_AT(value), ONLY }, \
    { "locked add to " text, CODE("\xf0\x01\x00"), 0, { .eax = (value) }, WRITE_AT(value), ONLY }
/* clang-format on */

static const struct code_row rows[] = {
    /* What a 64-bit kernel has at these selectors must not be had. */
    SELECTOR("0x33, the 64-bit code of a host", "\x33", 0x30),
    SELECTOR("0x23, the 32-bit code of a host", "\x23", 0x20),
    SELECTOR("0x2b, the data of a host", "\x2b", 0x28),
    SELECTOR("0x10, the host kernel's code", "\x10", 0x10),
    SELECTOR("0x60, this kernel's code", "\x60", 0x60),
    { "mov ds, 0x2b", CODE("\xb8\x2b\x00\x00\x00\x8e\xd8"), GP(0x28, 5), ONLY },
    { "mov gs, 0x33", CODE("\xb8\x33\x00\x00\x00\x8e\xe8"), GP(0x30, 5), ONLY },
    { "mov es, this kernel's data", CODE("\xb8\x68\x00\x00\x00\x8e\xc0"), GP(0x68, 5), ONLY },
    { "jmp far to the own selector",
      CODE("\x31\xc0\xe8\x00\x00\x00\x00\x59\x83\xc1\x0c\x6a\x73\x51\xcb\xf4\xf4\xf4\xf4"
           "\xb0\x07\xc3"),
      .eax = 7, ONLY },
    { "hidden jmp far in two immediates",
      CODE("\xb8\xea\x00\x00\x00\xb8\x33\x00\x00\x00\xc3"),
      1,
      {},
      GP(0x30, 1),
      ONLY },
    { "and read straight", CODE("\xb8\xea\x00\x00\x00\xb8\x33\x00\x00\x00\xc3"), .eax = 0x33 },
    /* System calls. */
    { "int 0x80, a number of none", CODE("\xcd\x80\xc3"), 0, { .eax = 0x7fff }, NO_SUCH_CALL },
    { "int 0x80, an x32 number", CODE("\xcd\x80\xc3"), 0, { .eax = 0x40000014 }, NO_SUCH_CALL },
    { "int 0x80, -1", CODE("\xcd\x80\xc3"), 0, { .eax = ~0u }, NO_SUCH_CALL },
    { "hidden int 0x80", CODE("\x3d\xcd\x80\xc3\x00\xc3"), 1, { .eax = 0x7fff }, NO_SUCH_CALL },
    { "syscall", CODE("\x0f\x05"), 0, { .eax = 0x7fff }, UD(0), ONLY },
    { "hidden syscall", CODE("\xb8\x0f\x05\xc3\x90\xc3"), 1, { .eax = 0x7fff }, UD(1), ONLY },
    { "sysret", CODE("\x0f\x07"), UD(0), ONLY },
    /* The kernel returns from SYSENTER to its vdso, which pops these three and returns. */
    { "sysenter",
      CODE("\xe8\x01\x00\x00\x00\xc3\x51\x52\x55\x89\xe5\x0f\x34"),
      0,
      { .eax = 0x7fff },
      NO_SUCH_CALL,
      ONLY },
    { "hidden sysenter",
      CODE("\xe8\x01\x00\x00\x00\xc3\x51\x52\x55\x89\xe5\xeb\x01\xb8\x0f\x34\x90\x90"),
      0,
      { .eax = 0x7fff },
      NO_SUCH_CALL,
      ONLY },
    { "int 0x2e", CODE("\xcd\x2e"), GP(0x172, 0) },
    /* Protection keys, extended state, bases: not of this processor. */
    { "wrpkru", CODE("\x31\xc0\x31\xc9\x31\xd2\x0f\x01\xef"), UD(6), ONLY },
    { "hidden wrpkru", CODE("\xb8\x0f\x01\xef\x90"), 1, {}, UD(1), ONLY },
    { "rdpkru", CODE("\x31\xc9\x0f\x01\xee"), UD(2), ONLY },
    { "xgetbv", CODE("\x31\xc9\x0f\x01\xd0"), UD(2), ONLY },
    { "xsetbv", CODE("\x31\xc9\x0f\x01\xd1"), UD(2), ONLY },
    { "xsave", CODE("\x0f\xae\x24\x24"), UD(0), ONLY },
    { "xrstor", CODE("\x0f\xae\x2c\x24"), UD(0), ONLY },
    { "hidden xrstor", CODE("\xb8\x0f\xae\x2c\x24"), 1, {}, UD(1), ONLY },
    { "xsaveopt", CODE("\x0f\xae\x34\x24"), UD(0), ONLY },
    { "xrstors", CODE("\x0f\xc7\x1c\x24"), UD(0), ONLY },
    { "rdfsbase", CODE("\xf3\x0f\xae\xc0"), UD(0) },
    { "wrgsbase", CODE("\xf3\x0f\xae\xd8"), UD(0) },
    { "swapgs", CODE("\x0f\x01\xf8"), UD(0) },
    { "vmcall", CODE("\x0f\x01\xc1"), UD(0), ONLY },
    { "vmmcall", CODE("\x0f\x01\xd9"), UD(0), ONLY },
    { "vmrun", CODE("\x0f\x01\xd8"), UD(0), ONLY },
    { "monitor", CODE("\x0f\x01\xc8"), UD(0), ONLY },
    { "mwait", CODE("\x0f\x01\xc9"), UD(0), ONLY },
    { "clac", CODE("\x0f\x01\xca"), UD(0), ONLY },
    { "rdtscp", CODE("\x0f\x01\xf9"), UD(0), ONLY },
    { "rdpid", CODE("\xf3\x0f\xc7\xf8"), UD(0), ONLY },
    { "xbegin", CODE("\xc7\xf8\x00\x00\x00\x00"), UD(0), ONLY },
    { "tpause", CODE("\x66\x0f\xae\xf0"), UD(0), ONLY },
    { "incsspd", CODE("\xf3\x0f\xae\xe8"), UD(0), ONLY },
    { "rdpmc", CODE("\x31\xc9\x0f\x33"), GP(0, 2), ONLY },
    /* The kernel's memory. */
    KERNEL_ADDRESS("c0000000", 0xc0000000),
    KERNEL_ADDRESS("c1000000", 0xc1000000),
    KERNEL_ADDRESS("ff400000", 0xff400000),
    KERNEL_ADDRESS("fffff000", 0xfffff000),
    KERNEL_ADDRESS("fffffff0", 0xfffffff0),
    { "stack in the kernel's memory",
      CODE("\x89\xc4\x50"),
      0,
      { .eax = 0xc1000000 },
      KERNEL_WRITE,
      .addr = 0xc0fffffc,
      .eip = 2,
      ONLY },
    { "call through the kernel's memory",
      CODE("\xff\x10"),
      0,
      { .eax = 0xc1000000 },
      KERNEL_READ,
      .addr = 0xc1000000,
      ONLY },
};

/* Jumps to where there is nothing to execute; EIP and address are the target. */
static void check_execution(void)
{
    static const uint32_t targets[] = { 0xc0000000, 0xc1000000, 0xc1000001, 0xff400000,
                                        0xfffff000, 0xffffffff, 0xffffe400, 0xff600000 };
    for (unsigned i = 0; i < ARRAY_SIZE(targets) && !on_host; i++) {
        struct registers r = { 0 };
        struct fault f;
        run_code((void *)targets[i], &r, &f);
        check(f.sig == SIG_SEGV && f.eip == targets[i] && f.addr == targets[i] && f.err == 5 &&
                  f.trapno == 14 && f.code == CODE_MAPERR,
              GUEST_ONLY "execution at %x: signal %d eip %x address %x error %x", targets[i], f.sig, f.eip,
              f.addr, f.err);
    }
}

/* After all that the program is still what it was. */
static void check_unharmed(void)
{
    uint32_t cs, ss, flags;
    __asm__("mov %%cs, %0; mov %%ss, %1; pushf; pop %2" : "=r"(cs), "=r"(ss), "=r"(flags));
    check_equal(cs, 0x73, GUEST_ONLY "the code selector");
    check_equal(ss, 0x7b, GUEST_ONLY "the stack selector");
    check_equal(cs & ss & 3, 3, "the privilege");
    check_equal(flags & (EFLAGS_IOPL | EFLAGS_IF), EFLAGS_IF, "the flags");
    check(linux_call(NR_GETPID) > 1 && linux_call_vdso(NR_GETPID) == linux_call(NR_GETPID), "system calls");
}

int program(void)
{
    uint8_t *page = map_memory(NULL, 2 * PAGE, PROT_RWX);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        run_row(&rows[i], page);
    check_any_order(rows, ARRAY_SIZE(rows), page + PAGE - 5);
    check_execution();
    check_unharmed();
    return 0;
}
