/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The state of a stopped guest, and what lockstep found, for people.
 */
#include "machine_private.h"

#include "disassembler.h"
#include "linear.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SHOWN_BYTES = 32,
    SHOWN_INSTRUCTIONS = 4,
    SHOWN_TEXT = 192, /* of an instruction */
    ATTR_D = 1 << 14, /* struct d86_segment */
};

static void show_segment(const char *name, const struct d86_segment *s)
{
    fprintf(stderr, "  %s %04x base %08" PRIx32 " limit %08" PRIx32 " attributes %04x%s\n", name, s->selector,
            s->base, s->limit, s->attr, s->unusable ? " unusable" : "");
}

static void show_registers(const struct d86_regs *r, const struct d86_sregs *s)
{
    static const char *const name[] = { "ES ", "CS ", "SS ", "DS ", "FS ", "GS " };
    fprintf(stderr, "  EAX %08" PRIx32 "  EBX %08" PRIx32 "  ECX %08" PRIx32 "  EDX %08" PRIx32 "\n", r->eax,
            r->ebx, r->ecx, r->edx);
    fprintf(stderr, "  ESI %08" PRIx32 "  EDI %08" PRIx32 "  EBP %08" PRIx32 "  ESP %08" PRIx32 "\n", r->esi,
            r->edi, r->ebp, r->esp);
    fprintf(stderr, "  EIP %08" PRIx32 "  EFLAGS %08" PRIx32 "\n", r->eip, r->eflags);
    for (unsigned i = 0; i < G_N_ELEMENTS(name); i++)
        show_segment(name[i], &s->seg[i]);
    show_segment("LDT", &s->ldt);
    show_segment("TR ", &s->tr);
    fprintf(stderr, "  GDT base %08" PRIx32 " limit %04x  IDT base %08" PRIx32 " limit %04x\n", s->gdt.base,
            s->gdt.limit, s->idt.base, s->idt.limit);
    fprintf(stderr,
            "  CR0 %08" PRIx32 "  CR2 %08" PRIx32 "  CR3 %08" PRIx32 "  CR4 %08" PRIx32 "  EFER %08" PRIx64
            "\n",
            s->cr0, s->cr2, s->cr3, s->cr4, s->efer);
}

/* Up to `limit` instructions at EIP `at`. */
static void show_code(const uint8_t *bytes, size_t count, const struct d86_sregs *s, uint32_t at,
                      size_t limit)
{
    struct disassembler *disassembler = disassembler_new(s->seg[D86_CS].attr & ATTR_D, true);
    char text[SHOWN_TEXT];
    size_t done = 0;
    if (!disassembler)
        return;
    for (size_t i = 0; i < limit; i++) {
        uint32_t eip = at + (uint32_t)done;
        unsigned length =
            disassembler_print(disassembler, bytes + done, count - done, eip, text, sizeof text);
        if (length == 0)
            break;
        fprintf(stderr, "  %04x:%08" PRIx32 "  %s\n", s->seg[D86_CS].selector, eip, text);
        done += length;
    }
    disassembler_free(disassembler);
}

static void show_bytes(const char *label, const uint8_t *bytes, size_t count)
{
    fprintf(stderr, "  %s:", label);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "%s\n", count ? "" : " no memory there");
}

void report_guest_state(const struct machine *m)
{
    struct d86_regs regs;
    struct d86_sregs sregs;
    uint8_t bytes[SHOWN_BYTES];
    d86_vcpu_get_regs(m->vcpu, &regs);
    d86_vcpu_get_sregs(m->vcpu, &sregs);
    show_registers(&regs, &sregs);
    size_t count = linear_read(m->vm, &sregs, sregs.seg[D86_CS].base + regs.eip, bytes, sizeof bytes);
    show_bytes("at CS:EIP", bytes, count);
    show_code(bytes, count, &sregs, regs.eip, SHOWN_INSTRUCTIONS);
}

/* ---- Lockstep ---- */

/* One register before the instruction and after it, by either engine. */
static void show_register(const char *name, uint32_t before, uint32_t interp, uint32_t native)
{
    fprintf(stderr, "  %-6s  %08" PRIx32 "  %08" PRIx32 "  %08" PRIx32 "%s\n", name, before, interp, native,
            interp == native ? "" : "  differs");
}

void report_difference(const struct machine *m)
{
    struct d86_difference d;
    struct d86_sregs sregs;
    d86_vcpu_difference(m->vcpu, &d);
    d86_vcpu_get_sregs(m->vcpu, &sregs);
    fprintf(stderr, "duplex86: the engines differ in %.*s at %08" PRIx32 "\n", (int)sizeof d.what, d.what,
            d.linear);
    size_t count = MIN(d.length, sizeof d.code);
    show_bytes("instruction", d.code, count);
    show_code(d.code, count, &sregs, d.before.eip, 1);
    fprintf(stderr, "  %-6s  %8s  %8s  %8s\n", "", "before", "interp", "native");
    const struct d86_regs *b = &d.before, *i = &d.interp, *n = &d.native;
    show_register("EAX", b->eax, i->eax, n->eax);
    show_register("EBX", b->ebx, i->ebx, n->ebx);
    show_register("ECX", b->ecx, i->ecx, n->ecx);
    show_register("EDX", b->edx, i->edx, n->edx);
    show_register("ESI", b->esi, i->esi, n->esi);
    show_register("EDI", b->edi, i->edi, n->edi);
    show_register("EBP", b->ebp, i->ebp, n->ebp);
    show_register("ESP", b->esp, i->esp, n->esp);
    show_register("EIP", b->eip, i->eip, n->eip);
    show_register("EFLAGS", b->eflags, i->eflags, n->eflags);
}
