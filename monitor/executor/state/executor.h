/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the executor's files offer each other, grouped by the file that defines it.
 *
 * The state rule: a handler for a simple instruction leaves v->eip at the start of its block and passes its
 * uop to whatever may fault; the slow path calls cpu_sync() before it raises. A handler for anything
 * complicated calls cpu_sync() first (its bind row says it ends the block), after which v->eip is the
 * instruction's own EIP and v->next_eip the following one; it then passes NULL for the uop, sets v->eip
 * itself (usually to v->next_eip) and returns exec_end(v).
 */
#pragma once

#include "cpu.h"

/* ---- unwind.S: leaving a deep call without returning through it -------------------------------------- */

/* Like setjmp/longjmp over the callee-saved registers only. The code is an enum unwind. */
int unwind_save(struct unwind_buffer *b) __attribute__((returns_twice));
NORETURN void unwind_to(struct unwind_buffer *b, int code);

/* ---- exec.c: the run loop; leave.c, mode.c -------------------------------------------------------------- */

/* Would an external interrupt be taken before the next instruction? */
bool exec_can_interrupt(const struct vcpu *v);
/* Run one instruction and raise the traps that follow it. */
void exec_step(struct vcpu *v);
/* Leave to the caller now; v->exit->reason is set. The instruction in progress is executed again later. */
NORETURN void exec_exit(struct vcpu *v);
/* The guest did what we cannot model (code D86_ERROR_*): one sentence for people. */
NORETURN void exec_error(struct vcpu *v, const struct uop *u, uint32_t code, const char *text);
/* Our own invariant broke. */
#define bug_on(v, condition)                                                                                 \
    do {                                                                                                     \
        if (unlikely(condition))                                                                             \
            exec_error((v), NULL, D86_ERROR_BUG, "bug: " #condition " in " __FILE__);                        \
    } while (0)

/*
 * Make v->eip and v->icount exact for the instruction u and compute v->next_eip. u == NULL: done already.
 */
static inline void cpu_sync(struct vcpu *v, const struct uop *u)
{
    if (!u)
        return;
    v->eip += u->eip_off;
    v->icount += u->n - 1u;
    v->next_eip = v->eip + u->len; /* in 16-bit code too: IP does not wrap at 64 KiB, it meets the limit */
}

/* Take cpu_sync() back, for a handler that was cautious and now goes on to NEXT(). */
static inline void cpu_unsync(struct vcpu *v, const struct uop *u)
{
    if (!u)
        return;
    v->eip -= u->eip_off;
    v->icount -= u->n - 1u;
}

/* End of a synced instruction: v->eip is where to go on. Counts it; the run loop looks at events. */
static inline const struct uop *exec_end(struct vcpu *v)
{
    v->icount++;
    return NULL;
}

/* Would something be taken before the next instruction if IF were set? */
bool exec_would_interrupt(const struct vcpu *v);
/* Must the run loop have a look before the next instruction? For who executes instructions outside of it. */
bool exec_must_look(const struct vcpu *v);

/* Recompute v->mode, v->cpl's effects, v->tlb and v->fetch_tag after a change of CS, SS, DS, ES, CPL, CR0,
 * EFLAGS.VM/AC. */
void exec_mode_changed(struct vcpu *v);

/* ---- event.c: exceptions and interrupts -----------------------------------------------------------------
 */

/* Raise an exception at the current instruction (u as for cpu_sync()). Error-code form: raise_error(). */
NORETURN void raise_exception(struct vcpu *v, const struct uop *u, uint8_t vector);
NORETURN void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error);
/* Deliver v->event (set by raise*) in the guest; nested faults become #DF or shutdown (SDM 3A, "Interrupt
 * 8"). */
void event_deliver_exception(struct vcpu *v);
/* Deliver an external interrupt or an NMI; same rules. May unwind with a further exception. */
void event_deliver_interrupt(struct vcpu *v, uint8_t vector);
void event_deliver_nmi(struct vcpu *v);
/* INT n (soft: DPL and V86/VME rules), INT3, INTO; v synced; return address is v->next_eip. */
void event_software(struct vcpu *v, uint8_t vector);
/* INT1 (ICEBP): a #DB trap without the software checks; v synced. */
void event_icebp(struct vcpu *v);
/* #DB as a trap after an instruction: dr6 gives the DR6 bits to set. */
void event_debug_trap(struct vcpu *v, uint32_t dr6);

/* EFLAGS as the guest sees it, and setting all of it (no permission checks, no mode change for VM). */
uint32_t flags_get(const struct vcpu *v);
void flags_set(struct vcpu *v, uint32_t eflags);

/* ---- segment.c: segment registers and descriptors ---------------------------------------------------------
 */

/* Raw descriptor fields. */
struct descriptor {
    uint32_t low, high;
    guest_la la; /* where it was read, for the accessed and busy bits */
};

/* Recompute the derived fields after base, limit, attr or selector changed. */
void seg_derive(struct vcpu *v, struct segment *s);
/* MOV/POP/LxS to a data segment register, any mode: all checks, faults at the current (synced) instruction.
 */
void seg_load(struct vcpu *v, enum x86_sreg sreg, uint16_t selector);
/* Real-mode style: base = selector * 16; limit and attributes as the mode has it. */
void seg_load_real(struct vcpu *v, enum x86_sreg sreg, uint16_t selector);
/* An access outside the segment: raise #GP(0) or #SS(0). */
NORETURN void seg_fault(struct vcpu *v, const struct uop *u, unsigned sreg);

/* ---- mem.c, paging.c: linear memory
 * ------------------------------------------------------------------------ */

/* Slow paths behind mem.h's inline accessors. size 1, 2, 4 or 8; the value is zero-extended. */
uint64_t mem_read_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
void mem_write_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint64_t value);
/* Fault as a read would, but read nothing; the TLB has the page afterwards, if it may. */
void mem_probe_read(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
/* Read-modify-write: fault as a write would before anything is read; then use mem_read and mem_write. */
void mem_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
/* Up to 512 bytes, any alignment; all pages are checked before the first byte is written. */
void mem_read_bytes(struct vcpu *v, const struct uop *u, guest_la la, void *to, unsigned size);
void mem_write_bytes(struct vcpu *v, const struct uop *u, guest_la la, const void *from, unsigned size);
/* With supervisor rights whatever the CPL (descriptor tables, TSS, gates). v is synced. */
uint64_t mem_system_read(struct vcpu *v, guest_la la, unsigned size);
void mem_system_write(struct vcpu *v, guest_la la, unsigned size, uint64_t value);
void mem_system_probe_write(struct vcpu *v, guest_la la, unsigned size);

/* Forget every cached translation (CR3, CR0, CR4, EFER change), or those of one page (INVLPG). */
void tlb_flush(struct vcpu *v);
void tlb_flush_page(struct vcpu *v, guest_la la);
/* What the jump cache holds is no longer valid. */
void tlb_new_generation(struct vcpu *v);
/* A RAM-file frame became code, or stopped being: cached write permission for it must go. */
void tlb_forbid_writes(struct vcpu *v, uint64_t frame);
/* Load the PDPTEs for CR3 = cr3; false: a reserved bit is set, nothing changed (the instruction is #GP). */
bool paging_load_pdptes(struct vcpu *v, uint32_t cr3);
/* Frame of the code at la for the current CPL; raises #PF. FRAME_NONE: no memory there. */
uint64_t paging_fetch(struct vcpu *v, guest_la la);

/* ---- bus.c: what is neither RAM nor ROM
 * ---------------------------------------------------------------------- */

/* Device accesses; leave with an exit the first time, return the answer when executed again. size 1, 2, 4, 8.
 */
uint64_t bus_read(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size);
void bus_write(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size, uint64_t value);
uint32_t bus_in(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size);
void bus_out(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size, uint32_t value);
/* An iteration of a string instruction is complete: what was logged belongs to the past. */
void bus_commit(struct vcpu *v);
/* The caller answered the access it was sent (called at the start of a run). */
void bus_complete(struct vcpu *v);

/* ---- transfer.c: far transfers of control
 * ------------------------------------------------------------------- */

/* v is synced; each sets v->eip and everything else, or raises. opsize: 2 or 4. */
void far_jump(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize);
void far_call(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize);
void far_return(struct vcpu *v, uint32_t release, unsigned opsize);
void far_iret(struct vcpu *v, unsigned opsize);

/* ---- task.c: hardware task switching
 * -------------------------------------------------------------------------- */

enum task_source { TASK_JUMP, TASK_CALL, TASK_IRET, TASK_EVENT };
/* Switch to the task whose TSS is `selector`; v->next_eip is saved as the old task's EIP. error: pushed if
 * has_error. */
void task_switch(struct vcpu *v, uint16_t selector, enum task_source source, bool has_error, uint32_t error);

/* ---- binding: decoded instruction to handler. false: not mine
 * ------------------------------------------------- */

/*
 * u has all fields filled in from the instruction but run (and link/native/extra beyond imm2). Sets u->run.
 * *ends is set when the instruction always leaves the straight line or may change the mode.
 */
bool bind_integer(const struct insn *in, unsigned mode, struct uop *u,
                  bool *ends);                                                     /* integer.c, alu.c, ... */
bool bind_string(const struct insn *in, unsigned mode, struct uop *u, bool *ends); /* string.c */
/* string.c. Are these the bytes, in 32-bit code, of a repeated string instruction without ports? */
bool string_repeats(const uint8_t *bytes, unsigned size);
/* branch.c; block_offset: of the block's first byte in its page, to tell which targets lie there too */
bool bind_branch(const struct insn *in, unsigned mode, struct uop *u, unsigned block_offset, bool *ends);
bool bind_stack(const struct insn *in, unsigned mode, struct uop *u, bool *ends);  /* stack.c */
bool bind_system(const struct insn *in, unsigned mode, struct uop *u, bool *ends); /* system.c and friends */
bool bind_fpu(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u,
              bool *ends); /* fpu.c, simd.c */

/* ---- block.c: the decoded-instruction cache
 * --------------------------------------------------------------------- */

/* The block to execute at CS:EIP in the current mode (plus MODE_STEP if step); builds it if needed. May
 * raise. */
const struct uop *block_lookup(struct vcpu *v, bool step);
/* A write reached bytes [offset, offset+size) of RAM-file frame `frame` which holds cached code. */
void block_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);
/* Is anything cached from this RAM-file frame, as blocks, as private pages or translated? Then writes to it
 * must be seen.
 */
static inline bool frame_has_code(const struct vcpu *v, uint64_t frame)
{
    const struct code_frame *f = &v->code_frame[frame];
    return f->granules || f->private_head || f->translated_head;
}
/* code_cache.h has more of these. Private pages that show any of the bytes are dropped. */
void code_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);
/* translation.h likewise. */
void translation_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);
/* Memory of a RAM-file frame was written by whatever means but native guest code: drop what was made from it.
 */
static inline void frame_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    if (v->code_frame[frame].granules)
        block_written(v, frame, offset, size);
    if (v->code_frame[frame].private_head)
        code_written(v, frame, offset, size);
    if (v->code_frame[frame].translated_head)
        translation_written(v, frame, offset, size);
}
/* Choose the handler of a decoded instruction for a uop by itself: with eip_off, n and len set already. Not
 * for branches, whose handlers would go on in blocks. */
void block_bind_alone(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u);
/* Forget all blocks. */
void block_flush(struct vcpu *v);
/* Between two runs: begin the cache anew if what is in use lies among much that is not. */
void block_renew(struct vcpu *v);

/* ---- cpuid.c, msr.c
 * ------------------------------------------------------------------------------------------------ */

void cpuid_execute(struct vcpu *v); /* leaf in EAX, sub-leaf in ECX; writes the four registers */
bool msr_read(struct vcpu *v, uint32_t index, uint64_t *value); /* false: #GP */
bool msr_write(struct vcpu *v, uint32_t index, uint64_t value);
uint64_t tsc_read(const struct vcpu *v);
void msr_reset(struct vcpu *v); /* the values after RESET; the TSC goes on counting from zero */
/* mca.c: those of them that tell of machine checks. `mca_write` false: #GP. */
bool mca_has(const struct vcpu *v, uint32_t index);
uint64_t mca_read(struct vcpu *v, uint32_t index);
bool mca_write(struct vcpu *v, uint32_t index, uint64_t value);
void mca_reset(struct vcpu *v);
uint32_t cr4_allowed(const struct vcpu *v); /* CR4 bits the model has; the others are reserved */
/* Does the model have this user-visible feature? Bits as in enum cpu_feature. */
bool cpu_has(const struct vcpu *v, unsigned feature);

/* ---- fpu.c
 * ------------------------------------------------------------------------------------------------------------
 */

void fpu_reset(struct vcpu *v);
/* Put the guest's state into v->fpu.image and give the host's registers back. Before leaving the executor. */
void fpu_leave(struct vcpu *v);
/* CR0, CR4 or v->fpu changed behind the handlers' back: have the next FP instruction look again. */
static inline void fpu_invalidate(struct vcpu *v)
{
    v->fpu.guard = 0xff;
}
/* FXSAVE image out and in, FIP, FDP and FOP included; not while live. false: reserved MXCSR bits, nothing
 * done. */
void fpu_export(const struct vcpu *v, uint8_t image[512]);
bool fpu_import(struct vcpu *v, const uint8_t image[512]);
/* In block_flush(), when no block is left: forget the native code if it has run full (v->native->full). */
void fpu_pool_reset(struct vcpu *v);
