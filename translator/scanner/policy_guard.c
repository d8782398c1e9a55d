/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guard's patterns: the encodings that must not stand at any offset of a private page, since an indirect
 * jump into the middle of an instruction would run them. Written twice, on bytes for the scanner and on
 * decoded instructions for scan_check(), from the same list (docs/scanning.md, "The guard").
 * The idea of looking at every offset: A. Vahldiek-Oberwagner et al., "ERIM", USENIX Security 2019.
 */
#include "policy.h"

#include "translator/decode.h"

enum {
    HOST_SYSCALL_VECTOR = 0x80,
    /*
     * The 64-bit code segments CPL 3 can load: Linux's __USER_CS, and Xen's flat one under a PV kernel. The
     * LDT holds none, since modify_ldt() makes 16- and 32-bit segments only.
     */
    HOST_CODE64 = 0x33,
    XEN_CODE64 = 0xe033,
    SELECTOR_RPL = 3,
};

/* A direct far transfer leaves 32-bit code only by way of a 64-bit code segment. */
static bool selector_leads_out(unsigned selector)
{
    return (selector | SELECTOR_RPL) == HOST_CODE64 || (selector | SELECTOR_RPL) == XEN_CODE64;
}

/* Null selectors fault (SDM 2A, "JMP"); any other may load something. */
static bool selector_is_null(unsigned selector)
{
    return (selector | SELECTOR_RPL) == SELECTOR_RPL;
}

/* CALL FAR, JMP FAR with the pointer in the instruction: the selector follows an offset of that many bytes.
 */
static bool far_pointer(const struct guard_view *view, unsigned offset_bytes, enum scan_guard guard)
{
    unsigned at = 1 + offset_bytes, selector;

    if (view->known < at + 2)
        return true;
    selector = view->bytes[at] | view->bytes[at + 1] << 8;
    return guard >= SCAN_GUARD_STATE ? !selector_is_null(selector) : selector_leads_out(selector);
}

/*
 * Both operand sizes, whatever the code segment's: there may be a prefix before, and a hidden far jump to a
 * local code segment of the other size changes what size the bytes are read with.
 */
static bool far_direct(const struct guard_view *view, enum scan_guard guard)
{
    return far_pointer(view, 2, guard) || far_pointer(view, 4, guard);
}

/* ModRM at `at` names memory and its reg field is one of the set. */
static bool memory_group(const struct guard_view *view, unsigned at, unsigned regs)
{
    if (view->known <= at)
        return true;
    return view->bytes[at] >> 6 != 3 && (regs >> (view->bytes[at] >> 3 & 7) & 1);
}

static bool register_group(const struct guard_view *view, unsigned at, unsigned regs)
{
    if (view->known <= at)
        return true;
    return view->bytes[at] >> 6 == 3 && (regs >> (view->bytes[at] >> 3 & 7) & 1);
}

#define REG(n) (1u << (n))

static bool escapes_two_byte(const struct guard_view *view)
{
    if (view->known < 2)
        return true;
    switch (view->bytes[1]) {
    case 0x05: /* SYSCALL */
    case 0x34: /* SYSENTER */
        return true;
    case 0x01: /* register forms: WRPKRU, XSETBV, VMCALL, VMFUNC, ENCLU ..., all but SMSW and LMSW */
        return register_group(view, 2, REG(0) | REG(1) | REG(2) | REG(3) | REG(5) | REG(7));
    case 0xae: /* XRSTOR, which loads PKRU; FXRSTOR does not */
        return memory_group(view, 2, REG(5));
    default:
        return false;
    }
}

static bool escapes(const struct guard_view *view, enum scan_guard guard)
{
    switch (view->bytes[0]) {
    case 0xca: /* RETF n */
    case 0xcb: /* RETF */
    case 0xcf: /* IRET */
        return true;
    case 0x9a: /* CALL FAR */
    case 0xea: /* JMP FAR */
        return far_direct(view, guard);
    case 0xff: /* CALL FAR m, JMP FAR m */
        return memory_group(view, 1, REG(3) | REG(5));
    case 0xcd: /* INT n: Linux's other gates for CPL 3, INT3 and INTO, end in a signal */
        return view->known < 2 || view->bytes[1] == HOST_SYSCALL_VECTOR;
    case 0x0f:
        return escapes_two_byte(view);
    default:
        return false;
    }
}

static bool loads_segment(const struct guard_view *view)
{
    switch (view->bytes[0]) {
    case 0x07: /* POP ES, SS, DS */
    case 0x17:
    case 0x1f:
        return true;
    case 0x8e: /* MOV Sreg, r/m; CS and the numbers above GS are #UD */
        return view->known < 2 || (0x3d >> (view->bytes[1] >> 3 & 7) & 1);
    case 0xc4: /* LES, LDS */
    case 0xc5:
        return memory_group(view, 1, 0xff);
    case 0x0f:
        if (view->known < 2)
            return true;
        switch (view->bytes[1]) {
        case 0xa1: /* POP FS, GS */
        case 0xa9:
            return true;
        case 0xb2: /* LSS, LFS, LGS */
        case 0xb4:
        case 0xb5:
            return memory_group(view, 2, 0xff);
        default:
            return false;
        }
    default:
        return false;
    }
}

bool policy_guards(const struct guard_view *view, enum scan_guard guard)
{
    if (guard == SCAN_GUARD_NONE)
        return false;
    return escapes(view, guard) || (guard >= SCAN_GUARD_STATE && loads_segment(view));
}

/* ---- Doors --------------------------------------------------------------------------------------- */

enum { DOOR_SIZE = 18, DOOR_FAR_SIZE = 7 };

static uint32_t door_target(const struct guard_view *view)
{
    uint32_t target;

    __builtin_memcpy(&target, view->bytes + 1, sizeof(target));
    return target;
}

/* With a prefix before it, or in 16-bit code, it is a far jump to what the address has for a selector. */
bool policy_is_door(const struct guard_view *view, uint32_t address, enum scan_guard guard)
{
    static const uint8_t rest[] = {
        0x33, 0x00, 0x4c, 0x8d, 0x05, 0xf2, 0xff, 0xff, 0xff, 0x41, 0xff, 0x67, SCAN_DOOR_OFFSET
    };

    return view->known >= DOOR_SIZE && view->bytes[0] == 0xea && !far_pointer(view, 2, guard) &&
           door_target(view) == address + DOOR_FAR_SIZE &&
           __builtin_memcmp(view->bytes + 5, rest, sizeof(rest)) == 0;
}

bool policy_is_placeless_door(const struct guard_view *view, enum scan_guard guard)
{
    return view->known >= DOOR_SIZE && policy_is_door(view, door_target(view) - DOOR_FAR_SIZE, guard);
}

/* ---- The same list, for decoded instructions ----------------------------------------------------- */

bool scan_is_critical(const struct insn *insn, enum scan_guard guard)
{
    if (guard == SCAN_GUARD_NONE)
        return false;
    switch (insn->op) {
    case X86_RETF:
    case X86_IRET:
    case X86_CALL_FAR_IND:
    case X86_JMP_FAR_IND:
    case X86_SYSENTER:
    case X86_SYSCALL:
    case X86_WRPKRU:
    case X86_XRSTOR:
    case X86_XSETBV:
    case X86_VMCALL:
    case X86_VMMCALL:
    case X86_VMFUNC:
    case X86_ENCLU:
        return true;
    case X86_CALL_FAR:
    case X86_JMP_FAR:
        return guard >= SCAN_GUARD_STATE ? !selector_is_null(insn->imm2) : selector_leads_out(insn->imm2);
    case X86_INT:
        return insn->imm == HOST_SYSCALL_VECTOR;
    case X86_POP_SREG:
    case X86_MOV_TO_SREG:
    case X86_LES:
    case X86_LDS:
    case X86_LSS:
    case X86_LFS:
    case X86_LGS:
        return guard >= SCAN_GUARD_STATE;
    default:
        return false;
    }
}
