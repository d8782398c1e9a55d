/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's side of the FP rig: a vCPU with a data TLB and no paging, on which a single uop is bound and
 * run. What the handlers need of other files is here in its simplest form.
 */
#include "fpu_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bind.h"
#include "cpu_model.h"
#include "executor.h"
#include "fpu_state.h"
#include "mem.h"

static struct vcpu *vcpu;
static struct native_pool pool;
static struct d86_exit exit_record;
static volatile int outcome;
static bool keep_ignne;

static NORETURN void leave(int code)
{
    outcome = code;
    unwind_to(&vcpu->unwind, UNWIND_EXIT);
}

/* ---- What the handlers call ---------------------------------------------------------------------------- */

void raise_exception(struct vcpu *v, const struct uop *u, uint8_t vector)
{
    (void)v, (void)u;
    leave(vector);
}

void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error)
{
    (void)error;
    raise_exception(v, u, vector);
}

void seg_fault(struct vcpu *v, const struct uop *u, unsigned sreg)
{
    raise_exception(v, u, sreg == X86_SS ? X86_VEC_SS : X86_GP);
}

void exec_exit(struct vcpu *v)
{
    leave(v->exit->reason == D86_EXIT_FERR ? RIG_FERR : -1);
}

bool cpu_has(const struct vcpu *v, unsigned feature)
{
    (void)v, (void)feature;
    return true;
}

/* The C library's memcpy() may use XMM registers, which are the guest's while a handler runs. */
static void copy(void *to, const void *from, unsigned size)
{
    uint64_t count = size;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static uint8_t *translate(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    uint32_t start = (uint32_t)(uintptr_t)rig_memory();
    if (la < start || la + size > start + RIG_MEMORY - 4096)
        raise_exception(v, u, X86_VEC_PF);
    return (uint8_t *)(uintptr_t)la;
}

void mem_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    translate(v, u, la, size);
}

void mem_read_bytes(struct vcpu *v, const struct uop *u, guest_la la, void *to, unsigned size)
{
    copy(to, translate(v, u, la, size), size);
}

void mem_write_bytes(struct vcpu *v, const struct uop *u, guest_la la, const void *from, unsigned size)
{
    copy(translate(v, u, la, size), from, size);
}

uint64_t mem_read_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    uint64_t value = 0;
    mem_read_bytes(v, u, la, &value, size);
    return value;
}

void mem_write_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint64_t value)
{
    mem_write_bytes(v, u, la, &value, size);
}

/* ---- The vCPU ------------------------------------------------------------------------------------------ */

uint8_t *rig_memory(void)
{
    static uint8_t *memory;
    if (!memory) {
        memory =
            mmap(NULL, RIG_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory + RIG_MEMORY - 4096, 4096, PROT_NONE))
            abort();
    }
    return memory;
}

static struct vcpu *rig_vcpu(void)
{
    if (vcpu)
        return vcpu;
    pool.slots = 1 << 16;
    pool.code =
        mmap(NULL, pool.slots * 8ul, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pool.text = pool.code;
    vcpu = aligned_alloc(64, (sizeof(*vcpu) + 63) & ~63ul);
    if (!vcpu || pool.code == MAP_FAILED)
        abort();
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->native = &pool;
    vcpu->exit = &exit_record;
    vcpu->tlb = vcpu->tlb_user;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        vcpu->seg[i] =
            (struct segment){ .selector = RIG_DS, .readable = true, .writable = true, .max = 0xffffffffu };
    vcpu->seg[X86_CS].selector = RIG_CS;
    fpu_reset(vcpu);
    return vcpu;
}

static void fill_tlb(struct vcpu *v, enum rig_tlb tlb)
{
    for (unsigned i = 0; i < TLB_SIZE; i++)
        v->tlb_user[i].read_tag = v->tlb_user[i].write_tag = TLB_INVALID;
    for (uint32_t at = 0; at < RIG_MEMORY - 4096 && tlb == RIG_TLB_FILLED; at += 4096) {
        uint32_t page = (uint32_t)(uintptr_t)rig_memory() + at;
        struct tlb_entry *t = &v->tlb_user[page >> 12 & (TLB_SIZE - 1)];
        t->read_tag = t->write_tag = page;
        t->addend = 0;
    }
}

bool rig_decode(const uint8_t bytes[15], struct rig_insn *insn)
{
    struct insn in;
    if (x86_decode(bytes, 15, true, &in) != X86_DECODE_OK)
        return false;
    insn->length = in.length;
    insn->isa = in.isa;
    insn->class_ = in.class_;
    insn->mine = in.class_ != X86_INVALID && (in.isa == X86_ISA_X87 || in.isa == X86_ISA_FXSR ||
                                              (in.isa >= X86_ISA_MMX && in.isa <= X86_ISA_POPCNT) ||
                                              (in.isa == X86_ISA_CMOV && in.map == 0));
    insn->has_memory = insn->uses_esp = false;
    for (unsigned i = 0; i < 3; i++) {
        insn->has_memory |= in.opnd[i].kind == X86_OPND_MEM;
        insn->uses_esp |= in.opnd[i].kind == X86_OPND_GPR && in.opnd[i].reg == X86_ESP;
    }
    insn->name = x86_op_name(in.op);
    return true;
}

/* Fill in what the block builder would. */
static void make_uop(const struct insn *in, struct uop *u)
{
    *u = (struct uop){ .imm = in->imm, .disp = in->disp, .len = in->length, .n = 1 };
    u->base = in->base;
    u->index = in->index;
    u->scale = in->scale;
    u->seg = in->seg;
    u->flags = (in->op_size == 2 ? UOP_O16 : 0) | (in->addr_size == 2 ? UOP_A16 : 0);
    for (unsigned i = 0; i < 3; i++)
        if (in->opnd[i].kind == X86_OPND_MEM)
            u->flags |= i ? UOP_MEM : UOP_MEM | UOP_DST_MEM;
    if (in->opnd[0].kind == X86_OPND_GPR)
        u->dst = gpr_index(in->opnd[0].reg, in->opnd[0].size);
    if (in->opnd[1].kind == X86_OPND_GPR)
        u->src = gpr_index(in->opnd[1].reg, in->opnd[1].size);
}

static const struct uop *stop_here(struct vcpu *v, const struct uop *u)
{
    (void)v, (void)u;
    return NULL;
}

static __attribute__((noinline)) void run(struct vcpu *v, const struct uop *u)
{
    outcome = RIG_OK;
    if (unwind_save(&v->unwind))
        return;
    for (const struct uop *next = u; next; next = next->run(v, next))
        ;
}

void rig_ignne(void)
{
    keep_ignne = true;
}

/* The vCPU with these controls and this state, and the instruction bound to u[0]; negative: impossible. */
static int prepare(const uint8_t bytes[15], const struct rig_controls *controls, const struct rig_state *s,
                   struct uop *u)
{
    struct vcpu *v = rig_vcpu();
    struct insn in;
    bool ends;

    fill_tlb(v, controls->tlb);
    v->cr0 = controls->cr0;
    v->cr4 = controls->cr4;
    v->mode = (controls->checked ? 0 : MODE_FLAT) | (controls->code16 ? 0 : MODE_CODE32);
    v->eip = RIG_EIP;
    if (x86_decode(bytes, 15, !controls->code16, &in) != X86_DECODE_OK)
        return -2;
    make_uop(&in, u);
    if (!bind_fpu(v, &in, v->mode, u, &ends) || pool.full)
        return -3;
    memcpy(v->gpr.d, s->gpr, sizeof(s->gpr));
    v->arith = (uint16_t)(s->flags_ah << 8 | s->flags_of);
    return fpu_import(v, s->fx) ? 0 : -4;
}

int rig_run_guest(const uint8_t bytes[15], const struct rig_controls *controls, struct rig_state *s)
{
    struct vcpu *v = rig_vcpu();
    struct uop u[2];
    int result = prepare(bytes, controls, s, u);
    if (result < 0)
        return result;
    u[1] = (struct uop){ .run = stop_here };
    v->fpu.ignne = keep_ignne;
    run(v, u);
    fpu_leave(v);
    keep_ignne = v->fpu.ignne;
    fpu_export(v, s->fx);
    memcpy(s->gpr, v->gpr.d, sizeof(s->gpr));
    s->flags_ah = (uint8_t)(v->arith >> 8);
    s->flags_of = (uint8_t)v->arith & 1;
    return outcome;
}

void rig_repeat_guest(const uint8_t bytes[15], const struct rig_controls *controls, const struct rig_state *s,
                      unsigned count)
{
    enum { LINE = 256 };
    static struct uop line[LINE + 1];
    struct vcpu *v = rig_vcpu();
    if (prepare(bytes, controls, s, line) < 0)
        abort();
    for (unsigned i = 1; i < LINE; i++)
        line[i] = line[0];
    line[LINE] = (struct uop){ .run = stop_here };
    outcome = RIG_OK;
    if (!unwind_save(&v->unwind))
        for (unsigned i = 0; i < count; i += LINE)
            for (const struct uop *next = line; next; next = next->run(v, next))
                ;
    fpu_leave(v);
    if (outcome != RIG_OK)
        abort();
}
