/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debug exceptions, on the host's processor and on the virtual one: breakpoints and TF around loads of SS and
 * in repeated string instructions. The host's debug registers belong to whoever traces a process, so a child
 * is traced; where that cannot be had, the virtual processor is compared with the rows alone (status 77). SDM
 * 3B, "Debugging, Branch Profiling, TSC"; SDM 3A, "Masking Exceptions and Interrupts When Switching Stacks".
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duplex86/duplex86.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* Both sides have this at these linear addresses. */
#define CODE  0x10000000u
#define DATA  0x10010000u /* at SELECTOR and SELECTOR + 4 one for SS, zero elsewhere */
#define STACK 0x10020000u /* ESP; the selector is there, too */

enum { SELECTOR = 0x40, OTHER = 0x80, FROM = 0x100, TO = 0x200, CODE_MAX = 16, STOPS_MAX = 5, ROOM = 0x1000 };

/* DR7: breakpoint n watches so many bytes. SDM 3B, "Debug Control Register (DR7)". */
#define FETCH(n)        (1u << 2 * (n))
#define WRITE(n, bytes) (FETCH(n) | (1u | ((bytes)-1u) << 2) << (16 + 4 * (n)))
#define TOUCH(n, bytes) (FETCH(n) | (3u | ((bytes)-1u) << 2) << (16 + 4 * (n)))

enum { DB = 1, UD = 6, TF = 1 << 8, RF = 1 << 16, B0 = 1, B1 = 2, BS = 1 << 14, DR6_USED = 0x400f };

/* What stops the code: a debug exception or, at last, UD2. */
struct stop {
    uint8_t vector;
    uint8_t at; /* EIP, from the code's start */
    uint16_t dr6;
    bool rf;
    uint8_t ecx;
};

struct row {
    const char *name;
    uint8_t size, code[CODE_MAX];
    uint32_t dr0, dr1, dr7, flags, ecx;
    struct stop stops[STOPS_MAX]; /* as the SDM has it */
    struct stop amd[STOPS_MAX];   /* the host's, if it is AMD's and does otherwise */
};

/* ESI is DATA + FROM, EDI DATA + TO, EBX DATA, EAX the selector. Bytes that often come: */
#define MOV_SS_MEM 0x8e, 0x53, SELECTOR /* mov ss, [ebx + SELECTOR] */
#define MOV_SS_EAX 0x8e, 0xd0
#define MOV_OTHER  0x8a, 0x83, OTHER, 0, 0, 0 /* mov al, [ebx + OTHER] */
#define LSS        0x0f, 0xb2, 0x63, SELECTOR /* lss esp, [ebx + SELECTOR] */
#define NOP        0x90
#define UD2        0x0f, 0x0b
#define CODE_OF(...)                                                                                         \
    sizeof((uint8_t[]){ __VA_ARGS__ }),                                                                      \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static const struct row rows[] = {
    { "data breakpoint: after the instruction", CODE_OF(MOV_OTHER, NOP, UD2), .dr0 = DATA + OTHER,
      .dr7 = TOUCH(0, 1), .stops = { { DB, 6, B0 }, { UD, 7, 0, true } } },
    { "instruction breakpoint: before it", CODE_OF(NOP, NOP, UD2), .dr0 = CODE + 1, .dr7 = FETCH(0),
      .stops = { { DB, 1, B0 }, { UD, 2, 0, true } } },
    { "RF holds it back once", CODE_OF(NOP, NOP, UD2), .dr0 = CODE, .dr1 = CODE + 1,
      .dr7 = FETCH(0) | FETCH(1), .flags = RF, .stops = { { DB, 1, B1 }, { UD, 2, 0, true } } },

    { "MOV SS: its data breakpoint one instruction later", CODE_OF(MOV_SS_MEM, NOP, NOP, UD2),
      .dr0 = DATA + SELECTOR, .dr7 = TOUCH(0, 2), .stops = { { DB, 4, B0 }, { UD, 5, 0, true } } },
    { "MOV SS: together with the next one's", CODE_OF(MOV_SS_MEM, MOV_OTHER, NOP, UD2),
      .dr0 = DATA + SELECTOR, .dr1 = DATA + OTHER, .dr7 = TOUCH(0, 2) | TOUCH(1, 1),
      .stops = { { DB, 9, B0 | B1 }, { UD, 10, 0, true } } },
    { "MOV SS: lost by a fault", CODE_OF(MOV_SS_MEM, UD2), .dr0 = DATA + SELECTOR, .dr7 = TOUCH(0, 2),
      .stops = { { UD, 3, 0, true } } },
    { "MOV SS with TF: together with the next step", CODE_OF(MOV_SS_MEM, NOP, UD2), .dr0 = DATA + SELECTOR,
      .dr7 = TOUCH(0, 2), .flags = TF, .stops = { { DB, 4, B0 | BS }, { UD, 4, 0, true } } },
    { "MOV SS with TF: one step less", CODE_OF(MOV_SS_EAX, NOP, NOP, UD2), .flags = TF,
      .stops = { { DB, 3, BS }, { DB, 4, BS }, { UD, 4, 0, true } } },
    { "MOV SS: holds back the next one's breakpoint", CODE_OF(MOV_SS_EAX, NOP, NOP, UD2), .dr0 = CODE + 2,
      .dr7 = FETCH(0), .stops = { { UD, 4, 0, true } }, .amd = { { DB, 2, B0 }, { UD, 4, 0, true } } },
    { "MOV SS: not that of the one after it", CODE_OF(MOV_SS_EAX, NOP, NOP, UD2), .dr0 = CODE + 3,
      .dr7 = FETCH(0), .stops = { { DB, 3, B0 }, { UD, 4, 0, true } } },
    { "POP SS: its data breakpoint one instruction later", CODE_OF(0x17, NOP, NOP, UD2), .dr0 = STACK,
      .dr7 = TOUCH(0, 2), .stops = { { DB, 2, B0 }, { UD, 3, 0, true } } },
    { "POP SS: holds back the next one's breakpoint", CODE_OF(0x17, NOP, NOP, UD2), .dr0 = CODE + 1,
      .dr7 = FETCH(0), .stops = { { UD, 3, 0, true } }, .amd = { { DB, 1, B0 }, { UD, 3, 0, true } } },
    { "LSS: its data breakpoint at once", CODE_OF(LSS, NOP, NOP, UD2), .dr0 = DATA + SELECTOR + 4,
      .dr7 = TOUCH(0, 2), .stops = { { DB, 4, B0 }, { UD, 6, 0, true } } },
    { "LSS: does not hold back breakpoints", CODE_OF(LSS, NOP, NOP, UD2), .dr0 = CODE + 4, .dr7 = FETCH(0),
      .stops = { { DB, 4, B0 }, { UD, 6, 0, true } } },
    { "LSS with TF: steps like others", CODE_OF(LSS, NOP, UD2), .flags = TF,
      .stops = { { DB, 4, BS }, { DB, 5, BS }, { UD, 5, 0, true } } },

    { "REP with TF: RF in the middle", CODE_OF(0xf3, 0xa4, NOP, UD2), .flags = TF, .ecx = 3,
      .stops = { { DB, 0, BS, true, 2 },
                 { DB, 0, BS, true, 1 },
                 { DB, 2, BS },
                 { DB, 3, BS },
                 { UD, 3, 0, true } },
      .amd = { { DB, 0, BS, false, 2 },
               { DB, 0, BS, false, 1 },
               { DB, 2, BS },
               { DB, 3, BS },
               { UD, 3, 0, true } } },
    { "REP with TF, RF before it: a breakpoint strikes once", CODE_OF(0xf3, 0xaa, NOP, UD2), .dr0 = CODE,
      .dr7 = FETCH(0), .flags = TF | RF, .ecx = 3,
      .stops = { { DB, 0, BS, true, 2 },
                 { DB, 0, BS, true, 1 },
                 { DB, 2, BS },
                 { DB, 3, BS },
                 { UD, 3, 0, true } } },
    { "REPNE SCAS with TF: the last one is the one that finds", CODE_OF(0xf2, 0xae, UD2), .flags = TF,
      .ecx = 9, .stops = { { DB, 0, BS, true, 8 }, { DB, 2, BS, false, 7 }, { UD, 2, 0, true, 7 } },
      .amd = { { DB, 0, BS, false, 8 }, { DB, 2, BS, false, 7 }, { UD, 2, 0, true, 7 } } },
};

/* Memory of a row: the same on both sides but for the selector. */
static void fill_data(uint8_t *data, uint16_t selector)
{
    memset(data, 0, ROOM);
    memcpy(data + SELECTOR, &(uint32_t[]){ selector, selector }, 8);
    data[TO] = (uint8_t)~selector; /* SCAS finds AL behind it */
    data[TO + 1] = (uint8_t)selector;
}

static bool report(const struct row *r, const char *whose, unsigned n, const struct stop *want,
                   const struct stop *got)
{
    if (want->vector == got->vector && want->at == got->at && want->dr6 == got->dr6 && want->rf == got->rf &&
        want->ecx == got->ecx)
        return true;
    printf("%s: %s, stop %u: vector %u at +%u, DR6 %04x, RF %d, ECX %u\n", r->name, whose, n, got->vector,
           got->at, got->dr6, got->rf, got->ecx);
    printf("  should be: vector %u at +%u, DR6 %04x, RF %d, ECX %u\n", want->vector, want->at, want->dr6,
           want->rf, want->ecx);
    return false;
}

/* ---- The host -------------------------------------------------------------------------------------- */

static void map(uint32_t at, const void *bytes, size_t size)
{
    void *p = mmap((void *)(uintptr_t)at, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != (void *)(uintptr_t)at)
        _exit(1);
    memcpy(p, bytes, size);
}

/* The child: memory as a row wants it, then whatever its tracer makes of it. */
static void be_traced(const struct row *r)
{
    enum { SEL_DATA = 0x2b };
    static uint8_t data[ROOM];

    fill_data(data, SEL_DATA);
    map(CODE, r->code, r->size);
    map(DATA, data, ROOM);
    map(STACK, &(uint32_t){ SEL_DATA }, 4);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(1);
}

static bool set_debug(pid_t pid, unsigned n, unsigned long value)
{
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + n * 8, value) == 0;
}

static bool set_up_child(pid_t pid, const struct row *r)
{
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
        return false;
    regs.cs = 0x23; /* Linux's 32-bit code */
    regs.ss = regs.ds = regs.es = regs.rax = 0x2b;
    regs.rip = CODE;
    regs.rsp = STACK;
    regs.rbx = DATA;
    regs.rcx = r->ecx;
    regs.rsi = DATA + FROM;
    regs.rdi = DATA + TO;
    regs.eflags = 0x202 | r->flags;
    regs.orig_rax = ~0ull;
    return !ptrace(PTRACE_SETREGS, pid, 0, &regs) && (!r->dr0 || set_debug(pid, 0, r->dr0)) &&
           (!r->dr1 || set_debug(pid, 1, r->dr1)) && set_debug(pid, 7, r->dr7);
}

static bool next_stop(pid_t pid, struct stop *s)
{
    struct user_regs_struct regs;
    int status;

    if (!set_debug(pid, 6, 0) || ptrace(PTRACE_CONT, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
        !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, 0, &regs))
        return false;
    long dr6 = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + 6 * 8, 0);
    *s = (struct stop){ .vector = WSTOPSIG(status) == SIGTRAP  ? DB
                                  : WSTOPSIG(status) == SIGILL ? UD
                                                               : 0,
                        .at = (uint8_t)(regs.rip - CODE),
                        .dr6 = (uint16_t)dr6 & DR6_USED,
                        .rf = regs.eflags & RF,
                        .ecx = (uint8_t)regs.rcx };
    return true;
}

enum answer { SAME, DIFFERS, CANNOT };

/*
 * Linux sets RF in a tracee that stopped at an instruction breakpoint, so that it can go on; the processor's
 * image is not to be seen there.
 */
static bool is_before_instruction(const struct row *r, const struct stop *s)
{
    return s->vector == DB && !(s->dr6 & BS) &&
           ((r->dr0 == CODE + s->at && (s->dr6 & B0)) || (r->dr1 == CODE + s->at && (s->dr6 & B1)));
}

static enum answer host_run(const struct row *r, const struct stop *want)
{
    enum answer answer = SAME;
    pid_t pid = fork();
    int status;

    if (pid == 0)
        be_traced(r);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        return CANNOT;
    if (!set_up_child(pid, r))
        answer = CANNOT;
    for (unsigned n = 0; answer == SAME && n < STOPS_MAX && want[n].vector; n++) {
        struct stop got;
        if (!next_stop(pid, &got)) {
            answer = CANNOT;
            break;
        }
        if (is_before_instruction(r, &got))
            got.rf = want[n].rf;
        if (!report(r, "host", n, &want[n], &got))
            answer = DIFFERS;
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return answer;
}

static bool host_is_amd(void)
{
    uint32_t eax, ebx, ecx, edx;

    __cpuid(0, eax, ebx, ecx, edx);
    return ebx == signature_AMD_ebx || ebx == 0x6f677948; /* Hygo(nGenuine) */
}

/* The first rows need nothing but debug registers that work. */
static bool host_can(void)
{
    return host_run(&rows[0], rows[0].stops) == SAME && host_run(&rows[1], rows[1].stops) == SAME;
}

/* ---- The virtual processor: at CPL 0, where SS is loaded like anywhere ------------------------------ */

enum { GDT = 0x1000, IDT = 0x2000, STUB = 0x3000, SEL_CODE = 8, SEL_STACK = 0x10, LOW_RAM = 0x10000 };

struct guest {
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
};

static void fail(const char *what)
{
    printf("oracle_debug: %s: %s\n", what, d86_last_error());
    exit(1);
}

static void put(struct guest *g, uint32_t at, const void *bytes, size_t size)
{
    if (d86_vm_write(g->vm, at, bytes, size))
        fail("cannot write guest memory");
}

/* Handlers are HLT; the stack has the rest. */
static void fill_tables(struct guest *g)
{
    static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

    put(g, GDT, gdt, sizeof gdt);
    for (uint32_t vector = 0; vector < 32; vector++) {
        uint64_t gate = 0x00008e0000000000ull | (uint64_t)SEL_CODE << 16 | (STUB + vector);
        put(g, IDT + 8 * vector, &gate, 8);
        put(g, STUB + vector, &(uint8_t){ 0xf4 }, 1);
    }
}

static void create(struct guest *g)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_INTERP };

    if (d86_vm_create(&g->vm) || d86_vm_add_ram(g->vm, 0, LOW_RAM) || d86_vm_add_ram(g->vm, CODE, ROOM) ||
        d86_vm_add_ram(g->vm, DATA, ROOM) || d86_vm_add_ram(g->vm, STACK - ROOM, 2 * ROOM) ||
        d86_vcpu_create(g->vm, &config, &g->cpu))
        fail("cannot create the machine");
    fill_tables(g);
}

static void set_up_guest(struct guest *g, const struct row *r)
{
    static const uint8_t nothing[ROOM];
    static uint8_t data[ROOM];
    struct d86_sregs s;

    fill_data(data, SEL_STACK);
    put(g, CODE, nothing, ROOM);
    put(g, CODE, r->code, r->size);
    put(g, DATA, data, ROOM);
    put(g, STACK, &(uint32_t){ SEL_STACK }, 4);
    d86_vcpu_reset(g->cpu);
    d86_vcpu_get_sregs(g->cpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct d86_segment){ .limit = UINT32_MAX, .selector = SEL_STACK, .attr = 0xc093 };
    s.seg[D86_CS].selector = SEL_CODE;
    s.seg[D86_CS].attr = 0xc09b;
    s.gdt = (struct d86_table){ .base = GDT, .limit = 3 * 8 - 1 };
    s.idt = (struct d86_table){ .base = IDT, .limit = 32 * 8 - 1 };
    s.cr0 = 0x11;
    s.dr[0] = r->dr0;
    s.dr[1] = r->dr1;
    s.dr[6] = 0;
    s.dr[7] = r->dr7;
    if (d86_vcpu_set_sregs(g->cpu, &s))
        fail("cannot set the registers");
    d86_vcpu_set_regs(g->cpu, &(struct d86_regs){ .eax = SEL_STACK,
                                                  .ebx = DATA,
                                                  .ecx = r->ecx,
                                                  .esi = DATA + FROM,
                                                  .edi = DATA + TO,
                                                  .esp = STACK,
                                                  .eip = CODE,
                                                  .eflags = 2 | r->flags });
}

/* Run to an exception; then leave its handler, as an IRET would that resumes. */
static bool guest_stop(struct guest *g, const struct row *r, struct stop *stop)
{
    struct {
        uint32_t eip, cs, eflags;
    } frame;
    struct d86_regs regs;
    struct d86_sregs s;

    if (d86_vcpu_run(g->cpu) || d86_vcpu_exit(g->cpu)->reason != D86_EXIT_HLT)
        return false;
    d86_vcpu_get_regs(g->cpu, &regs);
    d86_vcpu_get_sregs(g->cpu, &s);
    if (d86_vm_read(g->vm, regs.esp, &frame, sizeof frame))
        return false;
    *stop = (struct stop){ .vector = (uint8_t)(regs.eip - 1 - STUB),
                           .at = (uint8_t)(frame.eip - CODE),
                           .dr6 = s.dr[6] & DR6_USED,
                           .rf = frame.eflags & RF,
                           .ecx = (uint8_t)regs.ecx };
    s.dr[6] = 0;
    if (d86_vcpu_set_sregs(g->cpu, &s))
        fail("cannot set the registers");
    regs.esp += sizeof frame;
    regs.eip = frame.eip;
    regs.eflags = frame.eflags | (is_before_instruction(r, stop) ? RF : 0);
    d86_vcpu_set_regs(g->cpu, &regs);
    d86_vcpu_set_events(g->cpu, &(struct d86_events){ .interrupt = -1 });
    return true;
}

static bool guest_run(struct guest *g, const struct row *r)
{
    set_up_guest(g, r);
    for (unsigned n = 0; n < STOPS_MAX && r->stops[n].vector; n++) {
        struct stop got;
        if (!guest_stop(g, r, &got)) {
            printf("%s: guest, stop %u: an exit of kind %d\n", r->name, n, d86_vcpu_exit(g->cpu)->reason);
            return false;
        }
        if (!report(r, "guest", n, &r->stops[n], &got))
            return false;
    }
    return true;
}

/* ---- Both ------------------------------------------------------------------------------------------ */

int main(void)
{
    enum { SKIPPED = 77 };
    struct guest g;
    unsigned wrong = 0;
    bool amd = host_is_amd(), host = host_can();

    create(&g);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        wrong += !guest_run(&g, r);
        wrong += host && host_run(r, amd && r->amd[0].vector ? r->amd : r->stops) != SAME;
    }
    d86_vm_destroy(g.vm);
    printf("%zu rows, %u wrong\n", ARRAY_SIZE(rows), wrong);
    if (wrong)
        return 1;
    if (!host)
        printf("skipped: the host gives a tracer no debug registers; the guest alone was looked at\n");
    return host ? 0 : SKIPPED;
}
