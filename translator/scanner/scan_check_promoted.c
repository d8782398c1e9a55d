/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audit of promotions: that each jump goes to a snippet of this page, that what it displaced traps, and
 * that the snippets are whole instructions the policy keeps, in which nothing is hidden and from which
 * control goes only where the guest's own instructions take it. Like scan_check.c it goes by the decoder.
 * That a snippet does what the instructions did is for tests/unit/test_scan_native.c to show, by running
 * both.
 */
#include "scan_private.h"

#define OK ((struct scan_fault){ NULL, 0 })

static struct scan_fault fault(const char *what, unsigned offset)
{
    return (struct scan_fault){ what, offset };
}

static bool decode_in(const uint8_t page[SCAN_PAGE_SIZE], unsigned offset, struct insn *insn)
{
    unsigned avail = SCAN_PAGE_SIZE - offset;

    return x86_decode(page + offset, avail < X86_INSN_MAX ? avail : X86_INSN_MAX, true, insn) ==
               X86_DECODE_OK ||
           insn->op == X86_UD2;
}

static bool is_direct(const struct insn *insn)
{
    return insn->opnd[0].kind == X86_OPND_REL;
}

/* ---- Snippets ------------------------------------------------------------------------------------ */

/* Is this where a direct branch of the promoted instructions goes, or where they go on? */
static bool is_way_out(const struct scan_page *page, const struct scan_jump *jump, uint32_t target)
{
    struct insn insn;

    for (unsigned start = jump->first; start < jump->end; start += insn.length) {
        if (!decode_in(page->original, start, &insn))
            return false;
        if (is_direct(&insn) && page->address + start + insn.length + insn.imm == target)
            return true;
    }
    return target == page->address + jump->end;
}

static bool is_member(const struct scan_page *page, const struct scan_jump *jump, uint32_t eip)
{
    uint32_t offset = eip - page->address;

    return offset >= jump->first && offset < jump->end && page->mark[offset];
}

static bool has_step(const struct scan_page *page, unsigned offset)
{
    struct scan_resume resume;

    return scan_snippet_resume(page, offset, &resume);
}

/* Do the snippet's own branches land on its instructions? */
static struct scan_fault check_branch(const struct scan_page *page, const struct scan_jump *jump, unsigned at,
                                      const struct insn *insn)
{
    uint32_t target = page->snippet_address + at + insn->length + insn->imm;
    uint32_t inside = target - page->snippet_address;

    if (inside >= jump->snippet && inside < jump->snippet_end) {
        struct scan_resume resume;

        if (!scan_snippet_resume(page, inside, &resume))
            return fault("a snippet branches into an instruction", jump->first);
        return is_member(page, jump, resume.eip) || is_way_out(page, jump, resume.eip)
                   ? OK
                   : fault("a snippet branches to what it does not stand for", jump->first);
    }
    return is_way_out(page, jump, target) ? OK : fault("a snippet leads elsewhere", jump->first);
}

/*
 * A door, by what it is to be: a far jump to __USER_CS and the byte behind itself, where two 64-bit
 * instructions are. 0, or its size.
 */
static unsigned door_size(const struct scan_page *page, unsigned at)
{
    static const uint8_t lea_r8_rip_jmp_r15[] = {
        0x4c, 0x8d, 0x05, 0xf2, 0xff, 0xff, 0xff, 0x41, 0xff, 0x67, SCAN_DOOR_OFFSET
    };
    unsigned size = sizeof(lea_r8_rip_jmp_r15);
    struct insn insn;

    if (!page->doors || !decode_in(page->snippets, at, &insn) || insn.op != X86_JMP_FAR ||
        insn.op_size != 4 || insn.length != 7 || insn.imm2 != 0x33 ||
        insn.imm != page->snippet_address + at + insn.length || at + insn.length + size > SCAN_PAGE_SIZE ||
        __builtin_memcmp(page->snippets + at + insn.length, lea_r8_rip_jmp_r15, size) != 0)
        return 0;
    return insn.length + size;
}

/* Does it stand for an instruction of the promotion that must not run natively? */
static bool door_stands(const struct scan_page *page, const struct scan_jump *jump, unsigned at)
{
    static const uint8_t begins[] = { 0, 7, 14 };
    struct scan_resume resume;
    struct insn insn;
    uint32_t eip = 0;

    for (unsigned i = 0; i < sizeof(begins); i++) {
        if (!scan_snippet_resume(page, at + begins[i], &resume) || (i && resume.eip != eip))
            return false;
        eip = resume.eip;
    }
    return eip - page->address >= jump->first && eip - page->address < jump->end &&
           decode_in(page->original, eip - page->address, &insn) &&
           scan_verdict(&insn, &page->mode).action == SCAN_REPLACE;
}

static struct scan_fault check_snippet(const struct scan_page *page, const struct scan_jump *jump,
                                       unsigned *steps)
{
    struct scan_verdict verdict = { .flow = SCAN_FLOW_NEXT };
    struct scan_mode mode = page->mode;
    struct insn insn;

    mode.bits &= ~(uint32_t)SCAN_ES_AT_ZERO; /* snippets know where ES begins */

    for (unsigned at = jump->snippet, door; at < jump->snippet_end; at += insn.length, (*steps)++) {
        door = door_size(page, at);
        if (door) {
            if (at + door > jump->snippet_end || !door_stands(page, jump, at))
                return fault("a door that stands for no sensitive instruction", jump->first);
            verdict.flow = SCAN_FLOW_STOP;
            insn.length = (uint8_t)door;
            *steps += 2;
            continue;
        }
        if (!decode_in(page->snippets, at, &insn) || at + insn.length > jump->snippet_end)
            return fault("a snippet is not whole instructions", jump->first);
        verdict = scan_verdict(&insn, &mode);
        if (verdict.action != SCAN_KEEP)
            return fault("a sensitive instruction in a snippet", jump->first);
        if (!has_step(page, at))
            return fault("a native instruction that stands for no guest state", jump->first);
        if (insn.op == X86_CALL || insn.op == X86_CALL_IND)
            return fault("a snippet pushes its own address", jump->first);
        if (is_direct(&insn)) {
            struct scan_fault found = check_branch(page, jump, at, &insn);

            if (found.what)
                return found;
        }
    }
    if (verdict.flow == SCAN_FLOW_NEXT || verdict.flow == SCAN_FLOW_BRANCH)
        return fault("a snippet runs past its end", jump->first);
    if (page->snippets[jump->snippet_end] != SCAN_TRAP_BYTE)
        return fault("no trap behind a snippet", jump->first);
    return OK;
}

/* ---- Jumps --------------------------------------------------------------------------------------- */

static bool always_traps(const struct insn *insn)
{
    switch (insn->op) {
    case X86_INT3:
    case X86_HLT:
    case X86_CLI:
    case X86_STI:
    case X86_IN:
    case X86_OUT:
    case X86_INS:
    case X86_OUTS:
        return true;
    default:
        return false;
    }
}

static bool goes_to_snippet(const struct scan_page *page, const struct scan_jump *jump,
                            const struct insn *insn)
{
    uint32_t target = page->address + jump->first + insn->length + insn->imm;

    return is_direct(insn) && insn->op_size == 4 && target == page->snippet_address + jump->snippet;
}

static struct scan_fault check_branch_form(const struct scan_page *page, const struct scan_jump *jump,
                                           const struct insn *native)
{
    struct insn guest, onward;
    uint32_t target;

    if (!decode_in(page->original, jump->first, &guest) || !decode_in(page->snippets, jump->snippet, &onward))
        return fault("a promoted branch is no instruction", jump->first);
    target = page->address + jump->end + guest.imm;
    if (guest.op != native->op || guest.cond != native->cond || guest.length != native->length ||
        guest.length != jump->end - jump->first || guest.op_size != 4)
        return fault("a promoted branch is another one in the private page", jump->first);
    if (onward.op != X86_JMP || page->snippet_address + jump->snippet + onward.length + onward.imm != target)
        return fault("a promoted branch does not arrive", jump->first);
    return OK;
}

static struct scan_fault check_jump_form(const struct scan_page *page, const struct scan_jump *jump,
                                         const struct insn *native)
{
    if (native->op != X86_JMP || native->length != jump->jump || jump->first + jump->jump > jump->end)
        return fault("a promotion does not begin with its jump", jump->first);
    for (unsigned at = jump->first + jump->jump; at < jump->end; at++)
        if (page->private_page[at] != SCAN_TRAP_BYTE)
            return fault("a byte behind a promotion's jump does not trap", at);
    return OK;
}

static struct scan_fault check_members(const struct scan_page *page, const struct scan_jump *jump)
{
    unsigned sites = 0;
    struct insn insn;

    for (unsigned start = jump->first; start < jump->end; start = mark_end(page, start)) {
        const struct scan_site *site = scan_site_at(page, start);

        if (mark_state(page, start) != (start == jump->first ? MARK_JUMP : MARK_MOVED))
            return fault("the instructions of a promotion do not follow each other", start);
        if (!decode_in(page->original, start, &insn) || insn.length != (page->mark[start] & MARK_LENGTH))
            return fault("a promoted instruction has another length than its mark says", start);
        if (mark_end(page, start) > jump->end)
            return fault("a promotion ends in an instruction", start);
        if (start != jump->first && (!decode_in(page->private_page, start, &insn) || !always_traps(&insn)))
            return fault("a displaced instruction does not trap", start);
        if (site && (site->form != jump->form ||
                     (site->reason != SCAN_HIDDEN && site->reason != SCAN_STRING && !page->doors)))
            return fault("a site of another form than its promotion", start);
        sites += site != NULL;
    }
    return sites ? OK : fault("a promotion without a site", jump->first);
}

static struct scan_fault check_promotion(const struct scan_page *page, const struct scan_jump *jump)
{
    struct scan_fault found = check_members(page, jump);
    struct insn native;

    if (found.what)
        return found;
    if (!decode_in(page->private_page, jump->first, &native) || !goes_to_snippet(page, jump, &native))
        return fault("a promotion does not lead to its snippet", jump->first);
    return jump->form == SCAN_FORM_BRANCH ? check_branch_form(page, jump, &native)
                                          : check_jump_form(page, jump, &native);
}

/* ---- The snippet page ---------------------------------------------------------------------------- */

/* Prefixes before it, and 16-bit code with 66 before it, lead to the same place. */
static bool is_by_door(const struct scan_page *page, unsigned offset, const struct insn *insn)
{
    return insn->op == X86_JMP_FAR && insn->op_size == 4 && door_size(page, offset + insn->length - 7);
}

static bool is_critical(const struct scan_page *page, unsigned offset)
{
    enum scan_guard guard = scan_mode_guard(&page->mode);
    struct insn insn;

    for (unsigned code32 = 0; code32 < 2; code32++) {
        unsigned avail = SCAN_PAGE_SIZE - offset;

        if (x86_decode(page->snippets + offset, avail, code32, &insn) == X86_DECODE_OK &&
            scan_is_critical(&insn, guard) && !is_by_door(page, offset, &insn))
            return true;
    }
    return false;
}

static struct scan_fault check_bytes(const struct scan_page *page)
{
    uint64_t used[SCAN_PAGE_SIZE / 64] = { 0 };

    for (unsigned i = 0; i < page->jump_count; i++)
        for (unsigned at = page->jumps[i].snippet; at < page->jumps[i].snippet_end; at++) {
            if (bitmap_has(used, at))
                return fault("two snippets share a byte", page->jumps[i].first);
            bitmap_set(used, at);
        }
    for (unsigned at = 0; at < SCAN_PAGE_SIZE; at++) {
        if (!bitmap_has(used, at) && page->snippets[at] != SCAN_TRAP_BYTE)
            return fault("a byte of the snippet page outside of snippets does not trap", at);
        if (page->snippets[at] != SCAN_TRAP_BYTE && is_critical(page, at))
            return fault("a critical encoding in the snippet page", at);
    }
    if (page->snippets[SCAN_PAGE_SIZE - 1] != SCAN_TRAP_BYTE)
        return fault("a snippet at the end of the page", SCAN_PAGE_SIZE - 1);
    return OK;
}

struct scan_fault check_promotions(const struct scan_page *page)
{
    struct scan_fault found = OK;
    unsigned steps = 0;

    if (!page->snippets)
        return page->jump_count ? fault("promotions without a snippet page", 0) : OK;
    for (unsigned i = 0; i < page->jump_count && !found.what; i++) {
        found = check_snippet(page, &page->jumps[i], &steps);
        if (!found.what && page->jumps[i].form != SCAN_FORM_INT3)
            found = check_promotion(page, &page->jumps[i]);
    }
    if (found.what)
        return found;
    if (steps != page->step_count)
        return fault("steps outside of snippets", 0);
    return check_bytes(page);
}
