/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Binding of system instructions: the tables of the system_*.c files in turn. Executor side.
 */
#include "system.h"

#include "bind.h"

static bool bind_row(const struct system_table *table, const struct insn *in, struct uop *u, bool *ends)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct system_row *row = &table->row[i];
        if (row->op == in->op) {
            u->run = row->run;
            *ends = row->ends;
            return true;
        }
    }
    return false;
}

bool bind_system(const struct insn *in, unsigned mode, struct uop *u, bool *ends)
{
    static const struct system_table *const tables[] = { &system_tables_table, &system_control_table,
                                                         &system_msr_table, &system_far_table };
    struct uop mine = *u;

    (void)mode;
    mine.extra = in->imm2;
    mine.dst = in->opnd[0].reg;
    mine.src = in->opnd[1].reg;
    bool found = bind_sreg(in, &mine, ends) || bind_flags(in, &mine) || bind_io(in, &mine);
    for (unsigned i = 0; !found && i < sizeof(tables) / sizeof(tables[0]); i++)
        found = bind_row(tables[i], in, &mine, ends);
    if (found)
        *u = mine;
    return found;
}
