/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See code_rig.h. Here are the functions the code cache calls, as records; the rest of the executor is
 * absent.
 */
#include "code_rig.h"

#include <sys/mman.h>

#include "msr.h"
#include "news.h"
#include "trace_ring.h"

/* ck_assert() writes a record even when all is well, too slow for every byte. */
#define REQUIRE(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)

struct rig rig;

/* ---- What the code cache calls ------------------------------------------------------------------------- */

int space_map(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    (void)populate;
    ck_assert_uint_eq((at | size | offset) & 0xfff, 0);
    ck_assert_uint_le(at + size, 1ull << 32);
    if (rig.refuse)
        return -12;
    v->counts.host_maps++;
    rig.maps++;
    for (uint64_t i = 0; i < size >> 12; i++) {
        struct rig_place *place = &rig.place[(at >> 12) + i];
        rig.mapped += !place->mapped && !code_in_nexus(v->code, at);
        *place = (struct rig_place){ .mapped = true,
                                     .rights = (uint8_t)rights,
                                     .file = (uint8_t)file,
                                     .key = key,
                                     .offset = offset + (i << 12) };
    }
    return 0;
}

int space_prime(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    struct rig_place *place = &rig.place[at >> 12];
    ck_assert(v->split.primed && place->mapped && place->offset == code_offset);
    ck_assert_uint_lt(ram_offset, v->map.ram_size);
    if (rig.refuse)
        return -12;
    place->original = ram_offset;
    place->primes++;
    return 0;
}

int space_map_faces(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    int result = space_map(v, at, 4096, SPACE_READ | SPACE_EXEC, SPACE_CODE, code_offset, 0, true);
    return result < 0 ? result : space_prime(v, at, code_offset, ram_offset);
}

void space_unmap(struct vcpu *v, uint64_t at, uint64_t size)
{
    ck_assert_uint_eq((at | size) & 0xfff, 0);
    ck_assert_uint_ne(size, 0);
    ck_assert_uint_le(at + size, 1ull << 32);
    v->counts.host_unmaps++;
    rig.unmaps++;
    rig.unmapped_pages += size >> 12;
    for (uint64_t i = 0; i < size >> 12; i++) {
        ck_assert(rig.place[(at >> 12) + i].mapped);
        rig.place[(at >> 12) + i].mapped = false;
    }
    if (!code_in_nexus(v->code, at))
        rig.mapped -= (unsigned)(size >> 12);
}

void space_protect(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights)
{
    (void)v;
    for (uint64_t i = 0; i < size >> 12; i++)
        rig.place[(at >> 12) + i].rights = (uint8_t)rights;
}

void sbe_frame_is_code(struct vcpu *v, uint64_t frame)
{
    (void)v;
    rig.protected_times[frame]++;
}

/* Nothing is translated here. */
void translation_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    (void)v, (void)frame, (void)offset, (void)size;
    ck_abort();
}

void translation_drop_frame(struct vcpu *v, uint64_t frame)
{
    (void)v, (void)frame;
    ck_abort();
}

void shadow_drop_page(struct vcpu *v, struct shadow *s, guest_la la)
{
    (void)v;
    ck_assert_uint_ne(s->page[la >> 12].frame_plus_one, 0);
    s->page[la >> 12].frame_plus_one = 0;
    rig.shadow_drops++;
}

void block_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    (void)v;
    if (offset == 0 && size == 4096)
        rig.blocks_dropped[frame]++;
}

bool cpu_has(const struct vcpu *v, unsigned feature)
{
    return v->features[feature / 32] >> feature % 32 & 1;
}

uint64_t tsc_read(const struct vcpu *v)
{
    (void)v;
    return rig.time += rig.time_passes;
}

void exec_trace_write(struct vcpu *v, enum exec_trace_event event, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t d)
{
    (void)v, (void)event, (void)a, (void)b, (void)c, (void)d;
}

/* The code cache raises nothing. */
NORETURN void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error)
{
    (void)v, (void)u, (void)vector, (void)error;
    abort();
}

/* ---- The machine --------------------------------------------------------------------------------------- */

static struct segment flat(uint16_t type)
{
    return (struct segment){
        .limit = UINT32_MAX,
        .attr = (uint16_t)(type | X86_SEG_S | X86_SEG_DPL | X86_SEG_P | X86_SEG_DB | X86_SEG_G),
        .readable = true,
        .writable = !(type & X86_SEG_CODE),
        .max = UINT32_MAX,
    };
}

void rig_open(void)
{
    struct vcpu *v = NULL;
    ck_assert_int_eq(posix_memalign((void **)&v, 64, sizeof(*v)), 0);
    memset(v, 0, sizeof(*v));
    rig = (struct rig){ .v = v, .place = calloc(1 << 20, sizeof(*rig.place)) };
    v->map.ram_size = RIG_FRAMES << 12;
    ck_assert_int_eq(posix_memalign((void **)&v->map.ram, 4096, v->map.ram_size), 0);
    memset(v->map.ram, 0, v->map.ram_size);
    v->map.region[v->map.count++] = (struct region){ .size = v->map.ram_size };
    v->pa_mask = (1ull << 36) - 1;
    v->code_frame = calloc(RIG_FRAMES, sizeof(*v->code_frame));
    v->shadow = calloc(1, sizeof(*v->shadow));
    v->shadow->page = calloc(SHADOW_PAGES, sizeof(*v->shadow->page));
    v->shadow->frame_head = calloc(RIG_FRAMES, sizeof(*v->shadow->frame_head));
    v->code = mmap(NULL, sizeof(*v->code), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(v->code, MAP_FAILED);
    v->cpl = 3;
    v->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP | X86_CR0_MP | X86_CR0_NE;
    v->cr3 = RIG_DIRECTORY << 12;
    v->cr4 = X86_CR4_PSE | X86_CR4_OSFXSR;
    v->eflags = X86_FLAGS_ONE | X86_IF;
    v->msr.tsc_offset = -1;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        v->seg[i] = flat(i == X86_CS ? X86_SEG_CODE | X86_SEG_R : X86_SEG_W);
    v->features[0] = v->features[1] = ~0u;
    v->split = (struct split){ .data_base = 0x40000000, .data_limit = 0xbfffffff };
}

void rig_close(void)
{
    struct vcpu *v = rig.v;
    free(v->map.ram);
    free(v->code_frame);
    free(v->shadow->page);
    free(v->shadow->frame_head);
    free(v->shadow);
    munmap(v->code, sizeof(*v->code));
    free(rig.place);
    free(v);
}

uint8_t *rig_frame(unsigned frame)
{
    REQUIRE(frame < RIG_FRAMES, "no frame %u", frame);
    return rig.v->map.ram + (frame << 12);
}

/* Page tables are taken in order as 4 MiB regions come to be used. */
uint32_t *rig_pte(guest_la la)
{
    uint32_t *directory = (uint32_t *)rig_frame(RIG_DIRECTORY), *pde = &directory[la >> 22];
    unsigned table = RIG_TABLE;
    if (!*pde) {
        for (unsigned i = 0; i < 1024; i++)
            table += directory[i] != 0;
        ck_assert_uint_lt(table, RIG_CODE);
        *pde = table << 12 | RIG_USER;
    }
    return (uint32_t *)rig_frame(*pde >> 12) + (la >> 12 & 1023);
}

void rig_map(guest_la la, unsigned frame, uint32_t flags)
{
    *rig_pte(la) = flags ? frame << 12 | flags : 0;
}

void rig_code(unsigned frame, unsigned offset, const uint8_t *bytes, unsigned size)
{
    ck_assert_uint_le(offset + size, 4096);
    memcpy(rig_frame(frame) + offset, bytes, size);
}

void rig_write(unsigned frame, unsigned offset, const uint8_t *bytes, unsigned size)
{
    rig_code(frame, offset, bytes, size);
    frame_written(rig.v, frame, offset, size);
}

bool rig_is_mapped(guest_la la)
{
    return rig.place[la >> 12].mapped;
}

uint8_t rig_fetch(guest_la la)
{
    const struct rig_place *place = &rig.place[la >> 12];
    REQUIRE(place->mapped && place->file == SPACE_CODE && place->rights == (SPACE_READ | SPACE_EXEC),
            "%08x cannot be fetched", la);
    return rig.v->code->private_page[place->offset >> 12][la & 0xfff];
}

/* ---- The model ----------------------------------------------------------------------------------------- */

/* The guest's byte at la by its tables, walked here; -1: not there for CPL 3 to fetch. */
static int guest_byte(guest_la la)
{
    uint32_t pde = ((const uint32_t *)rig_frame(RIG_DIRECTORY))[la >> 22], pte;
    if (~pde & (X86_PTE_P | X86_PTE_U))
        return -1;
    pte = ((const uint32_t *)rig_frame(pde >> 12))[la >> 12 & 1023];
    return ~pte & (X86_PTE_P | X86_PTE_U) ? -1 : rig_frame(pte >> 12)[la & 0xfff];
}

/* ROL by the complement has the result of ROR; whether its flags are dead is the audit's to know. */
static bool same_operation(const struct insn *a, const struct insn *b)
{
    bool rotated = a->op == X86_ROR && b->op == X86_ROL && a->opnd[0].reg == b->opnd[0].reg &&
                   ((a->imm + b->imm) & 31) == 0;
    return a->length == b->length && (a->op == b->op || rotated);
}

/*
 * Is the byte part of a twin: an instruction that reads differently in the private page, and is the same
 * operation of the same length? (The table of sites may be too short to tell.)
 */
static bool in_twin(const struct code_page *p, unsigned offset)
{
    for (unsigned start = offset < X86_INSN_MAX ? 0 : offset - (X86_INSN_MAX - 1); start <= offset; start++) {
        unsigned length = scan_length_at(&p->scan, start);
        struct insn guest, native;
        if (start + length > offset && start + length <= 4096 &&
            x86_decode(p->scan.original + start, length, true, &guest) == X86_DECODE_OK &&
            x86_decode(p->scan.private_page + start, length, true, &native) == X86_DECODE_OK &&
            same_operation(&guest, &native))
            return true;
    }
    return false;
}

/* A jump to a snippet stands there; what it may be is the audit's to know. */
static bool in_promotion(const struct code_page *p, unsigned offset)
{
    for (unsigned i = 0; i < p->scan.jump_count; i++) {
        const struct scan_jump *jump = &p->scan.jumps[i];
        if (jump->form != SCAN_FORM_INT3 && offset >= jump->first && offset < jump->end)
            return true;
    }
    return false;
}

/* An instruction that begins here in its own bytes ends in the guest's bytes of the next page. */
static void check_tail(const struct code_page *p, unsigned offset, const char *when)
{
    guest_la address = p->scan.address;
    for (unsigned i = 4096; i < offset + scan_length_at(&p->scan, offset); i++)
        REQUIRE(rig_is_mapped(address + i) && rig_fetch(address + i) == guest_byte(address + i),
                "%s: %08x goes on wrongly at %08x", when, address + offset, address + i);
}

static void check_bytes(const struct code_page *p, const char *when)
{
    guest_la address = p->scan.address;
    for (unsigned offset = 0; offset < 4096; offset++) {
        uint8_t native = rig_fetch(address + offset);
        if (in_promotion(p, offset))
            continue;
        if (!scan_is_visible(&p->scan, offset)) {
            REQUIRE(native == SCAN_TRAP_BYTE, "%s: %08x is not to be seen", when, address + offset);
            continue;
        }
        REQUIRE(native == guest_byte(address + offset) || in_twin(p, offset), "%s: %08x shows %02x", when,
                address + offset, native);
        if (scan_is_start(&p->scan, offset))
            check_tail(p, offset, when);
    }
}

/* The snippets of every page, mapped or not, are where the processor goes for them. */
static void check_snippets(const char *when)
{
    struct code_cache *c = rig.v->code;
    for (uint32_t slot = 0; slot < c->fresh; slot++) {
        const struct scan_page *scan = &c->page[slot].scan;
        const struct rig_place *place = &rig.place[scan->snippet_address >> 12];
        if (c->page[slot].frame == FRAME_NONE || !scan->snippets)
            continue;
        REQUIRE(place->mapped && place->offset == CODE_FILE_SNIPPETS + ((uint64_t)slot << 12) &&
                    place->rights == (SPACE_READ | SPACE_EXEC),
                "%s: the snippets of slot %u are not mapped", when, slot);
    }
}

void rig_check(const char *when)
{
    struct code_cache *c = rig.v->code;
    const char *what = code_audit(rig.v);
    REQUIRE(!what, "%s: %s", when, what);
    REQUIRE(rig.mapped == c->mapping_count, "%s: the host has %u pages of %u", when, rig.mapped,
            c->mapping_count);
    for (uint32_t i = 0; i < c->mapping_count; i++) {
        const struct code_page *p = &c->page[c->mapping[i].slot];
        const struct rig_place *place = &rig.place[p->scan.address >> 12];
        REQUIRE(place->mapped && place->offset == (uint64_t)code_slot_of(c, p) << 12,
                "%s: another page is at %08x", when, p->scan.address);
        check_bytes(p, when);
    }
    check_snippets(when);
}

void rig_load_program(guest_la la, unsigned frame)
{
    rig_map(la, frame, RIG_USER);
    RIG_CODE_AT(frame, 0, RIG_PROGRAM);
}

enum code_answer rig_prepare(guest_la la)
{
    enum code_answer answer = code_prepare(rig.v, la);
    rig_check("prepare");
    return answer;
}
