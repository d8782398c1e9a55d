/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a test program for i386 Linux needs when it has no C library: system calls, printing, checks that
 * have names, and signals caught in a way that can be compared: which, why, where. The programs must say the
 * same on an x86-64 kernel (IA-32 emulation) and in a guest, so nothing printed depends on address or time.
 * System call numbers and structures: Linux, arch/x86/entry/syscalls/syscall_32.tbl and the uapi headers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define PAGE               4096u
#define atomic_load(p)     __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define atomic_store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

/* ---- System calls ---- */

enum linux_number {
    NR_EXIT = 1,
    NR_FORK = 2,
    NR_READ = 3,
    NR_WRITE = 4,
    NR_OPEN = 5,
    NR_CLOSE = 6,
    NR_WAITPID = 7,
    NR_EXECVE = 11,
    NR_GETPID = 20,
    NR_MOUNT = 21,
    NR_KILL = 37,
    NR_MKDIR = 39,
    NR_PIPE = 42,
    NR_GETPPID = 64,
    NR_REBOOT = 88,
    NR_SETITIMER = 104,
    NR_CLONE = 120,
    NR_MODIFY_LDT = 123,
    NR_MPROTECT = 125,
    NR_SCHED_YIELD = 158,
    NR_MREMAP = 163,
    NR_SIGRETURN = 173,
    NR_SIGACTION = 174,
    NR_SIGPROCMASK = 175,
    NR_PREAD64 = 180,
    NR_PWRITE64 = 181,
    NR_SIGALTSTACK = 186,
    NR_MMAP2 = 192,
    NR_MUNMAP = 91,
    NR_MADVISE = 219,
    NR_GETTID = 224,
    NR_FUTEX = 240,
    NR_SCHED_SETAFFINITY = 241,
    NR_SET_THREAD_AREA = 243,
    NR_EXIT_GROUP = 252,
    NR_CLOCK_GETTIME = 265,
    NR_MEMFD_CREATE = 356,
};

/* Any system call, up to six arguments: by int 0x80, and by the entry the kernel recommends (its vdso, which
 * chooses SYSENTER where there is one). The result is the kernel's: -errno when it fails. */
long linux_call(long number, ...);
long linux_call_vdso(long number, ...);

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4, PROT_RW = 3, PROT_RX = 5, PROT_RWX = 7 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANON = 0x20 };
enum { ERR_PERM = 1, ERR_NOSYS = 38, ERR_NOMEM = 12 };

/* Anonymous private memory; at `where` if that is not null. Ends the program when there is none. */
void *map_memory(void *where, size_t size, int protection);
/* The same page or pages of a file twice: returns the descriptor of a new shared memory object. */
int shared_object(size_t size);
void *map_object(int object, void *where, size_t size, int protection);

struct linux_time {
    int32_t seconds;
    int32_t nanoseconds;
};
/* Monotonic time in nanoseconds. */
uint64_t now(void);
/* value / by, both unsigned; the quotient of 64-bit values without a library. */
uint64_t divide(uint64_t value, uint32_t by);

_Noreturn void end_program(int status);
/* Fork a child that runs `work` and ends with its result; wait() for it: exit status, or 256 + signal. */
int start_child(int (*work)(void *), void *argument);
int wait_child(int child);

/* ---- Printing and checking ---- */

/* %s %c %d %u %x %X(8 digits) %U (uint64_t), with an optional width for numbers. */
void print(const char *format, ...);
/* One line "ok name", or "FAIL name" with both values; remembered for the exit status. */
void check(bool good, const char *format, ...);
void check_equal(uint32_t got, uint32_t expected, const char *format, ...);
/* Prefix of lines that are only true of the guest's processor; the comparison with the host leaves them out.
 */
#define GUEST_ONLY "guest-only "

extern bool on_host;   /* started with the argument "native" ... */
extern bool short_run; /* ... with "short", or "native short": each instruction is slow (--engine lockstep) */
/* So many of something: a sixteenth in a short run, but one at least. */
uint32_t scaled(uint32_t count);
extern char **program_arguments;
extern unsigned checks_failed;
int program(void); /* each program's own */

/* A small generator of numbers, the same everywhere (xorshift). */
uint32_t next_random(uint32_t *state);

/* ---- Memory ---- */

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
bool same_text(const char *a, const char *b);

/* ---- Signals ---- */

enum {
    SIG_ILL = 4,
    SIG_TRAP = 5,
    SIG_BUS = 7,
    SIG_FPE = 8,
    SIG_SEGV = 11,
    SIG_USR1 = 10,
    SIG_ALRM = 14,
    SIG_SYS = 31,
    SIG_VTALRM = 26
};

/* What of siginfo_t is of interest. */
struct signal_info {
    int32_t sig, error, code;
    uint32_t addr;
    uint32_t more[28];
};

/* struct sigcontext_32 and what surrounds it. */
struct signal_context {
    uint32_t flags, link;
    uint32_t stack[3];
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t trapno, err, eip, cs, eflags, esp_at_signal, ss;
    uint32_t fpstate;
    uint32_t oldmask, cr2;
};

typedef void (*signal_handler)(int sig, struct signal_info *info, struct signal_context *context);
enum { SA_RESTART = 0x10000000 };
/* On the alternate stack unless `flags` has SA_THIS_STACK; never blocks itself. */
#define SA_THIS_STACK 0x1
void set_handler(int sig, signal_handler handler, uint32_t flags);

/* A fault as the program saw it. sig is 0 if there was none. */
struct fault {
    int sig, code, trapno;
    uint32_t err, eip, addr, cr2, eflags, esp;
    uint32_t eax, ecx, esi, edi;
};

enum {
    EFLAGS_CF = 1u << 0,
    EFLAGS_ZF = 1u << 6,
    EFLAGS_TF = 1u << 8,
    EFLAGS_IF = 1u << 9,
    EFLAGS_DF = 1u << 10,
    EFLAGS_OF = 1u << 11,
    EFLAGS_IOPL = 3u << 12,
    EFLAGS_NT = 1u << 14,
    EFLAGS_AC = 1u << 18,
    EFLAGS_ID = 1u << 21,
};

enum {
    CODE_KERNEL = 0x80, /* SI_KERNEL */
    CODE_MAPERR = 1,    /* SEGV_MAPERR */
    CODE_ACCERR = 2,    /* SEGV_ACCERR */
    CODE_ILLOPN = 2,    /* ILL_ILLOPN */
    CODE_INTDIV = 1,    /* FPE_INTDIV */
    CODE_ADRALN = 1,    /* BUS_ADRALN */
    CODE_BRKPT = 1,     /* TRAP_BRKPT */
    CODE_TRACE = 2,     /* TRAP_TRACE */
};

/* Call `work`; when a signal of SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGSYS ends it, say which. */
bool try_call(void (*work)(void *), void *argument, struct fault *fault);

/* Set (again) the handlers try_call() needs; the start of every program has done it. */
void catch_faults(void);

/* Registers for and after a piece of machine code, which returns with RET. */
struct registers {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp, eflags;
};
/* try_call() for machine code at `entry`. */
bool run_code(const void *entry, struct registers *r, struct fault *fault);
/* Without catching anything. */
void call_code(const void *entry, struct registers *r);

/* ---- Machine code in tables ---- */

#define CODE(text) .bytes = (const uint8_t *)(text), .size = sizeof(text) - 1

/* A row: code, where to enter it, and how it must end. */
struct code_row {
    const char *name;
    const uint8_t *bytes;
    uint32_t size;
    uint32_t entry; /* offset of the first instruction to be executed */
    struct registers in;
    int sig; /* 0: returns, with `eax` as below */
    int code, trapno;
    uint32_t err;
    uint32_t eip;     /* offset of the saved EIP */
    uint32_t eax;     /* result, or 0 when there is a signal */
    bool addr_is_eip; /* si_addr is the address of the instruction, else `addr` */
    uint32_t addr;
    bool guest_only; /* the host answers differently: not run there, not compared */
};
/* Run one row from memory at `where` (writable, executable), check everything, and print a line. */
void run_row(const struct code_row *row, uint8_t *where);
/* The same without a word, and without writing the bytes again. */
bool row_holds(const struct code_row *row, uint8_t *where);
bool row_holds_in_place(const struct code_row *row, const uint8_t *where);
/* Many runs of rows in an order that mixes them, all at one place. */
void check_any_order(const struct code_row *rows, unsigned count, uint8_t *where);
