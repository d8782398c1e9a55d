/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Traps at sites of private pages: counting them, and getting rid of those that come again and again, by
 * links and by snippets. A private page gets its page in the nexus (code_nexus.c) when it has the first site
 * worth it, and keeps it until it is dropped. Executor side.
 */
#include "code_private.h"
#include "trace_ring.h"

/*
 * A trap costs 2 us with the interpreter's instruction, a promotion as much, and a page's first one a
 * mapping, 4 us more: worth it for what comes a few times.
 */
enum { PROMOTE_HITS = 8 };

/* 1, 2, 4, 8, ...: an attempt that failed is made again, but ever more rarely. */
static bool is_power_of_two(uint32_t n)
{
    return !(n & (n - 1));
}

/* ---- Snippets ------------------------------------------------------------------------------------------ */

bool code_snippet_state(struct vcpu *v, uint32_t host_la, struct scan_resume *resume)
{
    struct code_page *p = code_nexus_owner(v->code, host_la);

    return p && scan_snippet_resume(&p->scan, host_la % SCAN_PAGE_SIZE, resume);
}

bool code_leave_snippet(struct vcpu *v, uint32_t host_la)
{
    struct scan_resume resume;

    if (!code_snippet_state(v, host_la, &resume))
        return false;
    scan_resume_registers(&resume, v->gpr.d, (const uint32_t *)(const void *)v->code->scratch_page);
    if (v->fpu.live)
        scan_resume_fpu(&resume, (const uint32_t *)(const void *)v->code->scratch_page);
    v->eip = resume.eip - v->seg[X86_CS].base;
    return true;
}

bool code_owes_flags(struct vcpu *v, guest_la la, struct scan_owed *owed)
{
    const struct code_page *p = code_page_at(v, la);

    return p && scan_flags_owed(&p->scan, la & 0xfff, owed);
}

/* ---- Sites -------------------------------------------------------------------------------------------- */

bool code_inside_promotion(const struct code_page *p, unsigned offset)
{
    for (unsigned i = 0; i < p->scan.jump_count; i++) {
        const struct scan_jump *jump = &p->scan.jumps[i];

        if (jump->form != SCAN_FORM_INT3 && offset > jump->first && offset < jump->end)
            return true;
    }
    return false;
}

/*
 * Two ways lead into the middle of a promotion. Who goes on there after a fault or a kick in its snippet does
 * so in the snippet, and that is not worth giving it up: the host's timer alone stops a busy loop in its
 * middle again and again. Who jumps there comes again, and traps each time.
 */
uint32_t code_entry(struct vcpu *v, guest_la la)
{
    const struct code_page *p = code_page_at(v, la);
    unsigned at;

    return p && p->scan.snippets && scan_snippet_enter(&p->scan, la & 0xfff, &at)
               ? p->scan.snippet_address + at
               : la;
}

static bool jumped_too_often(struct code_page *p)
{
    return ++p->arrivals % PROMOTE_HITS == 0;
}

void code_arrived(struct vcpu *v, guest_la la)
{
    struct code_page *p = code_page_at(v, la);

    if (p && code_inside_promotion(p, la & 0xfff) && jumped_too_often(p))
        code_scan(v, p, la & 0xfff);
}

bool code_tolerates_promotion(struct code_page *p, unsigned offset)
{
    return code_inside_promotion(p, offset) && !jumped_too_often(p);
}

/*
 * Who executes UD2 so often has a handler that goes on behind it. Native code has not come there, since the
 * handler's IRET loads the RF of the fault, with which the interpreter does the first instruction.
 */
static void foresee(struct vcpu *v, struct code_page *p, unsigned offset)
{
    const struct scan_site *site = scan_site_at(&p->scan, offset);
    unsigned next = offset + site->length;

    if (site->reason == SCAN_UNDEFINED && next < SCAN_PAGE_SIZE && !scan_is_start(&p->scan, next))
        code_scan(v, p, next);
}

static void promote(struct vcpu *v, struct code_page *p, unsigned offset)
{
    const struct scan_stats before = p->scan.stats;
    struct scan_change change;
    const struct scan_site *site;

    if (!code_give_snippets(v, p))
        return;
    foresee(v, p, offset);
    if (scan_promote(&p->scan, offset, &change))
        v->counts.code_promotions++;
    code_count_sites(v, p, &before);
    code_settle(v, p);
    site = scan_site_at(&p->scan, offset);
    if (site)
        exec_trace(v, TRACE_SCAN_PATCH, p->scan.address + offset, site->reason, site->form, site->length);
}

static void improve(struct vcpu *v, struct code_page *p, const struct scan_site *site)
{
    if (site->reason == SCAN_STRADDLE)
        code_link(v, p, site->offset);
    else if (site->hits >= PROMOTE_HITS)
        promote(v, p, site->offset);
}

struct scan_site *code_trap(struct vcpu *v, guest_la la)
{
    struct code_page *p = code_page_at(v, la);
    unsigned offset = la & 0xfff;
    struct scan_site *site = p ? scan_site_at(&p->scan, offset) : NULL;

    if (!site)
        return NULL;
    if (code_inside_promotion(p, offset)) {
        code_arrived(v, la);
        return NULL;
    }
    if (site->hits < UINT32_MAX)
        site->hits++;
    v->counts.traps[site->reason]++;
    exec_trace(v, TRACE_SITE_TRAP, la, site->reason, site->hits, 0);
    if (!is_power_of_two(site->hits))
        return site;
    improve(v, p, site);
    p = code_page_at(v, la);
    return p ? scan_site_at(&p->scan, offset) : NULL;
}
