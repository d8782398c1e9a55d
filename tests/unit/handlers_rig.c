/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See handlers_rig.h.
 */
#include "handlers_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "block.h"
#include "bus.h"
#include "chips.h"
#include "devices/near.h"
#include "flags.h"
#include "fpu_state.h"
#include "mem.h"
#include "mode.h"
#include "msr.h"
#include "news.h"
#include "segment.h"

enum {
    GDT = 0x60000,
    IDT = 0x61000,
    TSS = 0x62000,
    CODE0 = 0x08, /* RIG_WORDS' selector */
    DATA0 = 0x10,
    CODE3 = 0x1b,
    DATA3 = 0x23,
    TASK = 0x40,
    STRINGS = 0x90100,
    LOCK = 0xf0,
    POOL_SIZE = 4 << 20,
    NATIVE_SLOTS = 1 << 14,
    ACCESSES_MAX = 64, /* of one run to devices */
};

static struct vcpu *v;
static struct d86_exit *exit_record;
static uint8_t *pristine; /* what the memory is before each run */
static struct rig_mode mode;
static struct rig_values values;
static uintptr_t base_of_stack, unwound_at;

/* ---- The end of a run ---------------------------------------------------------------------------------- */

NORETURN void unwind_for_real(struct unwind_buffer *b, int code);

/* In place of the executor's (unwind.S). */
void unwind_to(struct unwind_buffer *b, int code)
{
    unwound_at = (uintptr_t)__builtin_frame_address(0);
    unwind_for_real(b, code);
}

static bool at_locks(void)
{
    uint32_t la = v->seg[X86_CS].base + v->eip;
    for (unsigned i = 0; i < X86_INSN_MAX; i++) {
        if (la + i >= RIG_RAM || v->map.ram[la + i] != LOCK)
            return false;
    }
    return v->event.kind == EVENT_EXCEPTION && v->event.vector == X86_GP;
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static void *memory(size_t size, int protection)
{
    void *p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void put(uint32_t at, uint64_t value)
{
    memcpy(pristine + at, &value, sizeof(value));
}

static void fill(uint32_t at, uint32_t end, uint32_t word)
{
    for (; at < end; at += 4)
        memcpy(pristine + at, &word, sizeof(word));
}

/* Code leads to LOCK prefixes, data to code. What real mode has for vectors are far pointers likewise. */
static void fill_memory(void)
{
    memset(pristine, LOCK, RIG_RAM);
    fill(0, 8, RIG_WORDS);
    fill(0x40, 0x88, RIG_WORDS);
    fill(0x98, 0x100, RIG_WORDS);
    fill(0x110, 0x800, RIG_WORDS);
    fill(RIG_STACK - 0x1000, RIG_STACK + 0x1000, RIG_WORDS);
    memset(pristine + GDT, 0, 3 << 12);
    put(GDT + CODE0, 0x00cf9b000000ffff);
    put(GDT + DATA0, 0x00cf93000000ffff);
    put(GDT + (CODE3 & ~7), 0x00cffb000000ffff);
    put(GDT + (DATA3 & ~7), 0x00cff3000000ffff);
    put(GDT + 0x28, (uint64_t)0x8200 << 32 | (uint64_t)GDT << 16 | 0xff); /* an LDT ... */
    put(GDT + 0x30, (uint64_t)0x8906 << 32 | 0x20000067);                 /* ... and a TSS that is free */
    put(GDT + TASK, (uint64_t)0x8b06 << 32 | 0x20000067);
    put(TSS + 4, (uint64_t)DATA0 << 32 | RIG_STACK);
    for (unsigned i = 0; i < 256; i++)
        put(IDT + 8 * i, 0x0008ee0000080008); /* interrupt gate to RIG_WORDS, for everyone */
}

/* Where runs write: by strings, operands and stacks, to descriptors, and by what the instruction itself is.
 */
static const struct {
    uint32_t at, size;
} written[] = {
    { 0, 0x800 },   { RIG_CODE, 0x100 }, { RIG_DATA, 0x1400 }, { RIG_STACK - 0x200, 0x400 },
    { GDT, 0x100 }, { 0x7fe00, 0x800 },  { STRINGS, 0x200 },
};

static void restore(bool forget)
{
    for (unsigned i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        uint32_t at = written[i].at, size = written[i].size;
        if (!forget && !memcmp(v->map.ram + at, pristine + at, size))
            continue;
        memcpy(v->map.ram + at, pristine + at, size);
        for (uint32_t page = at & ~0xfffu; page < at + size; page += 0x1000)
            frame_written(v, page >> 12, 0, 0x1000);
    }
}

/* ---- State --------------------------------------------------------------------------------------------- */

bool rig_open(void)
{
    const char *missing;
    v = memory(sizeof(*v), PROT_READ | PROT_WRITE);
    exit_record = memory(sizeof(*exit_record), PROT_READ | PROT_WRITE);
    pristine = memory(RIG_RAM, PROT_READ | PROT_WRITE);
    v->exit = exit_record;
    v->pa_mask = UINT32_MAX;
    v->map = (struct memory_map){ .count = 1,
                                  .region = { { .size = RIG_RAM } },
                                  .ram = memory(RIG_RAM, PROT_READ | PROT_WRITE),
                                  .ram_size = RIG_RAM };
    v->code_frame = memory((RIG_RAM >> 12) * sizeof(struct code_frame), PROT_READ | PROT_WRITE);
    v->blocks = memory(sizeof(struct block_cache), PROT_READ | PROT_WRITE);
    v->blocks->pool = memory(POOL_SIZE, PROT_READ | PROT_WRITE);
    v->blocks->pool_size = POOL_SIZE;
    v->native = memory(sizeof(struct native_pool), PROT_READ | PROT_WRITE);
    v->native->code = memory(NATIVE_SLOTS * 8, PROT_READ | PROT_WRITE | PROT_EXEC);
    v->native->text = v->native->code;
    v->native->slots = NATIVE_SLOTS;
    v->engine = D86_ENGINE_INTERP;
    for (unsigned i = 0; i < TLB_SIZE; i++)
        v->tlb_none[i] = (struct tlb_entry){ .read_tag = TLB_INVALID, .write_tag = TLB_INVALID };
    fill_memory();
    memcpy(v->map.ram, pristine, RIG_RAM);
    exit_record->lend = true;
    chips_begin(v);
    near_reset(&v->chips.near);
    return cpu_model_select(v, cpu_model_find("max"), &missing) && cpu_has(v, CPU_SSE42) &&
           cpu_has(v, CPU_POPCNT);
}

static void set_segment(enum x86_sreg sreg, uint16_t selector, uint16_t attr)
{
    struct segment *s = &v->seg[sreg];
    bool wide = !(mode.code16 && !mode.protected);
    *s = (struct segment){ .base = mode.base, .selector = selector, .attr = attr };
    s->limit = wide ? UINT32_MAX : 0xffff;
    seg_derive(v, s);
}

static void set_segments(void)
{
    uint16_t big = mode.code16 ? 0 : X86_SEG_DB, dpl = mode.user ? X86_SEG_DPL : 0;
    uint16_t data = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_G | big | dpl;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        set_segment(i, !mode.protected ? 0 : mode.user ? DATA3 : DATA0, data);
    set_segment(X86_CS, !mode.protected ? 0 : mode.user ? CODE3 : CODE0, data | X86_SEG_CODE);
    v->gdt = (struct d86_table){ .base = GDT, .limit = 0xff };
    v->idt = (struct d86_table){ .base = mode.protected ? IDT : 0, .limit = 0x7ff };
    v->tr = (struct segment){ .base = TSS, .limit = 0x67, .selector = TASK, .attr = X86_SEG_P | 0xb };
    seg_derive(v, &v->tr);
    seg_make_null(&v->ldt, 0);
}

static void set_fpu(void)
{
    uint8_t image[512];
    fpu_reset(v);
    fpu_export(v, image);
    memcpy(image, mode.unmasked ? "\x40\x03" : "\x7f\x03", 2); /* FCW */
    memset(image + 24, 0, 4);                                  /* MXCSR */
    image[25] = mode.unmasked ? 0 : 0x1f;
    image[24] = mode.unmasked ? 0 : 0x80;
    fpu_import(v, image);
}

static void set_state(void)
{
    uint32_t r = values.registers;
    v->cr0 = X86_CR0_ET | X86_CR0_NE | (mode.protected ? X86_CR0_PE : 0);
    v->cr3 = 0;
    v->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    v->cpl = mode.user ? 3 : 0;
    v->debug = (struct debug_state){ .dr = { [6] = X86_DR6_FIXED, [7] = X86_DR7_FIXED } };
    flags_set(v, X86_FLAGS_ONE | (mode.user ? X86_IOPL : 0));
    set_segments();
    msr_reset(v);
    v->msr.sysenter_cs = CODE0;
    v->msr.sysenter_eip = RIG_WORDS;
    v->msr.sysenter_esp = RIG_STACK;
    set_fpu();
    /* ECX: few iterations, and the time stamp counter as an MSR. */
    v->gpr = (union gpr_file){ .d = { r, 0x10, values.edx, r, RIG_STACK, r, STRINGS, STRINGS } };
    v->eip = RIG_CODE - mode.base;
    v->event = v->delivering = (struct event){ .kind = EVENT_NONE };
    v->interrupt = -1;
    v->halted = v->shutdown = v->nmi_blocked = v->int_shadow = v->shadow_is_ss = false;
    v->pending = 0;
    v->bus.count = v->bus.cursor = 0;
    v->bus.waiting = false;
    exec_mode_changed(v);
}

void rig_load(const struct rig_mode *m, const struct rig_values *values_, const uint8_t *code, size_t size)
{
    mode = *m;
    values = *values_;
    memset(pristine + RIG_CODE, LOCK, 0x100);
    memcpy(pristine + RIG_CODE, code, size);
    fill(RIG_DATA, RIG_DATA + 0x1400, values.memory);
    restore(true);
    set_state();
    tlb_flush(v);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* One function with one call, so that handlers always begin at the same depth. */
static NOINLINE void run_uops(const struct uop *u)
{
    base_of_stack = (uintptr_t)__builtin_frame_address(0);
    while (u)
        u = u->run(v, u);
}

/* An access to a device, answered with zeros; then the instruction is executed again. */
static bool answer(void)
{
    if (!v->bus.waiting || exit_record->io.count > 1)
        return false;
    memset(exit_record->io.data, 0, 8);
    memset(exit_record->mmio.data, 0, 8);
    bus_complete(v);
    v->bus.cursor = 0;
    return true;
}

/* UNWIND_NONE: it returned. Then what it leads to is executed all the same, so that the next time finds it.
 */
static NOINLINE int run_until_unwound(uop_fn **first)
{
    volatile bool returned = false;
    int why = unwind_save(&v->unwind);
    if (why == UNWIND_NONE) {
        const struct uop *u = block_lookup(v, false);
        if (!*first)
            *first = u->run;
        run_uops(u);
        returned = true;
        run_uops(block_lookup(v, false));
    }
    fpu_leave(v);
    return returned ? UNWIND_NONE : why;
}

void rig_write(uint32_t at)
{
    frame_written(v, at >> 12, at & 0xfff, 1);
}

struct rig_outcome rig_run(void)
{
    struct rig_outcome o = { .end = RIG_STOPPED };
    restore(false);
    set_state();
    for (unsigned i = 0; i < ACCESSES_MAX; i++) {
        exit_record->io.count = 1;
        int why = run_until_unwound(&o.handler);
        if (why == UNWIND_NONE) {
            o.end = RIG_RETURNED;
            break;
        }
        if (why == UNWIND_EXCEPTION && at_locks()) {
            o.end = RIG_STRAIGHT;
            o.stack = base_of_stack - unwound_at;
            break;
        }
        if (why == UNWIND_EXCEPTION || !answer())
            break;
    }
    return o;
}
