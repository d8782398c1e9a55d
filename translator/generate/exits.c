/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ways out of a stretch, and where its branches lead. Behind the stretch's last instruction stand its stubs:
 *
 * elsewhere:
 *     mov ecx, r9d                     for returns that go elsewhere
 * indirect:
 *     jmp [r15 + exit_indirect]        for indirect calls, with the target in R8D
 *
 *     call [r15 + exit_direct]         for each direct exit
 */
#include "gen.h"

struct host_memory gen_context(int32_t disp)
{
    return (struct host_memory){ .base = R15, .index = HOST_NO_REG, .disp = (uint32_t)disp };
}

void gen_note_exit(struct gen *g, enum gen_exit_kind kind, unsigned rel32, uint32_t target)
{
    struct gen_result *result = g->result;

    if (result->exit_count == GEN_EXITS_MAX) {
        g->code.overflow = true;
        return;
    }
    result->exit[result->exit_count++] =
        (struct gen_exit){ .target = target, .rel32 = (uint16_t)rel32, .kind = (uint8_t)kind };
}

/* The instruction of the stretch at an offset; NULL: none begins there. */
static const struct gen_insn *find_insn(const struct gen_result *result, unsigned offset)
{
    unsigned low = 0, high = result->insn_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (result->insn[middle].guest < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == result->insn_count || result->insn[low].guest != offset)
        return NULL;
    return &result->insn[low];
}

static void write_stub(struct gen *g, struct gen_exit *exit)
{
    struct host_memory way = gen_context(g->request->layout.exit_direct);

    exit->stub = (uint16_t)g->code.size;
    host_aim(&g->code, exit->rel32, exit->stub);
    host_call_m64(&g->code, &way);
    exit->after = (uint16_t)g->code.size;
}

static void write_indirect(struct gen *g)
{
    struct host_memory way = gen_context(g->request->layout.exit_indirect);

    if (g->elsewhere.label.uses) {
        host_bind(&g->code, &g->elsewhere.label);
        host_mov_r32_r32(&g->code, RCX, R9);
    } else if (!g->indirect.uses) {
        return;
    }
    host_bind(&g->code, &g->indirect);
    host_jmp_m64(&g->code, &way);
}

/* ---- Short branches ------------------------------------------------------------------------------ */

/* A branch forward by so many bytes of the guest's is short enough in host code, most times. */
enum { SHORT_FORWARD = 30, REL8_MIN = -128, REL8_MAX = 127 };

static bool has(const uint64_t *bitmap, unsigned bit)
{
    return bitmap[bit / 64] >> bit % 64 & 1;
}

static bool is_known(const struct gen *g, unsigned offset)
{
    return g->request->known && has(g->request->known, offset);
}

bool gen_is_short(const struct gen *g, uint32_t target)
{
    unsigned offset = target - g->request->address;
    const struct gen_insn *inside;

    if (has(g->long_at, g->offset) || g->short_count == GEN_EXITS_MAX || !gen_in_page(g, target))
        return false;
    if (offset >= g->next)
        return offset - g->next <= SHORT_FORWARD && !is_known(g, offset);
    inside = find_insn(g->result, offset);
    return inside && (int)inside->host - (int)(g->code.size + 2) >= REL8_MIN;
}

void gen_note_short(struct gen *g, struct host_short branch, uint32_t target)
{
    g->shorts[g->short_count].branch = branch;
    g->shorts[g->short_count].from = (uint16_t)g->offset;
    g->shorts[g->short_count++].target = (uint16_t)(target - g->request->address);
}

/*
 * What is too far is so wherever else a branch becomes long, and what is not in the stretch does not come
 * into it: so in the end the same are long, whether or not it was known from the beginning that some must be.
 */
static bool resolve_shorts(struct gen *g)
{
    bool good = true;

    for (unsigned i = 0; i < g->short_count; i++) {
        unsigned from = g->shorts[i].from;
        const struct gen_insn *inside = find_insn(g->result, g->shorts[i].target);
        int distance = inside ? (int)inside->host - (int)(g->shorts[i].branch.at + 1) : REL8_MIN - 1;

        if (distance >= REL8_MIN && distance <= REL8_MAX) {
            host_aim_short(&g->code, g->shorts[i].branch, inside->host);
            continue;
        }
        g->long_at[from / 64] |= UINT64_C(1) << from % 64;
        good = false;
    }
    return good;
}

bool gen_resolve(struct gen *g)
{
    struct gen_result *result = g->result;
    unsigned kept = 0;

    if (!resolve_shorts(g))
        return false;
    write_indirect(g);
    for (unsigned i = 0; i < result->exit_count; i++) {
        struct gen_exit exit = result->exit[i];
        const struct gen_insn *inside = NULL;

        if (gen_in_page(g, exit.target))
            inside = find_insn(result, exit.target - g->request->address);
        if (inside) {
            host_aim(&g->code, exit.rel32, inside->host);
        } else {
            write_stub(g, &exit);
            result->exit[kept++] = exit;
        }
    }
    result->exit_count = (uint16_t)kept;
    return true;
}

/*
 *     mov r8d, number
 *     call [r15 + pointer]
 */
static void call_with_number(struct gen *g, int32_t pointer)
{
    struct gen_result *result = g->result;
    struct host_memory way = gen_context(pointer);

    host_mov_r32_imm32(&g->code, R8, 0);
    result->call_out[result->call_out_count++] = (struct gen_call_out){
        .insn = (uint16_t)(g->entry - result->insn),
        .number = (uint16_t)(g->code.size - 4),
    };
    host_call_m64(&g->code, &way);
}

void gen_call_somebody(struct gen *g)
{
    call_with_number(g, g->request->layout.call_out);
}

void gen_call_by(struct gen *g, int32_t pointer)
{
    call_with_number(g, pointer);
    gen_commit_at(g, g->result->call_out[g->result->call_out_count - 1].number + 4u);
}

void gen_call_out(struct gen *g)
{
    gen_call_by(g, g->request->layout.call_out);
}
