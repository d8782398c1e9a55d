/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segmented code: real mode, virtual-8086 mode, 16-bit segments, and whatever is not flat. What has a form of
 * its own there; the rest has that of flat code, whose memory operand gen_memory() finds.
 */
#include "segmented.h"

/* clang-format off */
static gen_form *const forms[X86_OP_COUNT] = {
    [X86_PUSH] = segmented_push, [X86_POP] = segmented_pop, [X86_LEAVE] = segmented_leave,
    [X86_PUSHA] = segmented_pusha, [X86_POPA] = segmented_popa,
    [X86_PUSHF] = segmented_pushf, [X86_POPF] = segmented_popf,
    [X86_PUSH_SREG] = segmented_push_sreg, [X86_POP_SREG] = segmented_pop_sreg,
    [X86_MOV_FROM_SREG] = segmented_mov_from_sreg, [X86_MOV_TO_SREG] = segmented_mov_to_sreg,
    [X86_LES] = segmented_far_pointer, [X86_LDS] = segmented_far_pointer,
    [X86_LFS] = segmented_far_pointer, [X86_LGS] = segmented_far_pointer,
    [X86_MOVS] = segmented_string, [X86_STOS] = segmented_string, [X86_LODS] = segmented_string,
    [X86_SCAS] = segmented_string, [X86_CMPS] = segmented_string, [X86_XLAT] = segmented_xlat,
    [X86_JCC] = segmented_jcc, [X86_JMP] = segmented_jmp, [X86_JMP_IND] = segmented_jmp_indirect,
    [X86_LOOP] = segmented_loop, [X86_LOOPE] = segmented_loop, [X86_LOOPNE] = segmented_loop,
    [X86_JCXZ] = segmented_jcxz,
    [X86_JMP_FAR] = segmented_jmp_far, [X86_JMP_FAR_IND] = segmented_jmp_far,
    [X86_CALL_FAR] = segmented_call_far, [X86_CALL_FAR_IND] = segmented_call_far,
    [X86_RETF] = segmented_ret_far, [X86_INT] = segmented_int, [X86_IRET] = segmented_iret,
    [X86_CALL] = segmented_call, [X86_CALL_IND] = segmented_call_indirect, [X86_RET] = segmented_ret,
};
/* clang-format on */

gen_form *segmented_form(unsigned op)
{
    return forms[op];
}
