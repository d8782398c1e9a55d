/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Printing of cases and differences: everything a reader needs to repeat the case by hand.
 */
#include <inttypes.h>
#include <string.h>

#include "disassembler.h"
#include "image.h"
#include "oracle.h"
#include "segments.h"

static const char *const gpr_name[8] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
static const char *const sreg_name[6] = { "es", "cs", "ss", "ds", "fs", "gs" };

const char *vector_name(unsigned vector)
{
    static const char *const name[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
        "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM"
    };

    return vector < ARRAY_SIZE(name) ? name[vector] : "?";
}

static void print_bytes(FILE *out, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fprintf(out, " %02x", bytes[i]);
}

/* Where the listing of [at, end) can go on after an undecodable byte: the next piece. */
static unsigned next_piece(const struct test_case *c, unsigned at)
{
    for (unsigned i = 0; i <= c->piece_count; i++)
        if (c->piece[i] > at)
            return c->piece[i] < c->code_len ? c->piece[i] : c->code_len;
    return c->code_len;
}

static void print_code(FILE *out, const struct test_case *c)
{
    struct disassembler *disassembler = disassembler_new(selector_big(c->regs.cs), true);
    uint32_t first = c->code_la - selector_base(c->regs.cs);
    char text[192];

    if (!disassembler) {
        print_bytes(out, c->code, c->code_len);
        fputc('\n', out);
        return;
    }
    for (unsigned at = 0; at < c->code_len;) {
        unsigned length =
            disassembler_print(disassembler, c->code + at, c->code_len - at, first + at, text, sizeof text);
        bool dropped = length == 1 && c->code[at] == 0x90;
        length = length ? length : next_piece(c, at) - at;
        if (!dropped) {
            fprintf(out, "  %08" PRIx32 "  %-37s ;", c->code_la + at, text);
            print_bytes(out, c->code + at, length);
            fputc('\n', out);
        }
        at += length;
    }
    disassembler_free(disassembler);
}

static void print_flags(FILE *out, uint32_t eflags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } flag[] = { { FL_CF, "CF" }, { FL_PF, "PF" }, { FL_AF, "AF" }, { FL_ZF, "ZF" },
                 { FL_SF, "SF" }, { FL_TF, "TF" }, { FL_DF, "DF" }, { FL_OF, "OF" },
                 { FL_NT, "NT" }, { FL_RF, "RF" }, { FL_AC, "AC" }, { FL_ID, "ID" } };

    for (unsigned i = 0; i < ARRAY_SIZE(flag); i++)
        if (eflags & flag[i].bit)
            fprintf(out, " %s", flag[i].name);
}

static void print_regs(FILE *out, const struct regs *r)
{
    for (unsigned i = 0; i < 8; i++)
        fprintf(out, "%s%s %08" PRIx32, i == 4 ? "\n    " : i ? "  " : "    ", gpr_name[i], r->gpr[i]);
    fprintf(out, "\n    cs %04" PRIx32 "  eip %08" PRIx32 "  eflags %08" PRIx32, r->cs, r->eip, r->eflags);
    print_flags(out, r->eflags);
    fputc('\n', out);
}

static void print_fpu(FILE *out, const uint8_t *fx)
{
    fprintf(out, "    fcw %02x%02x fsw %02x%02x ftw %02x mxcsr %02x%02x%02x%02x", fx[1], fx[0], fx[3], fx[2],
            fx[4], fx[27], fx[26], fx[25], fx[24]);
    fprintf(out, " fop %02x%02x fip %02x%02x%02x%02x fdp %02x%02x%02x%02x\n", fx[7], fx[6], fx[11], fx[10],
            fx[9], fx[8], fx[19], fx[18], fx[17], fx[16]);
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = fx + FX_ST + 16 * i, *xmm = fx + FX_XMM + 16 * i;
        fprintf(out, "    st%u ", i);
        for (int b = 9; b >= 0; b--)
            fprintf(out, "%02x%s", st[b], b == 8 ? ":" : "");
        fprintf(out, "  xmm%u ", i);
        for (int b = 15; b >= 0; b--)
            fprintf(out, "%02x%s", xmm[b], b == 8 ? "_" : "");
        fputc('\n', out);
    }
}

static void print_segments(FILE *out, const struct test_case *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(sreg_name); i++) {
        const struct ldt_entry *e = ldt_by_selector(c->sreg[i]);
        fprintf(out, "    %s %04x", sreg_name[i], c->sreg[i]);
        if (e)
            fprintf(out, "  base %08" PRIx32 " limit %05" PRIx32 "%s%s%s%s", e->base, e->limit,
                    e->pages ? " pages" : "", e->big ? " 32-bit" : " 16-bit",
                    e->contents == LDT_DOWN ? " expand-down" : "",
                    e->read_only ? " read or execute only" : "");
        fputc('\n', out);
    }
}

void report_case(FILE *out, const struct test_case *c)
{
    fprintf(out, "case %s:%" PRIu64 "%s%s, memory image %u\n", group_name(c->group), c->seed,
            c->stepping ? ", single-stepped" : "", c->pae ? ", PAE" : "", c->image);
    print_code(out, c);
    fprintf(out, "  before:\n");
    if (memcmp(c->sreg, flat_sregs, sizeof flat_sregs) != 0)
        print_segments(out, c);
    print_regs(out, &c->regs);
    print_fpu(out, c->fxsave);
}

static void print_end(FILE *out, const struct test_case *c, const struct outcome *o)
{
    static const char *const kind[] = { "exception", "steps exhausted", "SYSTEM CALL",
                                        "hung",      "broke a rule",    "died" };

    fprintf(out, "    %s", kind[o->kind]);
    if (o->kind == OUTCOME_EXCEPTION)
        fprintf(out, " %s error code %" PRIx32 " cr2 %08" PRIx32, vector_name(o->vector), o->error_code,
                o->cr2);
    if (o->kind == OUTCOME_DIED || o->kind == OUTCOME_BROKEN)
        fprintf(out, " (%" PRIu32 ")", o->detail);
    if (c->stepping)
        fprintf(out, ", %u steps", o->step_count);
    fputc('\n', out);
}

static void print_outcome(FILE *out, const struct test_case *c, const struct outcome *o, unsigned difference)
{
    print_end(out, c, o);
    print_regs(out, &o->regs);
    if (difference & DIFF_SREG) {
        for (unsigned i = 0; i < 6; i++)
            fprintf(out, "%s%s %04x", i ? "  " : "    ", sreg_name[i], o->sreg[i]);
        fputc('\n', out);
    }
    if (difference & DIFF_FPU)
        print_fpu(out, o->fxsave);
}

/* Memory page `n` after the case. */
static const uint8_t *page_after(const struct test_case *c, const struct outcome *o, unsigned n)
{
    return o->dirty & 1u << n ? o->page[n] : image(c->image) + n * PAGE;
}

static void print_memory_difference(FILE *out, const struct test_case *c, const struct outcome *native,
                                    const struct outcome *guest)
{
    unsigned shown = 0;

    for (unsigned n = 0; n < MEM_PAGES; n++) {
        const uint8_t *before = image(c->image) + n * PAGE;
        const uint8_t *a = page_after(c, native, n), *b = page_after(c, guest, n);
        for (unsigned at = 0; at < PAGE && shown < 16; at += 8) {
            if (!memcmp(a + at, b + at, 8))
                continue;
            fprintf(out, "    [%08" PRIx32 "] before", mem_page_la(n) + at);
            print_bytes(out, before + at, 8);
            fprintf(out, "  host");
            print_bytes(out, a + at, 8);
            fprintf(out, "  guest");
            print_bytes(out, b + at, 8);
            fputc('\n', out);
            shown++;
        }
    }
}

static void print_step_difference(FILE *out, const struct outcome *native, const struct outcome *guest)
{
    unsigned both = native->step_count < guest->step_count ? native->step_count : guest->step_count;

    for (unsigned i = 0; i < both; i++) {
        if (!memcmp(&native->step[i], &guest->step[i], sizeof native->step[i]))
            continue;
        fprintf(out, "  first different after step %u:\n  host:\n", i + 1);
        print_regs(out, &native->step[i]);
        fprintf(out, "  guest:\n");
        print_regs(out, &guest->step[i]);
        return;
    }
    fprintf(out, "  host took %u steps, guest %u\n", native->step_count, guest->step_count);
}

void report_difference(FILE *out, const struct test_case *c, const struct outcome *native,
                       const struct outcome *guest, unsigned difference)
{
    static const char *const what[] = { "exception", "error code", "CR2",       "registers", "EIP",
                                        "EFLAGS",    "selectors",  "FPU state", "memory",    "steps" };

    report_case(out, c);
    fprintf(out, "  differs in:");
    for (unsigned i = 0; i < ARRAY_SIZE(what); i++)
        if (difference & 1u << i)
            fprintf(out, " %s;", what[i]);
    fprintf(out, "\n  host:\n");
    print_outcome(out, c, native, difference);
    fprintf(out, "  guest:\n");
    print_outcome(out, c, guest, difference);
    if (difference & DIFF_MEMORY)
        print_memory_difference(out, c, native, guest);
    if (difference & DIFF_STEPS)
        print_step_difference(out, native, guest);
}
