/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equivalents of branches, in a snippet: direct ones by rel32, calls by pushing the guest's return address
 * and jumping. Where the target comes from memory, it goes by way of the scratch area, since no register may
 * be changed when the branch is done.
 */
#include "scan_snippet.h"

static uint32_t target_of(const struct guest_insn *guest)
{
    return equivalent_next(guest) + guest->insn.imm;
}

/*
 *     push imm32           or     mov es:[scratch], temp
 *                                 mov temp, imm32 - by
 *                                 lea temp, [temp + by]
 *                                 push temp
 *                                 mov temp, es:[scratch]
 * where the constant hides something. Afterwards the guest is at `then`.
 */
static bool push_constant(struct emit *e, uint32_t eip, uint32_t value, uint32_t then, unsigned variant)
{
    uint32_t by = variant ? equivalent_shifts[(variant - 1) % EQUIVALENT_SHIFTS] : 0;
    struct emit_memory sum = { .base = EAX, .index = X86_NO_REG, .disp = by };

    emit_guest(e, eip);
    if (!variant) {
        emit_push_imm32(e, value);
        emit_guest(e, then);
        return true;
    }
    if (!e->scratch)
        return false;
    emit_mov_scratch_r32(e, 4 * SCRATCH_TEMP, EAX);
    emit_mov_r32_imm32(e, EAX, value - by);
    emit_guest_saved(e, eip, EAX);
    emit_lea_r32_m(e, EAX, &sum);
    emit_push_r32(e, EAX);
    emit_guest_saved(e, then, EAX);
    emit_mov_r32_scratch(e, EAX, 4 * SCRATCH_TEMP);
    emit_guest(e, then);
    return true;
}

static bool flow_call(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    if (!push_constant(e, guest->eip, equivalent_next(guest), target_of(guest), variant))
        return false;
    emit_jmp(e, target_of(guest));
    return true;
}

/* call reg: the target is not known here, so after the push the call is not done, and ESP is the guest's
 * less 4. */
static bool call_register(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    if (variant || guest->insn.opnd[0].reg == ESP)
        return false;
    emit_guest(e, guest->eip);
    emit_push_imm32(e, equivalent_next(guest));
    emit_guest_add(e, guest->eip, ESP, 4);
    emit_jmp_r32(e, guest->insn.opnd[0].reg);
    return true;
}

/*
 * call or jmp through memory:
 *     mov es:[scratch], temp
 *     lea temp, [... + disp - by]
 *     mov temp, [temp + by]
 *     mov es:[scratch + 4], temp
 *     mov temp, es:[scratch]
 *     push imm32                      a call only
 *     jmp es:[scratch + 4]
 */
static bool branch_by_scratch(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    uint32_t by = variant ? equivalent_shifts[(variant - 1) % EQUIVALENT_SHIFTS] : 0;
    int temp = equivalent_temp(insn, 0xff, 0);
    struct emit_memory memory = shape_memory(insn);

    if (!e->scratch || temp < 0 || insn->addr_size != 4)
        return false;
    memory.disp -= by;
    emit_guest(e, guest->eip);
    emit_mov_scratch_r32(e, 4 * SCRATCH_TEMP, (unsigned)temp);
    emit_lea_r32_m(e, (unsigned)temp, &memory);
    emit_guest_saved(e, guest->eip, (unsigned)temp);
    memory = (struct emit_memory){
        .seg = insn->seg,
        .base = (uint8_t)temp,
        .index = X86_NO_REG,
        .disp = by,
    };
    emit_mov_r32_m32(e, (unsigned)temp, &memory);
    emit_mov_scratch_r32(e, 4 * SCRATCH_TARGET, (unsigned)temp);
    emit_mov_r32_scratch(e, (unsigned)temp, 4 * SCRATCH_TEMP);
    emit_guest(e, guest->eip);
    if (insn->op == X86_CALL_IND) {
        emit_push_imm32(e, equivalent_next(guest));
        emit_guest_add(e, guest->eip, ESP, 4);
    }
    emit_jmp_scratch(e, 4 * SCRATCH_TARGET);
    return true;
}

static bool as_is(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    if (variant)
        return false;
    emit_guest(e, guest->eip);
    emit_begin(e);
    emit_bytes(e, guest->bytes, guest->insn.length);
    return true;
}

static bool flow_indirect(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    bool is_jump = guest->insn.op == X86_JMP_IND;

    if (is_jump && variant == 0)
        return as_is(e, guest, 0);
    if (guest->insn.opnd[0].kind == X86_OPND_GPR)
        return !is_jump && call_register(e, guest, variant);
    return branch_by_scratch(e, guest, is_jump ? variant - 1 : variant);
}

bool equivalent_flow(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    if (guest->insn.op_size != 4)
        return false;
    switch (guest->insn.op) {
    case X86_JCC:
        emit_guest(e, guest->eip);
        emit_jcc(e, guest->insn.cond, target_of(guest));
        emit_guest(e, equivalent_next(guest));
        return variant == 0;
    case X86_JMP:
        emit_guest(e, guest->eip);
        emit_jmp(e, target_of(guest));
        return variant == 0;
    case X86_LOOP:
    case X86_LOOPE:
    case X86_LOOPNE:
    case X86_JCXZ:
        emit_guest(e, guest->eip);
        emit_counted(e, guest->insn.opcode, target_of(guest), equivalent_next(guest));
        return variant == 0 && guest->insn.addr_size == 4;
    case X86_CALL:
        return flow_call(e, guest, variant);
    case X86_CALL_IND:
    case X86_JMP_IND:
        return flow_indirect(e, guest, variant);
    case X86_RET:
        return as_is(e, guest, variant);
    default:
        return false;
    }
}
