/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Translation: guest code in, 64-bit host code with its tables out. Unlike a private page (scan.h), which the
 * guest runs in place, translated code stands anywhere, is seen by nobody, and may do for a sensitive
 * instruction whatever that should do for the guest. What is translated at a time is a *stretch*:
 * instructions of one page, in the order in which they stand there. Pure: it knows no virtual machine, and
 * what is outside of the code it reaches by the pointers and offsets it is given.
 *
 * The host's registers while translated code runs:
 *   EAX ECX EDX EBX EBP ESI EDI  the guest's, upper halves zero
 *   R14                          the guest's ESP, upper half zero
 *   arithmetic flags             the guest's; DF is clear, as is the guest's
 *   R15                          the context, an address: see struct gen_layout
 *   R13                          the window: guest linear address 0 is there. A multiple of 4 GiB; GS has
 *                                it as its base
 *   R12                          the window for accesses by FS: R13, or where nothing is mapped, if FS
 *                                cannot be used
 *   R8 to R11                    of no meaning between two instructions of the guest
 *   RSP                          a stack of return addresses in translated code; no data of the guest's. RET
 *                                may find return sites there, as CALLs left them, and behind the oldest
 *                                something that leads to exit_indirect; nothing that a CALL of a stub left
 *
 * Addresses are cut to 32 bits, but an operand across the end of the window, and a string that runs over it,
 * reach for the page behind, and the stack for the one before when ESP is 0: nothing may be mapped there.
 *
 * So it is for 32-bit protected mode with CS, DS, ES and SS flat and of 32 bits, and not at CPL 3. All other
 * code is *segmented* (struct gen_segmented), which differs in:
 *   R12                          where a byte can be read at [R12 + n] exactly if n is at most FFFFh; from
 *                                GEN_LIMIT_MAX below that on, up to 4 GiB behind
 *   R8D at the exits             an EIP, not a linear address
 *
 * The forms and their reasons: docs/translated-code.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "translator/decode.h"

enum {
    GEN_PAGE_SIZE = 4096,
    GEN_INSNS_MAX = 256, /* guest instructions in a stretch */
    GEN_EXITS_MAX = 256,
    GEN_CALL_OUTS_MAX = 256,
    GEN_CODE_MAX = 16 << 10, /* host bytes of a stretch, at most */
    GEN_LIMIT_MAX = 1 << 20, /* bytes of a segment with a limit that can be checked, at most */
};

/*
 * Displacements from R15. fs_base: a dword, the linear base of FS. The others are pointers to code, which
 * translated code reaches by CALL or JMP through them:
 *
 *   exit_direct   CALL. The return address says which exit it is, and so where to go on: gen_exit.after and
 *                 .target. It does not belong to the guest's calls
 *
 *   exit_indirect JMP, with R8D the EIP to go on at
 *
 *   call_out      CALL, with R8D the number that was put at gen_call_out.number. Returns with the guest's
 *                 registers as the instruction left them, if execution goes on behind it; else not at all
 *
 * The guest's state is in the registers at all of them.
 */
struct gen_layout {
    int32_t fs_base, exit_direct, exit_indirect, call_out;
    /*
     * eflags: a dword, EFLAGS but for the six arithmetic flags, which are 0 there.
     * attention: a byte; 0: were interrupts enabled now, nothing would happen.
     * if_clear, if_set: pointers to tables of 256 bytes, which make the second byte of EFLAGS one in which IF
     * is clear or set. after_sti: a dword: the address behind the last STI, at which no interrupt may be
     * taken. selector: words, by enum x86_sreg.
     */
    int32_t eflags, attention, if_clear, if_set, after_sti;
    int32_t selector[X86_SREG_COUNT];
    /*
     * Pointers to code, by enum x86_sreg but for CS and SS; CALL, with R9D the selector (its upper half means
     * nothing) and R8D as for call_out: loads the segment register, or does what call_out does. The second
     * also adds 4 to ESP.
     */
    int32_t load_segment[X86_SREG_COUNT], pop_segment[X86_SREG_COUNT];
    /*
     * For segmented code. place: pointers to where the segments' offsets 0 are in the window. base: dwords,
     * the same as linear addresses. limit_read, limit_write: pointers to where a byte can be read at the
     * pointer + n exactly if a byte at offset n of the segment can be read, or read and written.
     */
    int32_t place[X86_SREG_COUNT], base[X86_SREG_COUNT];
    int32_t limit_read[X86_SREG_COUNT], limit_write[X86_SREG_COUNT];
    /*
     * exit_far: like exit_indirect, with R8D an offset of 16 bits below a selector: CS is to be loaded as in
     * real mode. code_pointer: a dword, the selector of CS in its upper half and 0 below, in code with `far`.
     */
    int32_t exit_far, code_pointer;
};

/* What is known of a segment register, other than CS for fetches, while segmented code runs. */
enum gen_segment {
    GEN_SEGMENT_CLOSED,  /* nothing: what accesses memory by it, or loads it, is a call-out */
    GEN_SEGMENT_LIMITED, /* the context has what can be accessed */
    GEN_SEGMENT_64K,     /* offsets 0 to FFFFh can be read and written; others are to fault */
    GEN_SEGMENT_4G,      /* all can, as far as the window reaches */
    GEN_SEGMENT_FLAT,    /* all can, and offsets are linear addresses */
    GEN_SEGMENT_WRAPS,   /* all can, and base and offset go round at 4 GiB, as thread-local storage wants */
};

/* Code whose segments are not all flat and of 32 bits. */
struct gen_segmented {
    bool code32, stack32; /* CS.D, SS.B */
    bool real;       /* a segment's base is 16 times its selector, and nothing else follows from a load */
    bool far;        /* ... so it is for CS, too, whose limit is FFFFh */
    bool interrupts; /* ... `cpl0`, and INT n goes by the table at 0 and clears only IF */
    bool returns;    /* ... `cpl0`, and IRET does nothing but to take what it pops */
    uint32_t base, limit;            /* of CS */
    uint8_t segment[X86_SREG_COUNT]; /* enum gen_segment */
};

struct gen_request {
    const uint8_t *page; /* GEN_PAGE_SIZE bytes of guest code */
    uint32_t address;    /* linear, of the page */
    unsigned start;      /* offset in it of the first instruction */
    struct gen_layout layout;
    /*
     * CPL 0, or IOPL is 3; and the context has flags, IF and selectors as the layout says: forms for what
     * needs them.
     */
    bool cpl0;
    bool segment_loads; /* the context has load_segment and pop_segment */
    bool tsc_native;    /* the guest's time stamp counter is the host's */
    uint32_t isa;       /* bit n: the guest's processor has enum x86_isa n, and so has the host's */
    /*
     * Offsets that have been translated before, bit n % 64 of word n / 64: the stretch does not run into
     * them, it jumps there. The start is not asked for. NULL: none.
     */
    const uint64_t *known;
    /*
     * Offsets, likewise, of instructions that are to be call-outs although they have a form. For branches it
     * means nothing. NULL: none.
     */
    const uint64_t *apart;
    /*
     * A guest's RET that goes elsewhere than behind the CALL which the host's RET goes to may lose the
     * arithmetic flags, if they are dead behind that CALL. They hardly ever mean anything then, and a return
     * costs less.
     */
    bool loose_returns;
    const struct gen_segmented *segmented; /* NULL: flat 32-bit code */
};

/* A guest instruction of the stretch. */
struct gen_insn {
    uint16_t guest; /* offset in the page */
    uint8_t length; /* in bytes */
    uint8_t hole; /* at this distance from `host` it cannot begin anew, though before `restart`; 0: nowhere */
    /* Offset of its first host instruction. To begin there, the guest's state is all that is needed. */
    uint16_t host;
    /*
     * While the host's instruction pointer is at most here, no register of the guest's has changed as far as
     * it matters: the instruction may begin anew from the registers there are, with their upper halves
     * cleared (a repeated string instruction then goes on). A fault never comes later. From there on it is a
     * few instructions without a loop to the next instruction's `host`, to an exit, or by CALL or RET to
     * other code.
     */
    uint16_t restart;
};

enum gen_exit_kind { GEN_EXIT_JUMP, GEN_EXIT_BRANCH, GEN_EXIT_CALL };

/*
 * A direct branch out of the stretch: a rel32 which leads to `stub` at first. With GEN_EXIT_CALL the branch
 * is a host CALL: exit_direct finds the return site's address on the stack, above the stub's own.
 */
struct gen_exit {
    uint32_t target; /* linear address */
    uint16_t rel32;  /* offset of the field, which counts from its end */
    uint16_t stub;   /* offset of the code that goes to exit_direct */
    uint16_t after;  /* offset of the return address that CALL pushes there */
    uint8_t kind;    /* enum gen_exit_kind */
};

/* An instruction that is executed by somebody else. */
struct gen_call_out {
    uint16_t insn;   /* index of it */
    uint16_t number; /* offset of a field of 32 bits, zero now: what call_out gets in R8D */
};

/*
 * A stretch. Instructions are sorted by `guest` and by `host`; the first one's `host` is 0. A branch that
 * leads to one of them goes there and is no exit, and may be short. Behind the last instruction stand the
 * stubs.
 *
 * Behind a CALL is its return site, a part of the same instruction: with R8D the address that the guest's RET
 * took and R9D the guest's ECX, it goes on if the address is the one it stands for, and to exit_indirect if
 * not.
 */
struct gen_result {
    uint8_t code[GEN_CODE_MAX]; /* position independent, but for what is reached by exits */
    uint32_t code_size;
    uint16_t insn_count, exit_count, call_out_count;
    uint16_t guest_end; /* offset behind the last byte of the page that was looked at */
    struct gen_insn insn[GEN_INSNS_MAX];
    struct gen_exit exit[GEN_EXITS_MAX];
    struct gen_call_out call_out[GEN_CALL_OUTS_MAX];
};

/* How many bytes of the page at a linear address, from its first one on, lie before the code segment's end.
 */
static inline uint64_t gen_segmented_end(const struct gen_segmented *s, uint32_t address)
{
    uint32_t before = s->base - address, eip = address - s->base;

    if (before < GEN_PAGE_SIZE)
        return (uint64_t)before + s->limit + 1;
    return eip > s->limit ? 0 : (uint64_t)s->limit - eip + 1;
}

/*
 * Translate the stretch that begins at request->start. False: not even its first instruction lies in the
 * page. Every instruction can be translated: those without a form of their own become call-outs, and so does
 * what is no instruction.
 */
bool gen_stretch(const struct gen_request *request, struct gen_result *result);
