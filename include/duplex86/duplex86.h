/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libduplex86: an x86 PC's memory and processor as an object another program can drive.
 * The contract is KVM's in spirit: the caller lays out guest-physical memory, calls d86_vcpu_run(), and
 * looks at one shared exit record when it returns. Everything that is neither RAM nor ROM is MMIO and
 * comes back as an exit; so do port accesses. Devices and time are the caller's.
 *
 * Every function returns 0 or a negative errno value unless it says otherwise. One thread at a time may
 * use a VM; only d86_vcpu_kick() may be called from any thread and from signal handlers, and
 * d86_vcpu_run_ns() from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define D86_API __attribute__((visibility("default")))
#else
#define D86_API
#endif

struct d86_vm;
struct d86_vcpu;

/* Version of the library in use, "major.minor.patch". */
D86_API const char *d86_version(void);

/* ---- Virtual machine and guest-physical memory ---------------------------------------------------- */

/*
 * Create an empty VM: no memory, no processor.
 * -ENOMEM; -EAGAIN: too many VMs in this process (8); -ENOTSUP: the host lacks something the library
 * needs (it names it with d86_last_error()).
 */
D86_API int d86_vm_create(struct d86_vm **vm);

/* Free the VM, its memory and its processor. NULL is allowed. */
D86_API void d86_vm_destroy(struct d86_vm *vm);

/*
 * What the last failed call in this thread found, one sentence without a full stop, for people; "" if
 * there is nothing to add to the error number. Valid until the next call in the same thread.
 */
D86_API const char *d86_last_error(void);

/*
 * Add `size` bytes of zeroed RAM at guest-physical `pa`. Both are multiples of 4096; the region lies
 * below 64 GiB and overlaps no other. All RAM of a VM is one memfd, in the order of the calls.
 * -EINVAL, -EEXIST (overlap), -ENOSPC (more than D86_REGION_MAX regions), -ENOMEM.
 */
D86_API int d86_vm_add_ram(struct d86_vm *vm, uint64_t pa, uint64_t size);

/*
 * Add a ROM: `size` bytes copied from `data`, at `pa` (multiples of 4096). Guest writes to it come back
 * as MMIO exits and change nothing. Errors as d86_vm_add_ram().
 */
D86_API int d86_vm_add_rom(struct d86_vm *vm, uint64_t pa, const void *data, uint64_t size);

/*
 * Show the region that holds `pa_of` (RAM or ROM, `size` bytes of it) at `pa` too, read-only or not:
 * a BIOS at 4 GiB and at 1 MiB, for one. Errors as d86_vm_add_ram(); -ENOENT: nothing at pa_of.
 */
D86_API int d86_vm_add_alias(struct d86_vm *vm, uint64_t pa, uint64_t pa_of, uint64_t size, bool read_only);

/* Remove the region that starts at `pa` exactly; it becomes MMIO. -ENOENT. The vCPU must not be running. */
D86_API int d86_vm_remove(struct d86_vm *vm, uint64_t pa);

enum { D86_REGION_MAX = 32 };

/*
 * For a chipset that can hide memory behind other memory, the two halves of d86_vm_add_ram(): set aside
 * `size` bytes of zeroed memory, a multiple of 4096, that the guest sees nowhere yet; and show `size` bytes
 * from `offset` on of the VM's memory at `pa`, a multiple of 4096 as well. Memory may be shown at several
 * places or at none, and d86_vm_remove() hides it again. What is shown read-only answers writes as a ROM
 * does. Errors as d86_vm_add_ram(); -ENOENT: there is no such memory.
 */
D86_API int d86_vm_add_memory(struct d86_vm *vm, uint64_t size, uint64_t *offset);
D86_API int d86_vm_map(struct d86_vm *vm, uint64_t pa, uint64_t offset, uint64_t size, bool read_only);
/*
 * Write to the VM's memory, wherever the guest sees it or not; the contents of a ROM, for one. Otherwise as
 * d86_vm_write(). -ENOENT: there is no such memory (nothing was copied).
 */
D86_API int d86_vm_store(struct d86_vm *vm, uint64_t offset, const void *data, size_t size);

/*
 * The same memory, for reading: a frame buffer, for one. The guest may write to it at any time. Valid until
 * the VM is destroyed. NULL: there is no such memory.
 */
D86_API const void *d86_vm_memory(struct d86_vm *vm, uint64_t offset, uint64_t size);

/*
 * Memory that nobody has written yet is all zero and takes no room. Where does the next piece begin, at
 * `offset` or behind it, that somebody has written to? False: none does before `end`. Else from *from to *to,
 * multiples of 4096, but for what `end` cuts off. Not while the vCPU runs.
 */
D86_API bool d86_vm_next_written(struct d86_vm *vm, uint64_t offset, uint64_t end, uint64_t *from,
                                 uint64_t *to);

/*
 * Copy to or from guest-physical memory as a device would by DMA, across regions. Writes reach RAM only;
 * instructions the processor has cached from there are dropped. -EFAULT: part of the range is neither
 * RAM nor ROM (nothing was copied). Not while the vCPU runs in another thread.
 */
D86_API int d86_vm_read(struct d86_vm *vm, uint64_t pa, void *data, size_t size);
D86_API int d86_vm_write(struct d86_vm *vm, uint64_t pa, const void *data, size_t size);

/*
 * Give the host back what is in guest-physical memory: it reads as zeros, and takes none of the host's until
 * somebody writes there. `pa` and `size` are multiples of 4096. -EFAULT: part of the range is no RAM that the
 * guest can write (nothing was given back); -EINVAL; or why the host does not take it. Not while the vCPU
 * runs in another thread.
 */
D86_API int d86_vm_discard(struct d86_vm *vm, uint64_t pa, uint64_t size);

/* ---- Processor ----------------------------------------------------------------------------------- */

enum d86_engine {
    D86_ENGINE_INTERP, /* the reference interpreter: complete and precise */
    D86_ENGINE_SBE, /* scan before execute: code at CPL 3 runs natively, kernels as struct d86_vcpu_config's
                       `translate` says */
    D86_ENGINE_LOCKSTEP, /* sbe an instruction at a time, each compared with interp: an exit tells the first
                            difference. Of kernels all with `eager`, else some */
};

/* How native code is fetched from private pages while the guest reads its own (docs/scan-before-execute.md).
 */
enum d86_split {
    D86_SPLIT_AUTO,    /* the best that works here */
    D86_SPLIT_SEGMENT, /* data segments with a base: code and data of one address lie apart */
    D86_SPLIT_PKU,     /* private pages under a protection key that lets them be fetched only */
    D86_SPLIT_NONE,    /* no split, for comparisons: in pages with code the guest may read INT3 (CCh) instead
                          of its own bytes */
    D86_SPLIT_TLB, /* the processor's TLB for fetches has private pages, by a kernel module: docs/split-tlb.md
                    */
};

/* What the engine sbe does with code that it does not run in place (docs/translated-code.md). */
enum d86_translate {
    D86_TRANSLATE_ON,   /* translate it to host code, where that can be done: flat 32-bit protected mode, not
                           CPL 3 */
    D86_TRANSLATE_OFF,  /* interpret it */
    D86_TRANSLATE_ONLY, /* translate it, and run nothing in place, so programs are translated, too */
};

enum { D86_SPACES_DEFAULT = 4, D86_SPACES_MAX = 8 };

struct d86_vcpu_config {
    const char *cpu; /* CPUID model by name, NULL for the default; d86_cpu_models() lists them */
    enum d86_engine engine;
    enum d86_split split;         /* for the engines sbe and lockstep */
    enum d86_translate translate; /* for the engines sbe and lockstep */
    /* CPUID and MSR 1Bh say that there is a local APIC: the caller lends one (d86_exit.lend). */
    bool apic;
    /*
     * For the engine sbe: bytes of host code that the guest's kernel is translated to, at most; what belongs
     * to it takes about as much again. Rounded down to 4 MiB; 8 MiB to 64 MiB, which 0 means.
     */
    uint64_t translation_size;
    /*
     * For the engine sbe: how many of the guest's address spaces stay mapped, each in a process of its own;
     * the least recently used goes for a new one. 1 to 8; 0: D86_SPACES_DEFAULT. Switching between two that
     * stay costs some 5 us, else some 300.
     */
    unsigned spaces;
    /*
     * For the engines sbe and lockstep: run natively whatever can be, at once, and compare all. Otherwise
     * programs that run only for a moment, and code that traps too often, are interpreted, which is faster.
     * For tests and for study.
     */
    bool eager;
    /*
     * For the engines sbe and lockstep: before every so many entries into native or translated code compare
     * all that is mapped for it with the guest's page tables, make what is translated again, and end with an
     * internal error if something is wrong. 0: never. For tests: an audit takes a millisecond for each page
     * of code there is.
     */
    uint32_t audit;
    /*
     * For the engine lockstep with the split segment or pku: behave as a host with protection keys does, on
     * any host. What the interpreter's turn at an instruction accesses tells whether the processor's would
     * have met a private page; then it is not run, and counts as faulted. For tests.
     */
    bool simulate_keys;
    /*
     * For the engine interp: run the processor in the thread that calls d86_vcpu_run(), for debuggers.
     * Otherwise, and with the other engines always, it has a process of its own that can make no system calls
     * but those for taking turns and for mapping guest memory (docs/architecture.md, "The executor process").
     * An exit then costs two process switches, some 5 us instead of 0.1. A library built with a sanitizer has
     * no such process: its interp is always in the caller.
     */
    bool in_caller;
};

/*
 * Add the VM's processor, in its reset state (SDM 3A, "Processor State After Reset").
 * -EINVAL: unknown model or engine, or `in_caller` with another than interp; -EEXIST: the VM has a processor;
 * -ENOTSUP: the model, the engine or the split needs something the host lacks (see d86_last_error()).
 */
D86_API int d86_vcpu_create(struct d86_vm *vm, const struct d86_vcpu_config *config, struct d86_vcpu **vcpu);

/* NULL-terminated list of CPUID model names, and one line about each (NULL: no such model). */
D86_API const char *const *d86_cpu_models(void);
D86_API const char *d86_cpu_model_description(const char *name);

/* Back to the reset state: INIT/RESET as the chipset would pulse it. Memory is kept. */
D86_API void d86_vcpu_reset(struct d86_vcpu *vcpu);

struct d86_regs {
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t eip, eflags;
};

/* A segment register with its hidden part. `attr` is bits 8..23 of the descriptor's second doubleword
 * without the limit: type in 3..0, S 4, DPL 6..5, P 7, AVL 12, D/B 14, G 15. limit is in bytes. */
struct d86_segment {
    uint32_t base, limit;
    uint16_t selector, attr;
    bool unusable; /* a null selector was loaded */
};

struct d86_table {
    uint32_t base;
    uint16_t limit;
};

enum { D86_ES, D86_CS, D86_SS, D86_DS, D86_FS, D86_GS };

struct d86_sregs {
    struct d86_segment seg[6]; /* indexed by D86_ES.. */
    struct d86_segment ldt, tr;
    struct d86_table gdt, idt;
    uint32_t cr0, cr2, cr3, cr4;
    uint64_t efer;
    uint32_t dr[8];
};

/* x87, MMX and SSE state: the 512-byte FXSAVE image. */
struct d86_fpu {
    _Alignas(16) uint8_t fxsave[512];
};

/* Events under way: what must be kept beside the registers to move a processor elsewhere. */
struct d86_events {
    bool halted;   /* waits after HLT */
    bool shutdown; /* after a triple fault */
    bool nmi_pending, nmi_blocked;
    bool interrupt_shadow; /* the instruction after STI or MOV SS has not run yet */
    int16_t interrupt;     /* vector injected and not yet taken, or -1 */
};

D86_API void d86_vcpu_get_regs(const struct d86_vcpu *vcpu, struct d86_regs *regs);
D86_API void d86_vcpu_set_regs(struct d86_vcpu *vcpu, const struct d86_regs *regs);
D86_API void d86_vcpu_get_sregs(const struct d86_vcpu *vcpu, struct d86_sregs *sregs);
/* -EINVAL: a combination no processor can be in (PG without PE, reserved bits); nothing changed. */
D86_API int d86_vcpu_set_sregs(struct d86_vcpu *vcpu, const struct d86_sregs *sregs);
D86_API void d86_vcpu_get_fpu(const struct d86_vcpu *vcpu, struct d86_fpu *fpu);
/* -EINVAL: reserved bits of MXCSR set. */
D86_API int d86_vcpu_set_fpu(struct d86_vcpu *vcpu, const struct d86_fpu *fpu);
/* Model-specific registers as RDMSR/WRMSR at CPL 0; -EINVAL where those raise #GP. */
D86_API int d86_vcpu_get_msr(const struct d86_vcpu *vcpu, uint32_t index, uint64_t *value);
D86_API int d86_vcpu_set_msr(struct d86_vcpu *vcpu, uint32_t index, uint64_t value);
D86_API void d86_vcpu_get_events(const struct d86_vcpu *vcpu, struct d86_events *events);
D86_API void d86_vcpu_set_events(struct d86_vcpu *vcpu, const struct d86_events *events);

/*
 * All of a processor's state between two instructions as bytes, from which another one of the same model goes
 * on, in another process or on another host; memory and the A20 gate are apart. The time stamp counter goes
 * on from where it was. Bytes of another version of this library are refused, not misunderstood.
 */
enum { D86_SAVED_MAX = 4096 };

/* Was the last exit in the middle of an instruction, which the next run completes? A kick has that run end
 * behind it, or at the next device that the instruction wants. */
D86_API bool d86_vcpu_is_amid(const struct d86_vcpu *vcpu);
/* Returns how many bytes it wrote; D86_SAVED_MAX are room enough. -EBUSY: d86_vcpu_is_amid(); -ENOSPC. */
D86_API int d86_vcpu_save(const struct d86_vcpu *vcpu, void *data, size_t room);
/* -EINVAL: these bytes are no state of this model; the processor is unchanged, or reset. What was under way
 * is given up. Not while it runs. */
D86_API int d86_vcpu_restore(struct d86_vcpu *vcpu, const void *data, size_t size);

/* ---- Running ------------------------------------------------------------------------------------- */

enum d86_exit_reason {
    D86_EXIT_NONE,
    D86_EXIT_IO,               /* port access: see io; the next run completes it */
    D86_EXIT_MMIO,             /* access to memory that is neither RAM nor ROM, or write to ROM: see mmio */
    D86_EXIT_HLT,              /* the processor waits for an interrupt, NMI or reset */
    D86_EXIT_INTERRUPT_WINDOW, /* asked for with request_interrupt_window: an interrupt can be injected now */
    D86_EXIT_SHUTDOWN,         /* triple fault */
    D86_EXIT_DEBUG,            /* asked for with d86_vcpu_set_debug(): see debug */
    D86_EXIT_KICKED,           /* d86_vcpu_kick() */
    D86_EXIT_INTERNAL_ERROR,   /* the library cannot go on: see error; the guest state is as before the
                                  instruction */
    D86_EXIT_FERR,             /* CR0.NE is clear and an x87 exception is pending: see ferr */
    D86_EXIT_DIFFERENCE, /* engine lockstep: d86_vcpu_difference(); registers are as before the instruction */
    D86_EXIT_DEADLINE,   /* asked for with deadline_ns */
    D86_EXIT_REASONS     /* how many there are */
};

enum {
    D86_IO_DATA_MAX = 4096,
    D86_KNOWN_MAX = 32,
    D86_POSTING_MAX = 8,
    D86_POSTED_MAX = 256,
    D86_PORTS_MAX = 112,
    D86_LENT_WORDS = 96,
    D86_LENT_VIDEO_WORDS = 16,
};

/*
 * The exit record, plain data that stays at one address. The caller reads what the reason
 * names, and for an input fills io.data or mmio.data before the next d86_vcpu_run().
 */
struct d86_exit {
    uint32_t reason; /* enum d86_exit_reason */

    /* Set by the caller before run: leave with D86_EXIT_INTERRUPT_WINDOW as soon as one can be injected. */
    uint8_t request_interrupt_window;
    /*
     * Set by the caller before run, and kept: leave with D86_EXIT_DEADLINE when the host's CLOCK_MONOTONIC
     * shows that many nanoseconds, or at once if it does already; 0: never. It may come early: the clock
     * tells. That is cheaper than a kick by another thread at that time; but a processor in the caller looks
     * at the clock after each block for it, and gets slower.
     */
    uint64_t deadline_ns;
    /*
     * Set by the caller before run, and kept: 1 lends the processor the chips next to it, which are two
     * 8259A, an 8254 and the latch at port 80h at a PC's ports, and the APICs if there are any, in the state
     * `lent`. During the run it makes byte accesses to them itself, and dword accesses to the APICs, serves
     * their timers by their time and takes their interrupts; a tick
     * of the guest's timer then has no exit. Back at the caller they are in the state `lent` again, whatever
     * the exit. The state is a struct near_state of include/devices/near.h of the same version, and must not
     * be believed unchecked when it comes back: the executor process may have been taken over.
     */
    uint8_t lend;
    uint64_t lent[D86_LENT_WORDS];
    /*
     * Set by the caller before run, and kept: by so many nanoseconds the time of the chips that are lent is
     * behind CLOCK_MONOTONIC, of which deadline_ns is all the same. A machine that was paused is behind.
     */
    uint64_t behind_ns;
    /*
     * The same for a display adapter: 1 lends what programs talk to while they draw on planes, in the state
     * `video`, a struct lent_video of include/devices/lent_video.h, with the adapter's memory, 16 MiB, at
     * `video_memory` of the VM's. The processor then makes accesses to A0000h-BFFFFh where no memory is, and
     * to the adapter's ports for them. Whatever comes back was not checked.
     */
    uint8_t lend_video;
    uint64_t video_memory;
    uint64_t video[D86_LENT_VIDEO_WORDS];
    /*
     * Set by the caller before run, and kept: what an IN of one byte from these ports gives, so that it is no
     * exit. For registers of which reads change nothing, and which change only when the processor accesses a
     * port, by the deadline, or by something that the caller kicks for: a status register that guests poll.
     * Counts above D86_KNOWN_MAX are that many.
     */
    uint32_t known_count;
    struct {
        uint16_t port;
        uint8_t value;
    } known[D86_KNOWN_MAX];
    /*
     * Set by the caller before run, and kept: an OUT of one byte to these ports may be posted, which is no
     * exit: it is in `posted` at the next one. For registers that only take bytes to somewhere else, such as
     * a transmitter's whose interrupt is off. Counts above D86_POSTING_MAX are that many.
     */
    uint32_t posting_count;
    uint16_t posting[D86_POSTING_MAX];
    /*
     * Set by run at every exit: the OUTs that were posted, in their order, all before what the exit is for.
     * None waits for more than some milliseconds: D86_EXIT_DEADLINE comes early for it.
     */
    uint32_t posted_count;
    struct {
        uint16_t port;
        uint8_t value;
    } posted[D86_POSTED_MAX];
    /* Set by run at every exit: d86_vcpu_interrupt() would be accepted now. */
    uint8_t ready_for_interrupt;
    uint8_t interrupt_flag; /* EFLAGS.IF */
    /*
     * Level of the FERR# pin (SDM 1, "MS-DOS Compatibility Sub-mode": CR0.NE clear). A PC wires it to IRQ 13.
     * With D86_EXIT_FERR the processor stands still before an x87 instruction, as after HLT: raise the
     * interrupt and run again when it can be injected, or call d86_vcpu_ignne().
     */
    uint8_t ferr;

    struct {
        uint16_t port;
        uint8_t size;   /* bytes of one access: 1, 2 or 4 */
        uint8_t is_out; /* 1: the guest wrote */
        uint32_t count; /* accesses, in order; more than one for string instructions with REP */
        uint8_t data[D86_IO_DATA_MAX]; /* count * size bytes, little-endian */
    } io;

    struct {
        uint64_t pa;
        uint8_t size; /* bytes: 1, 2, 4, 8 ... 16; never across a page */
        uint8_t is_write;
        uint8_t data[16];
    } mmio;

    struct {
        uint32_t linear; /* CS base + EIP */
        uint8_t cause;   /* enum d86_debug */
    } debug;

    struct {
        uint32_t code;  /* enum d86_error */
        char text[160]; /* one sentence for people */
    } error;
};

enum d86_error {
    D86_ERROR_UNIMPLEMENTED = 1, /* the guest did what this processor cannot model */
    D86_ERROR_BUG,               /* an invariant of the library broke */
};

/*
 * Run the guest until something needs the caller; the record is d86_vcpu_exit(). Returns 0 with
 * exit->reason set. With a process of its own the processor shares a CPU with the calling thread, which is
 * kept there most of the time, between runs too, until the VM is destroyed by that thread, or for good.
 * Running after D86_EXIT_SHUTDOWN returns the same exit until a reset.
 */
D86_API int d86_vcpu_run(struct d86_vcpu *vcpu);
D86_API struct d86_exit *d86_vcpu_exit(struct d86_vcpu *vcpu);

/*
 * Inject an external interrupt; it is taken at the start of the next run. -EAGAIN: not possible now
 * (IF clear, a shadow, or one is pending): set request_interrupt_window and run.
 */
D86_API int d86_vcpu_interrupt(struct d86_vcpu *vcpu, uint8_t vector);

/*
 * Assert IGNNE#: the pending x87 exception no longer holds up the guest. A PC does so at a write to port F0.
 * The pin falls by itself when the exception is cleared, as the PC's circuit has it.
 */
D86_API void d86_vcpu_ignne(struct d86_vcpu *vcpu);

/* Pend a non-maskable interrupt; taken when the processor next can. */
D86_API void d86_vcpu_nmi(struct d86_vcpu *vcpu);

/* Make a run in progress, or else the next one, return D86_EXIT_KICKED soon. Any thread, any signal. */
D86_API void d86_vcpu_kick(struct d86_vcpu *vcpu);

/* Ports from `first` to `last`. */
struct d86_ports {
    uint16_t first, last;
};

/*
 * Which ports anybody answers, at most D86_PORTS_MAX runs of them. IN and OUT of all others are no exits
 * then: they read as all ones, and nothing is written. Until it is called every access is an exit. -EINVAL:
 * no such runs.
 */
D86_API int d86_vcpu_set_ports(struct d86_vcpu *vcpu, const struct d86_ports *ports, unsigned count);

/* The A20 gate: off, bit 20 of every guest-physical address reads as 0. On at creation; a reset keeps it. */
D86_API void d86_vcpu_set_a20(struct d86_vcpu *vcpu, bool enabled);

/* ---- Debugging and statistics -------------------------------------------------------------------- */

enum d86_debug {
    D86_DEBUG_SINGLE_STEP = 1, /* exit after every instruction */
    D86_DEBUG_INT3 = 2,        /* exit at INT3 (CC) instead of raising #BP */
    D86_DEBUG_EXCEPTIONS =
        4, /* exit before a fault or abort is delivered (not INT n, INT3, INTO, INT1, debug traps) */
};

/* Choose what leaves with D86_EXIT_DEBUG: a sum of enum d86_debug, 0 for nothing. */
D86_API void d86_vcpu_set_debug(struct d86_vcpu *vcpu, unsigned causes);

struct d86_exception {
    uint8_t vector;
    bool has_error_code;
    uint32_t error_code;
    uint32_t cr2; /* the faulting address of a #PF */
};

/*
 * The exception behind a D86_EXIT_DEBUG with cause D86_DEBUG_EXCEPTIONS: registers show the state at the
 * faulting instruction (the handler will see RF set besides). The next run delivers it unless
 * d86_vcpu_set_regs() is called first.
 */
D86_API void d86_vcpu_exception(const struct d86_vcpu *vcpu, struct d86_exception *exception);

struct d86_stats {
    uint64_t instructions; /* guest instructions interpreted; an iteration of REP counts one */
    uint64_t blocks_built, blocks_dropped, cache_flushes;
    uint64_t tlb_fills, tlb_flushes;
    uint64_t exceptions, interrupts, exits;
};

D86_API void d86_vcpu_stats(const struct d86_vcpu *vcpu, struct d86_stats *stats);

/*
 * How much of a host processor the vCPU has had, in ns; 0 before the first run. What of a span of time it has
 * not had the guest stood still in: the host ran others. From any thread.
 */
D86_API uint64_t d86_vcpu_run_ns(const struct d86_vcpu *vcpu);

/* Everything the processor counts, those of struct d86_stats too, by index from 0. False: no more. */
struct d86_counter {
    const char *name; /* "shadow_fills": for machines; never changes its meaning */
    const char *what; /* for people */
    uint64_t value;
};

D86_API bool d86_vcpu_counter(const struct d86_vcpu *vcpu, unsigned index, struct d86_counter *counter);

/*
 * Measure the counters of time spent in native code too ("native_ns"); off at creation, since it reads the
 * host's TSC twice for each entry. Not while the vCPU runs.
 */
D86_API void d86_vcpu_set_timing(struct d86_vcpu *vcpu, bool enabled);

/* What D86_EXIT_DIFFERENCE found: one instruction from one state, by the interpreter and by the processor. */
struct d86_difference {
    char what[32];   /* "general registers" */
    uint32_t linear; /* of the instruction */
    uint8_t code[15];
    uint8_t length;
    struct d86_regs before, interp, native;
};

D86_API void d86_vcpu_difference(const struct d86_vcpu *vcpu, struct d86_difference *difference);

/* The split in use, never AUTO; D86_SPLIT_NONE with the engine interp. */
D86_API enum d86_split d86_vcpu_split(const struct d86_vcpu *vcpu);

/*
 * Events inside the processor: pages scanned, mapped, dropped. Those whose name matches `glob` (as fnmatch(3)
 * has it) are recorded from now on, besides the ones enabled before; NULL stops all. Returns how many kinds
 * of event match. Not while the vCPU runs.
 */
D86_API unsigned d86_vcpu_trace_enable(struct d86_vcpu *vcpu, const char *glob);

enum { D86_TRACE_ARGS = 4 };

struct d86_trace_event {
    const char *name;                     /* "shadow_fill" */
    const char *arg_name[D86_TRACE_ARGS]; /* NULL ends them */
    uint32_t arg[D86_TRACE_ARGS];
    uint16_t cs; /* where the guest was */
    uint32_t eip;
    uint64_t lost; /* events there was no room for, just before this one */
};

/* Take the oldest event recorded and not yet taken. False: there is none. Not while the vCPU runs. */
D86_API bool d86_vcpu_trace_next(struct d86_vcpu *vcpu, struct d86_trace_event *event);

#ifdef __cplusplus
}
#endif
