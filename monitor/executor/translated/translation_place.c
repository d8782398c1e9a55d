/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a place in host code to the guest instruction it stands for. Stretches lie in a part's code in the
 * order of their numbers, and their instructions in the order of host code. Called by the signal handler,
 * too, which may interrupt translated code but nothing that changes the tables. Executor side.
 */
#include "translation.h"

/* The last stretch that begins at or before this offset of the code. */
static uint32_t stretch_before(const struct translation *t, uint32_t code)
{
    uint32_t part = code / TRANSLATION_FIRST(1, TRANSLATION_CODE), low, high;
    low = TRANSLATION_FIRST(part, TRANSLATION_STRETCHES); /* begins at or before; high: behind */
    high = low + t->part[part].stretches;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->stretch[middle].code <= code)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The last instruction whose host code begins at or before `host`, an offset in the stretch. */
static const struct gen_insn *insn_before(const struct translation *t, const struct translation_stretch *s,
                                          uint32_t host)
{
    const struct gen_insn *insn = &t->insn[s->insns];
    uint32_t low = 0, high = s->insn_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (insn[middle].host <= host)
            low = middle;
        else
            high = middle;
    }
    return &insn[low];
}

bool translation_place(const struct translation *t, uint64_t host, struct translation_place *place)
{
    uint32_t code = (uint32_t)(host - (uint64_t)(uintptr_t)t->text);
    if (!translation_has(t, host) || !t->part[code / TRANSLATION_FIRST(1, TRANSLATION_CODE)].stretches)
        return false;
    place->stretch = stretch_before(t, code);
    const struct translation_stretch *s = &t->stretch[place->stretch];
    if (code < s->code || code - s->code >= s->code_size)
        return false;
    const struct gen_insn *insn = insn_before(t, s, code - s->code);
    place->insn = insn;
    place->la = t->page[s->page].address + insn->guest;
    place->eip = place->la - t->space[t->page[s->page].space].segmented.base;
    place->begin = (uint64_t)(uintptr_t)t->text + s->code + insn->host;
    uint32_t into = code - s->code - insn->host;
    place->restartable = code - s->code <= insn->restart && (into == 0 || into != insn->hole);
    return true;
}
