/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtual CPU's state, on the executor side: plain data in the shared arena, at the same address in
 * every process that maps it. Pointers in it point into the arena or at executor code only.
 * The library side has a copy of part of it (library/mirror.c), which it converts to and from the public
 * structs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu_model.h"
#include "devices/near.h"
#include "duplex86/duplex86.h"
#include "split.h"
#include "stats.h"
#include "translator/decode.h"
#include "x86/x86.h"

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE      __attribute__((noinline))
#define NORETURN      __attribute__((noreturn))

struct vcpu;
struct uop;
struct block;

/* ---- Registers ------------------------------------------------------------------------------------ */

enum { GPR_ZERO = X86_NO_REG, GPR_SLOTS = 12 };

/*
 * The register file, seen in three widths. Indices are in units of the width: EBX is d[3], BX w[6],
 * BL b[12], BH b[13]. Slot 8 always holds zero, so an absent base or index needs no test.
 */
union gpr_file {
    uint32_t d[GPR_SLOTS];
    uint16_t w[GPR_SLOTS * 2];
    uint8_t b[GPR_SLOTS * 4];
};

/*
 * The six arithmetic flags as the host processor gives them: LAHF's AH over SETO's AL. So an ALU handler
 * stores them with one 16-bit move, and they are the processor's own, undefined ones included.
 */
#define ARITH_OF 0x0001u
#define ARITH_CF 0x0100u
#define ARITH_PF 0x0400u
#define ARITH_AF 0x1000u
#define ARITH_ZF 0x4000u
#define ARITH_SF 0x8000u

/* A segment register with its hidden part, and what access checks need precomputed (seg_derive()). */
struct segment {
    uint32_t base;
    uint32_t limit; /* in bytes, G applied */
    uint16_t selector;
    uint16_t attr; /* X86_SEG_*; 0 in `P` for an unusable one */
    bool unusable; /* null selector in protected mode */
    /* Derived: an access of n bytes at offset o is inside when min <= o and o + n - 1 <= max, no wrap. */
    bool readable, writable;
    uint32_t min, max;
};

/* ---- Translation caches --------------------------------------------------------------------------- */

enum {
    TLB_SIZE = 1024,
    TLB_INVALID = 1, /* no page address has its low bits set */
    ITLB_SIZE = 256,
    JUMP_CACHE_SIZE = 4096,
};

/* host address = linear address + addend, when the tag for the access equals the page's linear address. */
struct tlb_entry {
    uint32_t read_tag, write_tag;
    uint64_t addend;
};

struct itlb_entry {
    uint32_t tag;   /* page linear address, or TLB_INVALID */
    uint32_t user;  /* filled for CPL 3 */
    uint64_t frame; /* RAM-file frame number; FRAME_NONE: no memory there, reads FF */
};

/* Where execution goes for a linear address in a mode; valid while the fetch tag stays the same. */
struct jump_entry {
    uint32_t la;
    uint32_t tag;
    const struct uop *target;
};

/* What a block was built for; part of its key. Anything else that matters is checked when executed. */
enum mode {
    MODE_CODE32 = 1 << 0,  /* CS.D */
    MODE_STACK32 = 1 << 1, /* SS.B */
    MODE_FLAT = 1 << 2, /* DS, ES, SS: base 0, limit 4 GiB, readable and writable; CS: base 0, limit 4 GiB */
    MODE_USER = 1 << 3, /* CPL 3 */
    MODE_STEP = 1 << 4, /* one instruction, then back to the loop */
    MODE_BITS = 5,
};

/* Reasons to come back to the run loop at the next block boundary (vcpu.pending). */
enum {
    PENDING_KICK = 1 << 0,     /* set by any thread */
    PENDING_STEP = 1 << 1,     /* a MODE_STEP block runs */
    PENDING_SBE = 1 << 2,      /* blocks run where the engine sbe looks after each of them */
    PENDING_DEADLINE = 1 << 3, /* set by the executor's timer */
    PENDING_POLL = 1 << 4,     /* no timer, as in the caller: look at the clock, poll_until */
    PENDING_CHIPS = 1 << 5,    /* the chips lent to us: INTR is up, or another deadline */
};

/* ---- Bus accesses that need the caller -------------------------------------------------------------- */

/*
 * An instruction that reads a device leaves with an exit and is executed again when the answer is there.
 * The log keeps the accesses it has already made, so each reaches the device once.
 */
struct bus_access {
    guest_pa pa; /* or the port */
    uint64_t data;
    uint8_t size;
    bool is_write, is_port;
    uint16_t batch; /* REP INS: elements asked for at once; the answer stays in exit->io.data. 0: a single
                       access */
};

enum { BUS_LOG_MAX = 160 };

struct bus_log {
    unsigned count;  /* accesses made since the instruction began, over all its executions */
    unsigned cursor; /* the next one expected in this execution */
    bool waiting;    /* the last one was sent to the caller and its answer is not in the log yet */
    struct bus_access access[BUS_LOG_MAX];
};

/* ---- Exceptions ------------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_NONE,
    EVENT_EXCEPTION, /* hardware exception: vector, maybe an error code */
    EVENT_SOFT_INT,  /* INT n, INT3, INTO: next_eip is pushed, DPL is checked (not for INT1) */
    EVENT_EXTERNAL,  /* interrupt or NMI */
};

struct event {
    uint8_t kind; /* enum event_kind */
    uint8_t vector;
    bool has_error;
    uint32_t error;
};

/* Why the executor unwound to the run loop. */
enum unwind { UNWIND_NONE, UNWIND_EXCEPTION, UNWIND_EXIT };

struct unwind_buffer {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

/* ---- FPU --------------------------------------------------------------------------------------------- */

/* x87, MMX and SSE state; interpreter/fpu.c says how it lives partly in the host's registers. */
struct fpu {
    /* FXSAVE image; valid while !live. Its FIP, FDP and FOP are not: see below. */
    _Alignas(64) uint8_t image[512];
    uint32_t host_mxcsr; /* what the C code around us had, while the guest's state is loaded */
    uint16_t host_fcw;
    bool live;           /* the guest's state is in the host's registers */
    uint8_t guard;       /* enum fpu_class: instructions of these classes take the slow path first */
    bool unmasked;       /* FCW leaves an exception unmasked: look for pending ones before each instruction */
    bool simd_unmasked;  /* MXCSR leaves an exception unmasked */
    bool ignne;          /* IGNNE# is asserted: with CR0.NE clear, pending x87 exceptions do not stop us */
    uint8_t hidden;      /* pending exception flags kept from the host's FSW while IGNNE# is in use */
    uint32_t mxcsr_mask; /* bits of MXCSR that may be set */
    /* Last non-control x87 instruction, as FNSTENV shows it; kept here, not by the host's FPU. */
    uint32_t fip, fdp;
    uint16_t fcs, fds, fop;
    uint32_t fip_before; /* the host's at the native entry, if an exception was pending; else 0 */
};

/* Executable memory for the host instructions that do the guest's FP and SIMD work (fpu_emit()). */
struct native_pool {
    uint64_t *code;       /* slots, writable mapping; zeroed by whoever sets this up */
    const uint64_t *text; /* the same memory, executable mapping */
    uint32_t slots;       /* a power of two */
    uint32_t used;
    bool full; /* a bind failed for want of a slot: flush the blocks and build again */
};

/* ---- Guest-physical memory ---------------------------------------------------------------------------- */

#define FRAME_NONE UINT64_MAX

/* A piece of guest-physical memory backed by the RAM file. Sorted by pa in the memory map. */
struct region {
    guest_pa pa, size;
    uint64_t offset; /* in the RAM file */
    bool read_only;
};

struct memory_map {
    unsigned count;
    struct region region[D86_REGION_MAX];
    uint8_t *ram; /* the RAM file, mapped whole */
    uint64_t ram_size;
};

/* Per RAM-file frame: what is cached from it. Lives in a sparse part of the arena. */
struct code_frame {
    uint64_t granules;        /* bit n: bytes 64n..64n+63 are part of a cached block */
    struct code_ref *refs;    /* the blocks that have bytes here */
    uint32_t private_head;    /* the private pages made of it: first one's number (code_number_of()) */
    uint32_t translated_head; /* pages with translated code of it: first one's number + 1 (translation.c) */
    uint32_t write_traps;     /* native writes emulated since it became code (code_yield_frame()) */
};

/*
 * Where calls under way will return to, as the processor's own return stack has it: a guess for RET, which is
 * right if the address is, and if linear addresses still mean what they meant at the call.
 */
enum { RETURNS = 32 };

struct return_entry {
    guest_la la;
    uint32_t tag; /* v->fetch_tag; 0: none */
    const struct uop *landing;
};

/*
 * A descriptor of the GDT that was loaded, for translated code to load it again: as long as the guest's
 * memory has the same there. translated_segment.c
 */
struct cached_descriptor {
    _Alignas(64) uint64_t descriptor; /* as it is in memory */
    uint64_t segment[3];              /* struct segment made of it */
    const struct tlb_entry *tlb;      /* the interpreter's, of its page ... */
    uint32_t page;                    /* ... which that maps if its read_tag is this */
    uint32_t la;                      /* linear address of the descriptor */
    uint16_t selector;                /* 0: none is cached */
    bool flat;                        /* DS and ES may have it without a change of mode */
    bool open;                        /* all of 4 GiB can be read and written */
};

enum { CACHED_DESCRIPTORS = 16 };

/*
 * A program of an address space that is not mapped in place, whose 32-bit code may be translated:
 * engine/visit.c decides.
 */
struct visitor {
    uint32_t cr3;
    int32_t credit;  /* while it is more than 0 the program is translated; what costs much takes it away */
    uint32_t earned; /* otherwise: instructions that were interpreted, less what its faults are worth */
    uint32_t kicks;  /* ticks and the like that met it in translated code */
};

enum { SBE_VISITORS = 8 };

/* Executor processes a vCPU may have (inplace/member.h). */
enum { EXECUTORS_MAX = D86_SPACES_MAX };

/* What translated code and the border to it use; translated_offsets.h has where it lies. */
struct translated {
    /* By translated_run.c, for translated code. */
    uint64_t window, fs_window; /* of v->shadow_system; for FS: that, or where nothing is */
    uint64_t exit_direct, exit_indirect, call_out; /* struct gen_layout */
    struct translation_target *targets;
    const uint8_t *if_clear, *if_set; /* of the second byte of EFLAGS: what it is with IF clear or set */
    uint32_t fs_base;
    uint32_t after_sti; /* EIP behind the last STI that was executed here */
    uint8_t attention;  /* with IF set there would be something to do */
    uint32_t reason;    /* why translated code was left by a signal: enum translated_reason */
    /* Host stack pointers: of the stack of return addresses while compiled code runs, and the other way
     * round. */
    uint64_t stack, c_stack;
    uint64_t exit_after; /* of the direct exit that was taken: what its stub's CALL pushed */
    struct {
        uint8_t vector;
        uint32_t error;
        uint64_t address; /* #PF: host linear address */
        uint64_t resume;  /* host code of the guest's instruction */
    } fault;
    bool begun;       /* a signal met the instruction behind its first host instruction */
    uint32_t drops;   /* of struct translation, when the stack of return addresses was last emptied */
    bool enabled;     /* by the library */
    uint64_t nothing; /* fs_window for an FS by which not all can be accessed */
    uint64_t load_segment[X86_SREG_COUNT], pop_segment[X86_SREG_COUNT]; /* struct gen_layout */
    /*
     * For segmented code, by translated_segmented.c: where segments are in the window, and pointers by which
     * their limits are checked (struct gen_layout). space_key: what to add to an EIP to find it in the table
     * of indirect branches; code_base: of CS. Both are 0 for flat code.
     */
    uint64_t place[X86_SREG_COUNT], limit_read[X86_SREG_COUNT], limit_write[X86_SREG_COUNT];
    uint64_t exit_indirect_segmented, exit_far, space_key;
    uint64_t group_key; /* of what differs by the base of CS only: what a load of CS leaves of space_key */
    uint64_t stack_floor;
    uint32_t code_base;
    uint32_t stack_space; /* the return addresses on the stack are of this space */
    bool called_out;      /* translated_step(): the instruction is one for the interpreter */
    bool stepped;         /* ... is what runs: one instruction of the guest's */
    /*
     * For tests, 0: never. Translated code is left, as by a kick, at the first boundary of guest instructions
     * when so many host instructions have been executed; and what is interpreted at CPL 0 is kicked behind.
     */
    uint32_t sweep;
};

/* ---- The virtual CPU ----------------------------------------------------------------------------------- */

struct debug_state {
    uint32_t dr[8];
    bool active;   /* some breakpoint is enabled in DR7 */
    uint32_t hit;  /* DR6 bits collected by the current instruction, while it is stepped; else 0 */
    uint32_t held; /* ... by one that loads SS: their trap comes after the instruction that follows */
    uint32_t trap; /* DR6 bits of the #DB trap being delivered, else 0 */
};

/* What a stepped instruction had before it began, to be put back when it does not complete. */
struct step_state {
    bool resume, shadow, shadow_is_ss;
};

/* The same of a block that began between two iterations of a REP: `icount` tells whether it came further. */
struct repeat_state {
    bool amid;
    uint64_t icount;
};

/*
 * By whose they are, there are three kinds of members; the library has a copy of the state and of the
 * settings in memory of its own, a struct vcpu too (library/mirror.c), and of the rest it reads counters
 * only.
 */
struct vcpu {
    /*
     * State: what the processor is, and what it is in the middle of, between two turns. The library may
     * change it; what is made from it elsewhere follows at the next turn (exec_take_changes()). Up to seg[]
     * hot: touched by nearly every instruction.
     */
    union gpr_file gpr;
    uint32_t eip;   /* of the current block's first byte while it runs; exact whenever C code outside handlers
                       sees it */
    uint16_t arith; /* ARITH_* */
    uint32_t eflags; /* all flags but the arithmetic six, which are zero here; bit 1 set */

    /* The executor's own, as hot. */
    uint32_t pending;      /* PENDING_*; set atomically by other threads */
    uint32_t fetch_tag;    /* tlb_generation << MODE_BITS | mode */
    struct tlb_entry *tlb; /* data TLB for the current CPL: tlb_user, tlb_system, or tlb_none */
    uint64_t icount;
    struct translated translated;
    uint32_t return_top; /* of returns[], modulo its size */
    struct return_entry returns[RETURNS];

    /* State again. */
    struct segment seg[X86_SREG_COUNT];

    uint8_t cpl; /* SDM's CPL: SS.DPL; 0 in real mode, 3 in V86 */
    bool halted, shutdown;
    bool nmi_pending, nmi_blocked;
    bool int_shadow;   /* set by STI or MOV/POP SS: no interrupt before the next instruction is done */
    bool shadow_is_ss; /* ... by MOV/POP SS: no breakpoint and no debug trap either */
    bool repeating; /* the instruction at CS:EIP is a REP with iterations behind it: RF is set. In eflags it
                       is not, since nobody need step for its sake */
    int16_t interrupt; /* injected vector, or -1 */

    struct segment ldt, tr;
    struct d86_table gdt, idt;
    uint32_t cr0, cr2, cr3, cr4;
    uint64_t efer;
    uint64_t pdpte[4]; /* PAE: loaded with CR3, SDM 3A "PDPTE Registers" */
    struct debug_state debug;
    struct {
        uint32_t sysenter_cs, sysenter_esp, sysenter_eip;
        uint64_t pat, misc_enable;
        uint64_t mcg_status, mcg_ctl, mc_ctl[MCA_BANKS];
        int64_t tsc_offset; /* guest TSC = host TSC + offset */
        uint64_t mtrr_def_type, mtrr_range[2 * MTRR_RANGES], mtrr_fixed[MTRR_FIXED];
    } msr;

    struct event event;      /* exception being raised; EVENT_NONE otherwise */
    struct event delivering; /* for the double-fault rules */
    bool exception_shown;    /* D86_DEBUG_EXCEPTIONS: the caller has seen v->event; deliver it now */

    struct fpu fpu;
    struct bus_log bus; /* the state ends before the accesses it keeps */

    /* Settings: the library's alone to change. */
    struct cpu_model model;
    uint32_t features[4]; /* what CPUID advertises: words as in enum cpu_feature; set by cpu_model_select() */
    uint32_t tsc_khz;     /* of the time stamp counter, for CPUID; 0: not known */
    guest_pa pa_mask;     /* physical address lines, A20 included */
    unsigned debug_causes; /* enum d86_debug */
    bool timing;           /* count native_ns, as TSC ticks: the library converts them */
    struct memory_map map;
    struct {
        bool known; /* else all have */
        uint32_t count;
        struct d86_ports run[D86_PORTS_MAX];
    } claimed; /* ports that have somebody who answers */

    /* The executor's own again. */
    struct d86_exit *exit; /* in the arena */
    struct {
        bool lent;        /* in this run */
        uint64_t post_by; /* when writes that were posted are to be with the caller; 0: there are none */
        struct near near;
    } chips;
    struct unwind_buffer unwind;
    uint32_t next_eip; /* of the instruction after the current one, in handlers that sync */
    uint32_t
        fpu_word; /* FCW, FSW or MXCSR between a handler and its stub: a local's address must not leave */
    uint8_t mode; /* MODE_* without MODE_STEP */
    bool no_trap; /* the instruction entered a handler: no single-step trap after it */
    struct step_state step_state;
    struct repeat_state repeat;
    uint64_t poll_until; /* PENDING_POLL: the deadline, a tick of the host's time stamp counter */
    struct d86_stats stats;

    uint32_t tlb_generation;
    uint32_t fetch_limit; /* CS limit the jump cache was filled under */
    /* Aligned so that no entry, here or in jump[], lies in two cache lines. */
    _Alignas(64) struct tlb_entry tlb_system[TLB_SIZE];
    struct tlb_entry tlb_user[TLB_SIZE];
    struct tlb_entry
        tlb_none[TLB_SIZE]; /* never filled: every access takes the slow path (AC checks, watchpoints) */
    struct itlb_entry itlb[ITLB_SIZE];
    struct cached_descriptor cached[CACHED_DESCRIPTORS]; /* by bits 3 to 6 of the selector */
    struct d86_table cached_from;                        /* the GDT they are of */
    /* Bit n % 64 of word n / 64: entry n holds nothing, in tlb_system and tlb_user, or in itlb. A flush looks
     * at the others. */
    uint64_t tlb_empty[TLB_SIZE / 64], itlb_empty[ITLB_SIZE / 64];
    struct jump_entry jump[JUMP_CACHE_SIZE];

    struct code_frame *code_frame; /* one per frame of the RAM file */
    struct block_cache *blocks;
    struct native_pool *native;

    uint8_t engine; /* enum d86_engine */
    struct split split;
    struct shadow *shadow,
        *shadow_system; /* for CPL 3, and for translated code: the one in use of `spaces` */
    struct system_spaces *spaces;
    struct code_cache *code;
    uint32_t member;         /* of `members`: whose the four above are; inplace/member.h */
    struct members *members; /* NULL: there is one executor process, this one */
    struct pool *pool;       /* engine/pool.h */
    struct {
        uint32_t count;
        int32_t pid[EXECUTORS_MAX];
    } executors; /* processes of this vCPU, by the library before the first run; 0: it has none of its own */
    struct translation *translation;
    struct {
        uint64_t signalled;       /* ticks when an instruction for the interpreter last cost a signal */
        unsigned short_runs;      /* such signals in a row that came soon after the one before */
        uint64_t interpret_until; /* icount: until then the interpreter runs blocks */
        uint32_t audit;           /* before every so many native entries; 0: never ... */
        uint64_t audit_at;        /* ... next before this one */
        bool eager;               /* never mind whether native code pays */
        bool translate_only;      /* nothing runs in place */
        uint32_t primed_on;       /* split tlb: the CPU on which a lost entry was last made good for */
        struct visitor visitor;   /* who is there beside `home` */
        struct visitor seat[SBE_VISITORS]; /* who was lately */
        unsigned next_seat;
        uint64_t visit;      /* instructions of the visitor's that were interpreted since it came */
        bool timed;          /* ... and a timer was set */
        uint64_t exceptions; /* stats.exceptions when it was last looked at */
        struct {             /* a data access that was left to the interpreter, for a #PF most likely */
            bool any;
            uint8_t access; /* of enum access */
            guest_la la;
            uint32_t eip, cr3;
        } refused;
        struct { /* where native code last trapped */
            uint64_t icount;
            uint32_t eip, gpr[8];
        } trapped_at;
    } sbe;
    struct lockstep *lockstep;
    struct exec_stats counts;
    struct exec_trace *trace; /* trace_ring.h */
};

/* From where to where they lie: the state in two pieces. */
#define VCPU_REGISTERS_START offsetof(struct vcpu, gpr)
#define VCPU_REGISTERS_END   offsetof(struct vcpu, pending)
#define VCPU_STATE_START     offsetof(struct vcpu, seg)
#define VCPU_STATE_END       offsetof(struct vcpu, bus.access)
#define VCPU_SETTINGS_START  offsetof(struct vcpu, model)
#define VCPU_SETTINGS_END    offsetof(struct vcpu, exit)

/* ---- Micro-operations ------------------------------------------------------------------------------------
 */

/*
 * A handler executes one guest instruction and continues with the next by a tail call (or returns it, in
 * builds without guaranteed tail calls: see DISPATCH). NULL: back to the run loop.
 */
typedef const struct uop *uop_fn(struct vcpu *v, const struct uop *u);

enum uop_flag {
    UOP_A16 = 1 << 0, /* 16-bit address size */
    UOP_O16 = 1 << 1, /* 16-bit operand size */
    UOP_REP = 1 << 2,
    UOP_REPNE = 1 << 3,
    UOP_LOCK = 1 << 4,
    UOP_MEM = 1 << 5,     /* one operand is memory: see disp, base, index, scale, seg */
    UOP_DST_MEM = 1 << 6, /* ... the destination */
    UOP_LANDING = 1 << 7, /* calls: the next uop leads on to where they return to */
};

/* One decoded instruction as the handlers want it. */
struct uop {
    uop_fn *run;
    union {
        const struct uop *link; /* branches: where the taken path goes, once known */
        const void *native;     /* FP and SIMD: the code that executes it (fpu_emit()) */
        uint64_t extra;         /* insn.imm2 and the like */
    };
    uint32_t imm; /* immediate; branches: taken target relative to the block's first EIP */
    union {
        uint32_t disp;
        uint32_t link_tag; /* branches to other pages: the link holds while v->fetch_tag is this ... */
    };
    uint16_t eip_off; /* of this instruction from the block's first EIP */
    uint8_t n;        /* instructions in the block up to and including this one */
    uint8_t len;
    union {
        struct {
            uint8_t dst, src; /* register-file indices of operands 0 and 1 in units of their size, or plain
                                 numbers */
            uint8_t base, index;
        };
        uint32_t link_la; /* ... and the target is there */
    };
    uint8_t scale, seg;
    uint8_t flags; /* enum uop_flag */
    uint8_t aux;   /* per handler: condition, sub-opcode, third operand */
};

_Static_assert(sizeof(struct uop) == 40, "uop layout");

/* Are calls in tail position jumps? cmake/D86TailCalls.cmake has tried. */
#ifndef D86_THREADED
#define D86_THREADED 0
#endif

/*
 * A call stays one where the callee might use a local variable of the caller's. So a handler, with all that
 * is inlined into it, gives no local's address away: a NOINLINE function does what needs one, and is over
 * before the handler goes on. Beside handlers only their templates dispatch, which are ALWAYS_INLINE.
 * tests/tools/check_handlers.py looks at what the compiler made of them; it knows them by their symbols.
 */
#define DISPATCH(v, u)    return D86_THREADED ? (u)->run((v), (u)) : (u)
#define NEXT(v, u)        DISPATCH((v), (u) + 1)
#define UOP_SYMBOL(name)  __asm__("uop_" #name)
#define DECLARE_UOP(name) uop_fn name UOP_SYMBOL(name)
#define HANDLER(name)                                                                                        \
    static DECLARE_UOP(name);                                                                                \
    static const struct uop *name(struct vcpu *v, const struct uop *u)

/* ---- Small accessors
 * --------------------------------------------------------------------------------------- */

static inline uint32_t gpr_read(const struct vcpu *v, unsigned index, unsigned size)
{
    return size == 4 ? v->gpr.d[index] : size == 2 ? v->gpr.w[index] : v->gpr.b[index];
}

static inline void gpr_write(struct vcpu *v, unsigned index, unsigned size, uint32_t value)
{
    if (size == 4)
        v->gpr.d[index] = value;
    else if (size == 2)
        v->gpr.w[index] = (uint16_t)value;
    else
        v->gpr.b[index] = (uint8_t)value;
}

/* Register-file index of general register `reg` in units of `size` (AH..BH for size 1, 4..7). */
static inline uint8_t gpr_index(unsigned reg, unsigned size)
{
    if (size == 4)
        return (uint8_t)reg;
    if (size == 2)
        return (uint8_t)(reg * 2);
    return (uint8_t)(reg < 4 ? reg * 4 : (reg - 4) * 4 + 1);
}

static inline bool cpu_protected(const struct vcpu *v)
{
    return v->cr0 & X86_CR0_PE;
}

static inline bool cpu_v86(const struct vcpu *v)
{
    return v->eflags & X86_VM;
}

/* Real mode or V86: selectors are paragraph numbers. */
static inline bool cpu_real_segments(const struct vcpu *v)
{
    return !cpu_protected(v) || cpu_v86(v);
}

static inline unsigned cpu_iopl(const struct vcpu *v)
{
    return v->eflags >> X86_IOPL_SHIFT & 3;
}

/* CR0.PE set and not V86: what most system instructions ask. */
static inline bool cpu_pmode(const struct vcpu *v)
{
    return !cpu_real_segments(v);
}
