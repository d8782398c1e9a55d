/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of control and debug registers and of the privileged oddments: MOV CR and DR, LMSW, SMSW, CLTS,
 * INVLPG, INVD, WBINVD, HLT. SDM 3A, "Control Registers"; SDM 3B, "Debug Registers". Executor side.
 */
#include "cpu_model.h"
#include "mode.h"
#include "msr.h"
#include "paging.h"
#include "system.h"

#define CR0_WRITABLE                                                                                         \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | \
     X86_CR0_CD | X86_CR0_PG)

/* ---- CR0, CR3, CR4: loads work on a synced processor
 * -------------------------------------------------------- */

static NORETURN void fault(struct vcpu *v)
{
    raise_error(v, NULL, X86_GP, 0);
}

/* The PDPTEs are loaded when these bits change under PAE paging: SDM 3A, "PDPTE Registers". */
#define CR0_RELOADS_PDPTES (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)
#define CR4_RELOADS_PDPTES (X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE)

static void load_cr0(struct vcpu *v, uint32_t value)
{
    value = (value & CR0_WRITABLE) | X86_CR0_ET; /* reserved bits are ignored */
    if ((value & (X86_CR0_PG | X86_CR0_PE)) == X86_CR0_PG ||
        (value & (X86_CR0_NW | X86_CR0_CD)) == X86_CR0_NW)
        fault(v);
    uint32_t changed = v->cr0 ^ value;
    bool pae = (value & X86_CR0_PG) && (v->cr4 & X86_CR4_PAE);
    if (pae && (changed & CR0_RELOADS_PDPTES) && !paging_load_pdptes(v, v->cr3))
        fault(v);
    v->cr0 = value;
    if (changed & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
        tlb_flush(v);
    if (changed & X86_CR0_PE)
        seg_derive_all(v);
    exec_mode_changed(v);
}

static void load_cr3(struct vcpu *v, uint32_t value)
{
    if ((v->cr0 & X86_CR0_PG) && (v->cr4 & X86_CR4_PAE) && !paging_load_pdptes(v, value))
        fault(v);
    v->cr3 = value;
    tlb_flush_space(v);
    exec_mode_changed(v);
}

uint32_t cr4_allowed(const struct vcpu *v)
{
    static const struct {
        uint32_t bits;
        uint8_t feature;
    } needs[] = {
        { X86_CR4_VME | X86_CR4_PVI, CPU_VME },
        { X86_CR4_TSD, CPU_TSC },
        { X86_CR4_DE, CPU_DE },
        { X86_CR4_PSE, CPU_PSE },
        { X86_CR4_PAE, CPU_PAE },
        { X86_CR4_MCE, CPU_MCE },
        { X86_CR4_PGE, CPU_PGE },
        { X86_CR4_OSFXSR, CPU_FXSR },
        { X86_CR4_OSXMMEXCPT, CPU_SSE },
    };
    uint32_t mask = X86_CR4_PCE;

    for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        mask |= cpu_has(v, needs[i].feature) ? needs[i].bits : 0;
    return mask;
}

static void load_cr4(struct vcpu *v, uint32_t value)
{
    if (value & ~cr4_allowed(v))
        fault(v);
    uint32_t changed = v->cr4 ^ value;
    bool pae = (v->cr0 & X86_CR0_PG) && (value & X86_CR4_PAE);
    if (pae && (changed & CR4_RELOADS_PDPTES) && !paging_load_pdptes(v, v->cr3))
        fault(v);
    v->cr4 = value;
    if (changed & CR4_RELOADS_PDPTES)
        tlb_flush(v);
    exec_mode_changed(v);
}

HANDLER(mov_to_cr)
{
    uint32_t value = v->gpr.d[u->src];

    if (u->dst == 1 || u->dst > 4)
        raise_exception(v, u, X86_UD);
    require_cpl0(v, u);
    cpu_sync(v, u);
    switch (u->dst) {
    case 0:
        load_cr0(v, value);
        break;
    case 2:
        v->cr2 = value;
        break;
    case 3:
        load_cr3(v, value);
        break;
    default:
        load_cr4(v, value);
        break;
    }
    return finish(v);
}

HANDLER(mov_from_cr)
{
    const uint32_t *const registers[] = { &v->cr0, NULL, &v->cr2, &v->cr3, &v->cr4 };

    if (u->src == 1 || u->src > 4)
        raise_exception(v, u, X86_UD);
    require_cpl0(v, u);
    v->gpr.d[u->dst] = *registers[u->src];
    NEXT(v, u);
}

HANDLER(lmsw)
{
    require_cpl0(v, u);
    uint32_t value = read_rm16(v, u, u->dst);
    uint32_t low = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
    cpu_sync(v, u);
    load_cr0(v, (v->cr0 & ~low) | (value & (low | X86_CR0_PE))); /* sets PE, cannot clear it */
    return finish(v);
}

HANDLER(smsw)
{
    if (!(u->flags & UOP_MEM) && operand_size(u) == 4) {
        v->gpr.d[u->dst] = v->cr0;
        NEXT(v, u);
    }
    write_rm16(v, u, (uint16_t)v->cr0);
    NEXT(v, u);
}

HANDLER(clts)
{
    require_cpl0(v, u);
    cpu_sync(v, u);
    v->cr0 &= ~X86_CR0_TS;
    exec_mode_changed(v);
    return finish(v);
}

/* ---- Debug registers
 * ------------------------------------------------------------------------------------------ */

/*
 * The register a MOV DR means, after its checks; DR4 and DR5 are DR6 and DR7 unless CR4.DE is set.
 * u->dst and u->src: whichever `number` is not.
 */
static unsigned check_debug_access(struct vcpu *v, const struct uop *u, unsigned number)
{
    if (number == 4 || number == 5) {
        if (v->cr4 & X86_CR4_DE)
            raise_exception(v, u, X86_UD);
        number += 2;
    }
    require_cpl0(v, u);
    if (v->debug.dr[7] & X86_DR7_GD) {
        cpu_sync(v, u);
        v->debug.dr[6] |= X86_DR6_BD;
        v->eflags |= X86_RF; /* a fault: the pushed image has RF set */
        raise_exception(v, NULL, X86_DB);
    }
    return number;
}

HANDLER(mov_to_dr)
{
    unsigned number = check_debug_access(v, u, u->dst);
    uint32_t value = v->gpr.d[u->src];

    cpu_sync(v, u);
    if (number == 6)
        value = (value & (0xf | X86_DR6_BD | X86_DR6_BS | X86_DR6_BT)) | X86_DR6_FIXED;
    if (number == 7)
        value = (value & (0xffff03ff | X86_DR7_GD)) | X86_DR7_FIXED;
    v->debug.dr[number] = value;
    v->debug.active = v->debug.dr[7] & 0xff;
    exec_mode_changed(v);
    return finish(v);
}

HANDLER(mov_from_dr)
{
    unsigned number = check_debug_access(v, u, u->src);
    uint32_t fixed = number == 6 ? X86_DR6_FIXED : number == 7 ? X86_DR7_FIXED : 0;

    v->gpr.d[u->dst] = v->debug.dr[number] | fixed;
    NEXT(v, u);
}

/* ---- Caches, TLB, HLT
 * -------------------------------------------------------------------------------------------- */

/* The address is not checked against its segment. */
HANDLER(invlpg)
{
    require_cpl0(v, u);
    cpu_sync(v, u);
    tlb_flush_page(v, v->seg[u->seg].base + ea_offset(v, u));
    exec_mode_changed(v); /* the fetch tag carries the TLB generation */
    return finish(v);
}

/* INVD and WBINVD: there is no cache to see. */
HANDLER(cache_flush)
{
    require_cpl0(v, u);
    NEXT(v, u);
}

HANDLER(hlt)
{
    require_cpl0(v, u);
    cpu_sync(v, u);
    v->halted = true;
    return finish(v);
}

static const struct system_row rows[] = {
    { X86_MOV_TO_CR, true, mov_to_cr },
    { X86_MOV_FROM_CR, false, mov_from_cr },
    { X86_MOV_TO_DR, true, mov_to_dr },
    { X86_MOV_FROM_DR, false, mov_from_dr },
    { X86_LMSW, true, lmsw },
    { X86_SMSW, false, smsw },
    { X86_CLTS, true, clts },
    { X86_INVLPG, true, invlpg },
    { X86_INVD, false, cache_flush },
    { X86_WBINVD, false, cache_flush },
    { X86_HLT, true, hlt },
};

const struct system_table system_control_table = SYSTEM_TABLE(rows);
