/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the SDM leaves open: undefined status flags, and how far an instruction got that faults halfway; and
 * RF in the middle of a REP, where not all processors do as it says.
 * The interpreter lets the host's ALU compute nearly all flags, so these tables are asked only when a
 * difference was found, and only about the one instruction after which the two sides first differ:
 * nothing is masked beforehand.
 */
#include <capstone/capstone.h>
#include <string.h>

#include "oracle.h"
#include "segments.h"

/*
 * Rows: instruction, flags it leaves undefined whatever its operands are. SDM 2, "Flags Affected" on the
 * instruction's page; the same in SDM 1, appendix "EFLAGS Cross-Reference".
 */
static const struct {
    unsigned id; /* capstone's */
    uint32_t flags;
    const char *where;
} rows[] = {
    { X86_INS_AAA, FL_OF | FL_SF | FL_ZF | FL_PF, "SDM 2A, \"AAA\"" },
    { X86_INS_AAS, FL_OF | FL_SF | FL_ZF | FL_PF, "SDM 2A, \"AAS\"" },
    { X86_INS_AAM, FL_OF | FL_AF | FL_CF, "SDM 2A, \"AAM\"" },
    { X86_INS_AAD, FL_OF | FL_AF | FL_CF, "SDM 2A, \"AAD\"" },
    { X86_INS_DAA, FL_OF, "SDM 2A, \"DAA\"" },
    { X86_INS_DAS, FL_OF, "SDM 2A, \"DAS\"" },
    { X86_INS_AND, FL_AF, "SDM 2A, \"AND\"" },
    { X86_INS_OR, FL_AF, "SDM 2B, \"OR\"" },
    { X86_INS_XOR, FL_AF, "SDM 2D, \"XOR\"" },
    { X86_INS_TEST, FL_AF, "SDM 2B, \"TEST\"" },
    { X86_INS_MUL, FL_SF | FL_ZF | FL_AF | FL_PF, "SDM 2B, \"MUL\"" },
    { X86_INS_IMUL, FL_SF | FL_ZF | FL_AF | FL_PF, "SDM 2A, \"IMUL\"" },
    { X86_INS_DIV, FL_STATUS, "SDM 2A, \"DIV\"" },
    { X86_INS_IDIV, FL_STATUS, "SDM 2A, \"IDIV\"" },
    { X86_INS_BSF, FL_CF | FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BSF\"" },
    { X86_INS_BSR, FL_CF | FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BSR\"" },
    { X86_INS_BT, FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BT\"" },
    { X86_INS_BTS, FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BTS\"" },
    { X86_INS_BTR, FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BTR\"" },
    { X86_INS_BTC, FL_OF | FL_SF | FL_AF | FL_PF, "SDM 2A, \"BTC\"" },
};

/* The count of a shift or rotate as the processor masks it. */
static unsigned shift_count(const cs_x86 *x, const struct regs *before)
{
    const cs_x86_op *last = &x->operands[x->op_count - 1];

    if (x->op_count < 2)
        return 1;
    return (last->type == X86_OP_IMM ? (unsigned)last->imm : before->gpr[ECX]) & 31;
}

/* SDM 2B, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD": undefined depending on the count. */
static uint32_t shift_flags(unsigned id, const cs_x86 *x, const struct regs *before)
{
    unsigned count = shift_count(x, before), width = x->op_count ? x->operands[0].size * 8u : 32;

    if (count == 0)
        return 0;
    switch (id) {
    case X86_INS_SHL:
    case X86_INS_SAL:
    case X86_INS_SHR:
    case X86_INS_SAR:
        return FL_AF | (count > 1 ? FL_OF : 0) | (count >= width && id != X86_INS_SAR ? FL_CF : 0);
    case X86_INS_SHLD:
    case X86_INS_SHRD:
        return count > width ? FL_STATUS : FL_AF | (count > 1 ? FL_OF : 0);
    case X86_INS_ROL:
    case X86_INS_ROR:
    case X86_INS_RCL:
    case X86_INS_RCR:
        return count > 1 ? FL_OF : 0;
    default:
        return 0;
    }
}

/* Decode the instruction at `code`; NULL if capstone does not know it. Free with cs_free(insn, 1). */
static cs_insn *decode(const uint8_t *code, size_t avail, uint32_t eip, bool big)
{
    static csh handles[2];
    csh *handle = &handles[big];
    cs_insn *insn;

    if (!*handle) {
        if (cs_open(CS_ARCH_X86, big ? CS_MODE_32 : CS_MODE_16, handle) != CS_ERR_OK)
            return NULL;
        cs_option(*handle, CS_OPT_DETAIL, CS_OPT_ON);
    }
    return cs_disasm(*handle, code, avail, eip, 1, &insn) ? insn : NULL;
}

/* Decode the instruction of the case at CS:EIP; NULL if there is none. Free with cs_free(insn, 1). */
static cs_insn *decode_at(const struct test_case *c, const struct regs *r)
{
    uint32_t offset = selector_base(r->cs) + r->eip - c->code_la;

    if (offset >= c->code_len)
        return NULL;
    return decode(c->code + offset, c->code_len - offset, r->eip, selector_big(r->cs));
}

/* A load of SS, after which no single-step trap is taken: SDM 3B, "Single-Step Exception Condition". */
static bool loads_ss(const cs_insn *insn)
{
    const cs_x86 *x = &insn->detail->x86;

    return (insn->id == X86_INS_MOV || insn->id == X86_INS_POP) && x->op_count &&
           x->operands[0].type == X86_OP_REG && x->operands[0].reg == X86_REG_SS;
}

/* Status flags left undefined by what is done between two single-step traps, the first at before->eip. */
static uint32_t undefined_flags(const struct test_case *c, const struct regs *before)
{
    cs_insn *insn = decode_at(c, before);
    uint32_t flags;

    if (!insn)
        return 0;
    flags = shift_flags(insn->id, &insn->detail->x86, before);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].id == insn->id)
            flags = rows[i].flags;
    if (loads_ss(insn)) {
        struct regs next = *before;
        next.eip += insn->size;
        flags |= undefined_flags(c, &next);
    }
    cs_free(insn, 1);
    return flags;
}

/* A string instruction with REP or REPNE at CS:EIP, by its bytes: capstone drops the prefix of F2 A5. */
static bool repeats(const struct test_case *c, const struct regs *r)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };
    uint32_t at = selector_base(r->cs) + r->eip - c->code_la;
    bool rep = false;

    for (; at < c->code_len && memchr(prefixes, c->code[at], sizeof prefixes); at++)
        rep |= c->code[at] == 0xf2 || c->code[at] == 0xf3;
    return rep && at < c->code_len &&
           ((c->code[at] >= 0xa4 && c->code[at] <= 0xa7) || (c->code[at] >= 0xaa && c->code[at] <= 0xaf));
}

/*
 * RF between two iterations of a repeated string instruction. The SDM has every trap there push it set (SDM
 * 3B, "Instruction-Breakpoint Exception Condition"); AMD's processors leave it as it was. Ours is the SDM's.
 */
static uint32_t repeat_flags(const struct test_case *c, const struct regs *guest, const struct regs *host)
{
    bool sets = (guest->eflags & FL_RF) && !(host->eflags & FL_RF);

    return sets && repeats(c, guest) ? FL_RF : 0;
}

bool undefined_adopt(const struct test_case *c, const struct regs *before, struct regs *guest,
                     const struct regs *host)
{
    uint32_t differ = guest->eflags ^ host->eflags;

    if (!differ || memcmp(guest->gpr, host->gpr, sizeof guest->gpr) != 0 || guest->eip != host->eip ||
        guest->cs != host->cs || (differ & ~(undefined_flags(c, before) | repeat_flags(c, guest, host))))
        return false;
    guest->eflags = host->eflags;
    return true;
}

/* ---- Faults in the middle ------------------------------------------------------------------------ */

/*
 * Instructions with several accesses: in what order these are made, and so which one faults and what the
 * earlier ones left behind, is not specified; only that the instruction can be restarted.
 * SDM 3A, "Program or Task Restart".
 */
static const struct {
    unsigned id;
    unsigned may_differ; /* enum difference */
    const char *what;
} halfway[] = {
    { X86_INS_PUSHAW, DIFF_MEMORY | DIFF_CR2, "PUSHA: order of the eight writes" },
    { X86_INS_PUSHAL, DIFF_MEMORY | DIFF_CR2, "PUSHA: order of the eight writes" },
    { X86_INS_POPAW, DIFF_GPR | DIFF_CR2, "POPA: registers loaded before the fault" },
    { X86_INS_POPAL, DIFF_GPR | DIFF_CR2, "POPA: registers loaded before the fault" },
    { X86_INS_ENTER, DIFF_MEMORY | DIFF_CR2 | DIFF_ERROR_CODE, "ENTER: order of the accesses" },
    { X86_INS_CMPSB, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2, "CMPS: which operand is read first" },
    { X86_INS_CMPSW, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2, "CMPS: which operand is read first" },
    { X86_INS_CMPSD, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2, "CMPS: which operand is read first" },
    { X86_INS_MOVSB, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2,
      "MOVS: limit of one operand, page of the other" },
    { X86_INS_MOVSW, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2,
      "MOVS: limit of one operand, page of the other" },
    { X86_INS_MOVSD, DIFF_KIND | DIFF_ERROR_CODE | DIFF_CR2,
      "MOVS: limit of one operand, page of the other" },
    { X86_INS_FXSAVE, DIFF_MEMORY | DIFF_CR2 | DIFF_ERROR_CODE, "FXSAVE: order of the accesses" },
    { X86_INS_FXRSTOR, DIFF_CR2 | DIFF_ERROR_CODE, "FXRSTOR: order of the accesses" },
    { X86_INS_FNSAVE, DIFF_MEMORY | DIFF_CR2 | DIFF_ERROR_CODE, "FNSAVE: order of the accesses" },
    { X86_INS_FRSTOR, DIFF_CR2 | DIFF_ERROR_CODE | DIFF_FPU, "FRSTOR: registers loaded before the fault" },
    { X86_INS_FNSTENV, DIFF_MEMORY | DIFF_CR2 | DIFF_ERROR_CODE, "FNSTENV: order of the accesses" },
    { X86_INS_FLDENV, DIFF_CR2 | DIFF_ERROR_CODE, "FLDENV: order of the accesses" },
    { X86_INS_CALL, DIFF_KIND | DIFF_CR2, "CALL beyond the limit: push or target first" },
    { X86_INS_MASKMOVQ, DIFF_FPU, "MASKMOVQ: in MMX state before its fault" },
};

/*
 * The faults of executing an instruction are one class, whose order is the implementation's: SDM 3A,
 * "Priority Among Concurrent Events". These may come of one and the same set of accesses.
 */
static bool access_fault(unsigned vector)
{
    return (vector >= 12 && vector <= 14) || vector == 17;
}

static uint32_t register_value(unsigned id, const struct regs *r)
{
    static const unsigned ids[8] = { X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX,
                                     X86_REG_ESP, X86_REG_EBP, X86_REG_ESI, X86_REG_EDI };

    for (unsigned i = 0; i < 8; i++)
        if (ids[i] == id)
            return r->gpr[i];
    return 0; /* none */
}

/* Is `offset` so near an end of the segment that an operand there may wrap? FXSAVE's is the largest. */
static bool near_end(uint32_t offset)
{
    return offset > 0u - FX_SIZE;
}

/* Does an operand of the instruction lie across the end of its 4 GiB segment? */
static bool wraps(const cs_insn *insn, const struct outcome *o)
{
    const struct regs *r = &o->regs;
    enum { PUSHA_SIZE = 32 };
    const cs_x86 *x = &insn->detail->x86;

    if (selector_big(o->sreg[2]) && (near_end(r->gpr[ESP] - PUSHA_SIZE) || near_end(r->gpr[ESP]) ||
                                     (insn->id == X86_INS_LEAVE && near_end(r->gpr[EBP]))))
        return true;
    if (x->addr_size == 2)
        return false;
    for (unsigned i = 0; i < x->op_count; i++) {
        const cs_x86_op *op = &x->operands[i];
        if (op->type == X86_OP_MEM &&
            near_end(register_value(op->mem.base, r) + register_value(op->mem.index, r) * op->mem.scale +
                     (uint32_t)op->mem.disp))
            return true;
    }
    return false;
}

/*
 * An access that wraps around the end of a 4 GiB segment may or may not raise #GP or #SS: SDM 3A, "Limit
 * Checking". Is this the end of the side that did?
 */
static bool limit_fault(const struct test_case *c, const struct outcome *o)
{
    if (o->kind != OUTCOME_EXCEPTION || (o->vector != 12 && o->vector != 13) || o->error_code != 0)
        return false;
    cs_insn *insn = decode_at(c, &o->regs);
    bool found = insn && wraps(insn, o);
    if (insn)
        cs_free(insn, 1);
    return found;
}

/*
 * CVTPI2PS from memory: the SDM has it look at the x87 state as from an MMX register (SDM 2A, "CVTPI2PS"),
 * AMD's processors leave that alone. So #MF comes or not, and with #XM the x87 tags and TOP differ.
 */
static bool mmx_transition(const struct test_case *c, const struct outcome *o, unsigned difference)
{
    if (o->kind != OUTCOME_EXCEPTION || (o->vector != 16 && (o->vector != 19 || difference != DIFF_FPU)))
        return false;
    cs_insn *insn = decode_at(c, &o->regs);
    bool found = insn && insn->id == X86_INS_CVTPI2PS && insn->detail->x86.operands[1].type == X86_OP_MEM;
    if (insn)
        cs_free(insn, 1);
    return found;
}

/* An instruction of the two-byte map, by its bytes alone: capstone mistakes some SIMD forms in 16-bit code.
 */
struct two_byte {
    bool found;
    uint8_t prefix; /* 66, F2, F3 or 0, the one that selects */
    uint8_t opcode, modrm;
};

static struct two_byte two_byte_at(const struct test_case *c, const struct regs *r)
{
    struct two_byte t = { .found = false };
    uint32_t at = selector_base(r->cs) + r->eip - c->code_la;

    for (; at + 2 < c->code_len && c->code[at] != 0x0f; at++) {
        switch (c->code[at]) {
        case 0x66:
            t.prefix = t.prefix ? t.prefix : 0x66;
            break;
        case 0xf2:
        case 0xf3:
            t.prefix = c->code[at];
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x67:
            break;
        default:
            return t;
        }
    }
    if (at + 2 >= c->code_len)
        return t;
    t.found = true;
    t.opcode = c->code[at + 1];
    t.modrm = c->code[at + 2];
    return t;
}

/*
 * Faults a processor may raise or not: #AC of 128-bit data and FXSAVE areas (SDM 3A, "Interrupt
 * 17-Alignment Check Exception (#AC)", has no row for the former and leaves the latter to the
 * implementation); #AC and #PF of bytes MASKMOVQ and MASKMOVDQU do not select (SDM 2B, their pages).
 */
static bool optional_fault(const struct test_case *c, const struct outcome *o)
{
    if (o->kind != OUTCOME_EXCEPTION || (o->vector != 14 && o->vector != 17))
        return false;
    struct two_byte t = two_byte_at(c, &o->regs);
    if (!t.found)
        return false;
    switch (t.opcode) {
    case 0x10: /* MOVUPS, MOVUPD */
    case 0x11:
        return o->vector == 17 && t.prefix != 0xf2 && t.prefix != 0xf3;
    case 0x6f: /* MOVDQU */
    case 0x7f:
        return o->vector == 17 && t.prefix == 0xf3;
    case 0xae: /* FXSAVE, FXRSTOR */
        return o->vector == 17 && (t.modrm >> 3 & 7) < 2;
    case 0xf7: /* MASKMOVQ, MASKMOVDQU */
        return true;
    default:
        return false;
    }
}

static bool simd_memory(const struct test_case *c, const struct regs *r)
{
    struct two_byte t = two_byte_at(c, r);
    uint8_t op = t.opcode;

    return t.found && t.modrm < 0xc0 &&
           ((op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x7f) ||
            op == 0xc2 || op == 0xc6 || op >= 0xd0);
}

/*
 * A 128-bit operand that is misaligned and in SS beyond the limit: #GP for the one, #SS for the other (the
 * same class as above).
 */
static bool alignment_or_limit(const struct test_case *c, const struct outcome *a, const struct outcome *b,
                               unsigned difference)
{
    return difference == DIFF_KIND && a->kind == OUTCOME_EXCEPTION && b->kind == OUTCOME_EXCEPTION &&
           ((a->vector == 12 && b->vector == 13) || (a->vector == 13 && b->vector == 12)) &&
           simd_memory(c, &a->regs);
}

/*
 * How much of an undefined instruction is fetched before it is #UD is the processor's affair, so near the
 * limit of CS it may be #GP instead: again the same class.
 */
static bool undefined_at_limit(const struct outcome *a, const struct outcome *b, unsigned difference)
{
    enum { LENGTH_MAX = 15 };
    const struct ldt_entry *e = ldt_by_selector(a->regs.cs);

    return e && difference == DIFF_KIND && a->kind == OUTCOME_EXCEPTION && b->kind == OUTCOME_EXCEPTION &&
           ((a->vector == 6 && b->vector == 13) || (a->vector == 13 && b->vector == 6)) &&
           e->limit - a->regs.eip < LENGTH_MAX;
}

bool unspecified_fault(const struct test_case *c, const struct outcome *native, const struct outcome *guest,
                       unsigned difference)
{
    bool found = false;

    if (optional_fault(c, native) || optional_fault(c, guest) ||
        ((difference & DIFF_KIND) && (limit_fault(c, native) || limit_fault(c, guest))) ||
        mmx_transition(c, native, difference) || mmx_transition(c, guest, difference) ||
        alignment_or_limit(c, native, guest, difference) || undefined_at_limit(native, guest, difference))
        return true;
    if (native->kind != OUTCOME_EXCEPTION || guest->kind != OUTCOME_EXCEPTION ||
        native->regs.eip != guest->regs.eip || native->regs.cs != guest->regs.cs)
        return false;
    cs_insn *insn = decode_at(c, &native->regs);
    if (!insn)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(halfway); i++) {
        if (halfway[i].id != insn->id || (difference & ~halfway[i].may_differ))
            continue;
        if ((insn->id == X86_INS_MOVSD || insn->id == X86_INS_CMPSD) && insn->detail->x86.opcode[0] == 0x0f)
            continue; /* the SSE2 namesakes */
        if (insn->id == X86_INS_CALL && insn->detail->x86.opcode[0] == 0xff &&
            (insn->detail->x86.modrm >> 3 & 7) == 3)
            continue; /* a far call through memory, which capstone 5 gives the same number */
        found = access_fault(native->vector) && access_fault(guest->vector);
    }
    cs_free(insn, 1);
    return found;
}
