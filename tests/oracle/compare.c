/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Comparison of two outcomes, bit by bit. What is left out is named here, with the reason.
 */
#include <string.h>

#include "image.h"
#include "oracle.h"

/* Exceptions that push an error code: SDM 3A, "Exceptions and Interrupts", table of vectors. */
static bool has_error_code(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/*
 * A #PF's I/D bit is set only where NX is enabled (SDM 3A, "Page-Fault Exceptions"): always on the host,
 * in the guest with PAE paging.
 */
static uint32_t error_code_mask(const struct test_case *c, unsigned vector)
{
    enum { PF_INSTRUCTION = 1 << 4 };

    return vector == 14 && !c->pae ? ~(uint32_t)PF_INSTRUCTION : ~(uint32_t)0;
}

/*
 * FOP, FIP and FDP are defined only while an unmasked x87 exception is pending, CS and DS in their upper
 * halves not even then (SDM 1, "x87 FPU Instruction and Data (Operand) Pointers"); and a processor that
 * updates them for unmasked exceptions alone has nothing to show for one unmasked later. FDP is undefined
 * after an instruction without memory operand; hosts clear it. MXCSR_MASK
 * says what the processor supports; it is no state. The signal frame's image is a 64-bit one: bytes
 * behind XMM7 belong to nobody here.
 */
static bool fpu_equal(const uint8_t *a, const uint8_t *b)
{
    static const uint8_t none[6];
    enum { FSW_ES = 1 << 7 };

    if (memcmp(a, b, FX_FTW + 1) != 0 || memcmp(a + FX_MXCSR, b + FX_MXCSR, 4) != 0 ||
        memcmp(a + FX_XMM, b + FX_XMM, FX_USED - FX_XMM) != 0)
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (memcmp(a + FX_ST + 16 * i, b + FX_ST + 16 * i, 10) != 0)
            return false;
    if (!(a[FX_FSW] & FSW_ES) || !memcmp(a + FX_FOP, none, 6))
        return true;
    return memcmp(a + FX_FOP, b + FX_FOP, 6) == 0 &&
           (!memcmp(a + FX_FDP, none, 4) || memcmp(a + FX_FDP, b + FX_FDP, 4) == 0);
}

static bool memory_equal(const struct outcome *a, const struct outcome *b)
{
    if (a->dirty != b->dirty)
        return false;
    for (unsigned n = 0; n < MEM_PAGES; n++)
        if ((a->dirty & 1u << n) && memcmp(a->page[n], b->page[n], PAGE) != 0)
            return false;
    return true;
}

/* A null selector is one whatever its RPL: the host's IRET clears the RPL before it can be looked at. */
static bool sregs_equal(const uint16_t *a, const uint16_t *b)
{
    for (unsigned i = 0; i < 6; i++)
        if (a[i] != b[i] && (a[i] > 3 || b[i] > 3))
            return false;
    return true;
}

unsigned compare_outcomes(const struct test_case *c, const struct outcome *native,
                          const struct outcome *guest)
{
    unsigned difference = 0;

    if (native->kind != guest->kind || native->vector != guest->vector)
        difference |= DIFF_KIND;
    else if (has_error_code(native->vector) &&
             ((native->error_code ^ guest->error_code) & error_code_mask(c, native->vector)))
        difference |= DIFF_ERROR_CODE;
    if (native->cr2 != guest->cr2)
        difference |= DIFF_CR2;
    if (memcmp(native->regs.gpr, guest->regs.gpr, sizeof native->regs.gpr) != 0)
        difference |= DIFF_GPR;
    if (native->regs.eip != guest->regs.eip)
        difference |= DIFF_EIP;
    if (native->regs.eflags != guest->regs.eflags)
        difference |= DIFF_EFLAGS;
    if (!sregs_equal(native->sreg, guest->sreg))
        difference |= DIFF_SREG;
    if (!fpu_equal(native->fxsave, guest->fxsave))
        difference |= DIFF_FPU;
    if (!memory_equal(native, guest))
        difference |= DIFF_MEMORY;
    if (native->step_count != guest->step_count ||
        memcmp(native->step, guest->step, native->step_count * sizeof native->step[0]) != 0)
        difference |= DIFF_STEPS;
    return difference;
}
