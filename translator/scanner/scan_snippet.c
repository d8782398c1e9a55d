/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The snippet page: where in it new code goes, and what guest state each of its instructions stands for. Code
 * is only added, with a trap behind each piece; the page is emptied by scan_init() alone, so whoever is still
 * inside of a snippet finds it whole whatever became of the site.
 */
#include "scan_snippet.h"

#include "policy.h"
#include "scan_private.h"

enum {
    PATTERN_MAX = 7, /* bytes the guard looks at */
    MARGIN = PATTERN_MAX + 1,
    TRIES_MAX = 64, /* places to which the guard may object: what it finds depends on few of the bytes */
};

/* ---- Bytes that trap ----------------------------------------------------------------------------- */

/*
 * HLT, CLI, STI, INS, OUTS, IN, OUT fault at CPL 3 without I/O privilege, which the host's kernel gives
 * nobody; INT3 traps. SDM 2A, "Protected Mode Exceptions" of each.
 */
bool snippet_byte_traps(uint8_t byte)
{
    return byte == 0xcc || byte == 0xf4 || byte == 0xfa || byte == 0xfb || (byte & 0xfc) == 0x6c ||
           (byte & 0xf4) == 0xe4;
}

/*
 * Instructions that began under a jump must trap, and what stands there is the jump's rel32. Its first byte
 * is whatever a suitable place within the page makes it. So is the low nibble of the second; the high one is
 * made F, or E where the subtraction borrows, among which many values trap. The third is one of those below.
 */
uint32_t scan_snippet_place(uint32_t address, uint32_t window, unsigned choice)
{
    static const uint8_t third[SCAN_SNIPPET_CHOICES] = {
        0xec, 0xed, 0xee, 0xef, 0xe4, 0xe5, 0xe6, 0xe7, 0x6c, 0x6d, 0x6e, 0x6f, 0xf4, 0xfa, 0xfb,
    };
    uint32_t distance = (uint32_t)third[choice % SCAN_SNIPPET_CHOICES] << 16 | 0xf000;

    return window | ((address + distance) & 0xfff000);
}

/* ---- The guard, on what is not there yet --------------------------------------------------------- */

/* `count` bytes to be, of which the guard may begin at the first `end` ones. */
static bool guard_finds(const uint8_t *bytes, unsigned count, unsigned end, enum scan_guard guard)
{
    for (unsigned i = 0; i < end; i++)
        if (policy_guards(&(struct guard_view){ bytes + i, count - i }, guard))
            return true;
    return false;
}

/* The same in the snippet page, from this linear address on: anything but doors. */
static bool guard_finds_in_snippets(const uint8_t *bytes, unsigned count, unsigned end, uint32_t address,
                                    enum scan_guard guard)
{
    for (unsigned i = 0; i < end; i++) {
        struct guard_view view = { bytes + i, count - i };

        if (policy_guards(&view, guard) && !policy_is_door(&view, address + i, guard))
            return true;
    }
    return false;
}

static bool snippet_hides(const struct scan_page *page, const struct emit *e, unsigned at)
{
    uint8_t bytes[EMIT_BYTES_MAX + 2 * MARGIN];
    unsigned before = at < MARGIN ? at : MARGIN;

    __builtin_memcpy(bytes, page->snippets + at - before, before);
    __builtin_memcpy(bytes + before, e->bytes, e->size);
    __builtin_memcpy(bytes + before + e->size, page->snippets + at + e->size, MARGIN);
    return guard_finds_in_snippets(bytes, before + e->size + MARGIN, before + e->size,
                                   page->snippet_address + at - before, scan_mode_guard(&page->mode));
}

static bool patch_hides(const struct scan_page *page, const struct patch *patch)
{
    uint8_t bytes[PATCH_MAX + 2 * MARGIN];
    unsigned before = patch->first < MARGIN ? patch->first : MARGIN;
    unsigned end = patch->first + patch->size, count = before + patch->size;
    unsigned after = SCAN_PAGE_SIZE - end < MARGIN ? SCAN_PAGE_SIZE - end : MARGIN;

    __builtin_memcpy(bytes, page->private_page + patch->first - before, before);
    __builtin_memcpy(bytes + before, patch->bytes, patch->size);
    __builtin_memcpy(bytes + count, page->private_page + end, after);
    count += after;
    for (unsigned i = 0; i < page->linked && after < MARGIN; i++, after++)
        bytes[count++] = page->linked_tail[i];
    return guard_finds(bytes, count, before + patch->size, scan_mode_guard(&page->mode));
}

/* ---- Places -------------------------------------------------------------------------------------- */

/* The end of a snippet that overlaps the range, or touches it; 0: the range is free. */
static unsigned taken_until(const struct scan_page *page, unsigned at, unsigned size)
{
    for (unsigned i = 0; i < page->jump_count; i++) {
        const struct scan_jump *jump = &page->jumps[i];

        if (at <= jump->snippet_end && jump->snippet <= at + size)
            return jump->snippet_end + 1u;
    }
    return 0;
}

/* Do all instructions that began under the jump, behind its first byte, trap? */
static bool starts_trap(const struct patch *patch)
{
    for (unsigned i = 0; i < patch->start_count; i++) {
        unsigned start = patch->starts[i];

        if (start < patch->rel || !snippet_byte_traps(patch->bytes[start]))
            return false;
    }
    return true;
}

static void aim(const struct scan_page *page, struct patch *patch, unsigned at)
{
    uint32_t relative = page->snippet_address + at - (page->address + patch->first + patch->rel + 4u);

    __builtin_memcpy(patch->bytes + patch->rel, &relative, sizeof(relative));
}

/* The bytes of the distance that the place decides only by a borrow, or not at all: can they trap where they
 * must? */
static bool is_near_hopeless(const struct scan_page *page, const struct patch *patch)
{
    for (unsigned far = 0; far < 2; far++) {
        struct patch aimed = *patch;

        aim(page, &aimed, far ? SCAN_PAGE_SIZE - 1 : 0);
        aimed.bytes[patch->rel] = aimed.bytes[patch->rel + 1] = SCAN_TRAP_BYTE;
        if (starts_trap(&aimed))
            return false;
    }
    return true;
}

bool snippet_place(const struct scan_page *page, struct emit *e, struct patch *patch, unsigned *at)
{
    unsigned until, tries = 0;

    if (is_near_hopeless(page, patch))
        return false;
    for (unsigned place = 0; place + e->size + MARGIN <= SCAN_PAGE_SIZE && tries < TRIES_MAX; place++) {
        aim(page, patch, place);
        if (!starts_trap(patch))
            continue;
        until = taken_until(page, place, e->size);
        if (until) {
            place = until - 1;
            continue;
        }
        tries++;
        emit_place(e, page->snippet_address + place);
        if (snippet_hides(page, e, place) || patch_hides(page, patch))
            continue;
        *at = place;
        return true;
    }
    return false;
}

bool snippet_fits(const struct scan_page *page, const struct emit *e)
{
    return !e->overflow && page->jump_count < SCAN_JUMPS_MAX &&
           page->step_count + e->step_count <= SCAN_STEPS_MAX;
}

/* Where the first step at or behind an offset is, or would go. */
static unsigned step_position(const struct scan_page *page, unsigned at)
{
    unsigned low = 0, high = page->step_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (page->steps[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void snippet_commit(struct scan_page *page, const struct emit *e, unsigned at)
{
    unsigned position = step_position(page, at);

    __builtin_memcpy(page->snippets + at, e->bytes, e->size);
    __builtin_memmove(page->steps + position + e->step_count, page->steps + position,
                      (page->step_count - position) * sizeof(page->steps[0]));
    for (unsigned i = 0; i < e->step_count; i++) {
        page->steps[position + i] = e->steps[i];
        page->steps[position + i].at = (uint16_t)(at + e->steps[i].at);
    }
    page->step_count = (uint16_t)(page->step_count + e->step_count);
}

/* ---- Where the guest is -------------------------------------------------------------------------- */

bool scan_snippet_resume(const struct scan_page *page, unsigned snippet_offset, struct scan_resume *resume)
{
    unsigned position = step_position(page, snippet_offset);
    const struct scan_step *step = &page->steps[position];
    unsigned a, b;

    if (position == page->step_count || step->at != snippet_offset)
        return false;
    *resume = (struct scan_resume){ .eip = step->eip, .vector = step->vector };
    for (unsigned i = 0; i < 8; i++)
        resume->from[i] = (uint8_t)i;
    a = step->regs >> 4 & 7;
    b = step->regs & 7;
    switch ((enum step_how)step->how) {
    case STEP_SAME:
        break;
    case STEP_SWAPPED:
        resume->from[a] = (uint8_t)b;
        resume->from[b] = (uint8_t)a;
        break;
    case STEP_ADD:
        resume->add[a] = step->add;
        break;
    case STEP_ADD_TWO:
        resume->add[a] = resume->add[b] = step->add;
        break;
    case STEP_SAVED:
        resume->from[a] = SCAN_FROM_SCRATCH + SCRATCH_TEMP;
        break;
    case STEP_RESULT:
        resume->from[a] = (uint8_t)b;
        resume->from[b] = SCAN_FROM_SCRATCH + SCRATCH_TEMP;
        break;
    case STEP_TURNED:
        resume->fpu_turn = (uint8_t)(-step->add & 7);
        resume->fpu_pop = a;
        break;
    }
    return true;
}

/*
 * The first step that shows the guest's own state before that instruction: later ones may count on what the
 * code before them put into the scratch area.
 */
bool scan_snippet_enter(const struct scan_page *page, unsigned offset, unsigned *snippet_offset)
{
    if (mark_state(page, offset) != MARK_MOVED)
        return false;
    for (unsigned i = 0; i < page->jump_count; i++) {
        const struct scan_jump *jump = &page->jumps[i];

        if (jump->form == SCAN_FORM_INT3 || offset < jump->first || offset >= jump->end)
            continue;
        for (unsigned n = step_position(page, jump->snippet); n < page->step_count; n++) {
            const struct scan_step *step = &page->steps[n];

            if (step->at >= jump->snippet_end)
                return false;
            if (step->eip == page->address + offset && step->how == STEP_SAME &&
                step->vector == VECTOR_SAME) {
                *snippet_offset = step->at;
                return true;
            }
        }
    }
    return false;
}

/* FNSTENV's image in memory: SDM 1, "x87 FPU State" (32-bit protected mode). */
struct fpu_environment {
    uint32_t control, status, tags, rest[4];
};

enum { STATUS_TOP = 11, TAG_EMPTY = 3 };

/* The registers stay where they are: only which of them is the top changes. FNSTENV waits for no exception.
 */
static void resume_x87(const struct scan_resume *resume)
{
    struct fpu_environment environment;
    uint32_t top;

    __asm__ volatile("fnstenv %0" : "=m"(environment));
    top = (environment.status >> STATUS_TOP) + resume->fpu_turn;
    if (resume->fpu_pop)
        environment.tags |= TAG_EMPTY << 2 * (top++ & 7);
    environment.status &= ~(UINT32_C(7) << STATUS_TOP);
    environment.status |= (top & 7) << STATUS_TOP;
    __asm__ volatile("fldenv %0" ::"m"(environment));
}

/* All eight by way of memory, where they can be counted. */
static void resume_vector(uint8_t vector, const uint32_t *scratch)
{
    uint8_t xmm[8][16], kept[16];
    unsigned a = vector >> 3 & 7, b = vector & 7;

    __asm__ volatile("movups %%xmm0, (%0)\n\tmovups %%xmm1, 16(%0)\n\t"
                     "movups %%xmm2, 32(%0)\n\tmovups %%xmm3, 48(%0)\n\t"
                     "movups %%xmm4, 64(%0)\n\tmovups %%xmm5, 80(%0)\n\t"
                     "movups %%xmm6, 96(%0)\n\tmovups %%xmm7, 112(%0)" ::"r"(xmm)
                     : "memory");
    __builtin_memcpy(kept, xmm[a], sizeof(kept));
    if (vector & VECTOR_SAVED) {
        __builtin_memcpy(xmm[a], (const uint8_t *)scratch + SCRATCH_VECTOR, sizeof(xmm[a]));
    } else {
        __builtin_memcpy(xmm[a], xmm[b], sizeof(xmm[a]));
        __builtin_memcpy(xmm[b], kept, sizeof(kept));
    }
    __asm__ volatile("movups (%0), %%xmm0\n\tmovups 16(%0), %%xmm1\n\t"
                     "movups 32(%0), %%xmm2\n\tmovups 48(%0), %%xmm3\n\t"
                     "movups 64(%0), %%xmm4\n\tmovups 80(%0), %%xmm5\n\t"
                     "movups 96(%0), %%xmm6\n\tmovups 112(%0), %%xmm7" ::"r"(xmm)
                     : "memory");
}

void scan_resume_fpu(const struct scan_resume *resume, const uint32_t *scratch)
{
    if (resume->fpu_turn || resume->fpu_pop)
        resume_x87(resume);
    if (resume->vector)
        resume_vector(resume->vector, scratch);
}
