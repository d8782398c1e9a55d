/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What must hold of every stretch, whatever the guest's bytes are: random ones, and fragments of code in
 * random order; every other seed's is segmented code. The host code is taken apart by capstone, and every
 * instruction of it is asked where it reaches and what it writes.
 *
 *   test_generate_random [COUNT [FIRST-SEED]]
 *   test_generate_random --file FILE...      a page's bytes of each, and all else of a seed from those
 */
#include "translator/decode.h"
#include "translator/generate.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    COUNT = 20000,
    HOST_INSN_MAX = 128, /* what stretch.c reckons with ... */
    SEGMENTED_HOST_MAX = 160,
};

static const struct {
    uint8_t size, bytes[9];
} fragments[] = {
    { 1, { 0x50 } },
    { 1, { 0x5d } },
    { 1, { 0xc3 } },
    { 3, { 0xc2, 0x08, 0x00 } },
    { 1, { 0xc9 } },
    { 5, { 0xe8, 0x10, 0x00, 0x00, 0x00 } },
    { 5, { 0xe8, 0x00, 0x00, 0x00, 0x00 } },
    { 5, { 0xe8, 0x00, 0x30, 0x00, 0x00 } },
    { 5, { 0xe9, 0x20, 0x00, 0x00, 0x00 } },
    { 2, { 0xeb, 0x05 } },
    { 2, { 0xeb, 0xf0 } },
    { 2, { 0x74, 0x03 } },
    { 2, { 0x75, 0xe0 } },
    { 6, { 0x0f, 0x85, 0x40, 0x00, 0x00, 0x00 } },
    { 6, { 0x0f, 0x8c, 0x00, 0xf0, 0xff, 0xff } },
    { 2, { 0xe2, 0xf8 } },
    { 2, { 0xe0, 0x02 } },
    { 2, { 0xe3, 0x04 } },
    { 2, { 0xff, 0xd0 } },
    { 2, { 0xff, 0xe4 } },
    { 4, { 0xff, 0x54, 0x24, 0x04 } },
    { 7, { 0xff, 0x24, 0x85, 0, 0x10, 0, 0xc0 } },
    { 2, { 0xf3, 0xa5 } },
    { 2, { 0xf2, 0xae } },
    { 1, { 0xac } },
    { 3, { 0x8b, 0x45, 0x08 } },
    { 4, { 0x89, 0x44, 0x24, 0x10 } },
    { 5, { 0xa1, 0, 0x10, 0, 0xc0 } },
    { 6, { 0x64, 0xa1, 0x14, 0, 0, 0 } },
    { 4, { 0x64, 0x89, 0x44, 0x8b } },
    { 1, { 0x64 } },
    { 1, { 0x65 } },
    { 1, { 0x66 } },
    { 1, { 0x67 } },
    { 1, { 0xf0 } },
    { 1, { 0xf3 } },
    { 4, { 0x8f, 0x44, 0x24, 0x04 } },
    { 3, { 0xff, 0x73, 0x04 } },
    { 2, { 0x85, 0xc0 } },
    { 3, { 0x83, 0xc4, 0x10 } },
    { 3, { 0x0f, 0xab, 0x03 } },
    { 3, { 0x0f, 0xb6, 0xe7 } },
    { 4, { 0x8a, 0x64, 0x24, 0x04 } },
    { 4, { 0xf0, 0x0f, 0xb1, 0x0a } },
    { 1, { 0x0f } },
    { 1, { 0x9c } },
    { 1, { 0xfa } },
    { 1, { 0xcf } },
    { 2, { 0x0f, 0x0b } },
    { 2, { 0xcd, 0x80 } },
    { 2, { 0xd9, 0x45 } },
    { 1, { 0x90 } },
    { 4, { 0xff, 0xff, 0xff, 0xff } },
    { 1, { 0x60 } },
    { 1, { 0x9d } },
    { 2, { 0x88, 0x27 } },
    { 2, { 0xcd, 0x21 } },
    { 1, { 0xcb } },
    { 5, { 0x9a, 0x00, 0x10, 0x00, 0x20 } },
    { 2, { 0x8e, 0xd8 } },
    { 3, { 0xc4, 0x5e, 0x08 } },
};

static uint64_t random_state;
static uint8_t page[GEN_PAGE_SIZE];
static uint64_t known[GEN_PAGE_SIZE / 64];
static struct gen_request request;
static struct gen_segmented segmented;
static struct gen_result result, again;
static csh handle;
static cs_insn *host;
static bool boundary[GEN_CODE_MAX + 1];
static uint64_t seed;

#define REQUIRE(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            printf("seed %llu: not so: %s: ", (unsigned long long)seed, #condition);                         \
            printf(__VA_ARGS__);                                                                             \
            putchar('\n');                                                                                   \
            exit(EXIT_FAILURE);                                                                              \
        }                                                                                                    \
    } while (0)

/* splitmix64: every seed is as good as another. */
static uint64_t next_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned bound)
{
    return (unsigned)(next_random() % bound);
}

/* ---- Cases --------------------------------------------------------------------------------------- */

static void make_page(void)
{
    unsigned plain = below(4); /* quarters that are random bytes */
    unsigned used = 0;

    while (used < GEN_PAGE_SIZE) {
        unsigned i = below(ARRAY_SIZE(fragments)), n = fragments[i].size;

        if (below(4) < plain || used + n > GEN_PAGE_SIZE)
            page[used++] = (uint8_t)next_random();
        else
            memcpy(page + used, fragments[i].bytes, n), used += n;
    }
}

static uint32_t any_base(uint32_t address)
{
    switch (below(4)) {
    case 0:
        return address + below(GEN_PAGE_SIZE);
    case 1:
        return 0;
    default:
        return address - below(0x10000);
    }
}

static void make_segmented(void)
{
    static const uint32_t limits[] = { 0xffff, 0x7fff, 0xfffff, UINT32_MAX };
    bool far = below(2), cpl0 = below(2);

    segmented = (struct gen_segmented){
        .code32 = below(4) == 0,
        .stack32 = below(4) == 0,
        .real = far || below(2),
        .far = far,
        .interrupts = far && cpl0 && below(2),
        .returns = far && cpl0 && below(2),
        .base = any_base(request.address),
        .limit = far ? 0xffff : limits[below(ARRAY_SIZE(limits))],
    };
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        segmented.segment[i] = (uint8_t)below(GEN_SEGMENT_WRAPS + 1);
    request.segmented = &segmented;
    request.cpl0 = cpl0;
    request.loose_returns = false;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        request.layout.place[i] = request.layout.limit_read[i] = request.layout.limit_write[i] =
            request.layout.base[i] = 0x40;
}

static void make_request(void)
{
    static const uint32_t isa[] = { UINT32_MAX, 1, (1u << X86_ISA_MMX) - 1, (1u << X86_ISA_SSE2) - 1 };
    static const uint32_t address[] = { 0xc0100000, 0x1000, 0xfffff000, 0 };

    request = (struct gen_request){
        .page = page,
        .address = address[below(ARRAY_SIZE(address))],
        .start = below(4) ? below(GEN_PAGE_SIZE) : GEN_PAGE_SIZE - 1 - below(20),
        .layout = { 8, 0x10, 0x7f, 0x1000 },
        .isa = isa[below(ARRAY_SIZE(isa))],
        .known = below(2) ? known : NULL,
        .loose_returns = below(2),
    };
    if (seed & 1)
        make_segmented();
    memset(known, 0, sizeof(known));
    for (unsigned n = below(3) ? below(64) : 0; n > 0; n--) {
        unsigned offset = below(GEN_PAGE_SIZE);
        known[offset / 64] |= UINT64_C(1) << offset % 64;
    }
}

/* ---- Host instructions --------------------------------------------------------------------------- */

static bool is_string(const cs_insn *i)
{
    switch (i->id) {
    case X86_INS_MOVSB:
    case X86_INS_MOVSW:
    case X86_INS_MOVSD:
    case X86_INS_CMPSB:
    case X86_INS_CMPSW:
    case X86_INS_CMPSD:
    case X86_INS_STOSB:
    case X86_INS_STOSW:
    case X86_INS_STOSD:
    case X86_INS_LODSB:
    case X86_INS_LODSW:
    case X86_INS_LODSD:
    case X86_INS_SCASB:
    case X86_INS_SCASW:
    case X86_INS_SCASD:
        return true;
    default:
        return false;
    }
}

/* A byte is loaded into a register that helps. */
static bool loads_byte(const cs_insn *i, x86_reg reg)
{
    const cs_x86 *x86 = &i->detail->x86;

    return i->id == X86_INS_MOVZX && x86->operands[0].reg == reg && x86->operands[1].size == 1;
}

/* By R10 in a segment, behind a check; by what checks limits; AH's way; tables of IF; vectors; the context.
 */
static bool reaches_allowed_segmented(const cs_insn *i, const x86_op_mem *m)
{
    bool small = m->disp >= 0 && m->disp < 32;

    if (i->id == X86_INS_LEA)
        return true;
    if (m->segment != X86_REG_INVALID || m->scale != 1)
        return false;
    switch (m->base) {
    case X86_REG_R10:
        return m->index == X86_REG_R9 ? small
                                      : m->index == X86_REG_INVALID && m->disp >= 0 && m->disp <= 0xffff;
    case X86_REG_R12:
        return loads_byte(i, X86_REG_R11D) && ((m->index == X86_REG_R9 && small) || m->index == X86_REG_R8 ||
                                               (m->index == X86_REG_R11 && m->disp > -32 && m->disp <= 0));
    case X86_REG_R11:
        return (loads_byte(i, X86_REG_R11D) && m->index == X86_REG_R9 && small) ||
               (loads_byte(i, X86_REG_R10D) && m->index == X86_REG_R10);
    case X86_REG_R9:
        return loads_byte(i, X86_REG_R8D) && m->index == X86_REG_R8;
    case X86_REG_RSP:
        return m->disp == -8 && m->index == X86_REG_INVALID &&
               i->detail->x86.operands[0].size == 1 + 3 * loads_byte(i, X86_REG_R8D);
    case X86_REG_R13:
        if (m->index == X86_REG_R9 || m->index == X86_REG_R10)
            return small;
        return i->id == X86_INS_MOV && i->detail->x86.operands[0].reg == X86_REG_R8D && m->disp <= 0x3fc;
    default:
        return m->base == X86_REG_R15 && m->index == X86_REG_INVALID;
    }
}

/* In the window with an address of 32 bits, or from ESP a few bytes on; by FS's register, or in the context.
 */
static bool reaches_allowed(const cs_insn *i, const x86_op_mem *m)
{
    if (request.segmented)
        return reaches_allowed_segmented(i, m);
    if (i->id == X86_INS_LEA || is_string(i))
        return m->segment == X86_REG_INVALID || is_string(i);
    if (m->segment == X86_REG_GS)
        return i->detail->x86.addr_size == 4;
    if (m->base == X86_REG_R14)
        return m->index == X86_REG_R13 && m->scale == 1 && m->disp == (int8_t)m->disp;
    if (m->base == X86_REG_R12)
        return m->index == X86_REG_R9 && m->scale == 1 && m->disp == 0;
    return m->base == X86_REG_R15 && m->index == X86_REG_INVALID;
}

static bool is_fixed(uint16_t reg)
{
    static const uint16_t fixed[] = {
        X86_REG_R12, X86_REG_R12D, X86_REG_R13, X86_REG_R13D, X86_REG_R15, X86_REG_R15D,
        X86_REG_ESP, X86_REG_SP,   X86_REG_SPL, X86_REG_GS,   X86_REG_FS,
    };

    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (reg == fixed[i])
            return true;
    return false;
}

static bool uses_host_stack(const cs_insn *i)
{
    if (request.cpl0 &&
        (i->id == X86_INS_PUSHFQ || (i->id == X86_INS_POP && i->detail->x86.operands[0].reg == X86_REG_R8)))
        return true;
    return i->id == X86_INS_CALL || i->id == X86_INS_RET;
}

static void check_host_insn(const cs_insn *i)
{
    cs_regs read, written;
    uint8_t reads, writes;
    const cs_x86 *x86 = &i->detail->x86;

    for (unsigned n = 0; n < x86->op_count; n++)
        REQUIRE(x86->operands[n].type != X86_OP_MEM || reaches_allowed(i, &x86->operands[n].mem),
                "%s %s reaches anywhere", i->mnemonic, i->op_str);
    REQUIRE(cs_regs_access(handle, i, read, &reads, written, &writes) == CS_ERR_OK, "%s", i->mnemonic);
    for (unsigned n = 0; n < writes; n++) {
        REQUIRE(!is_fixed(written[n]), "%s %s", i->mnemonic, i->op_str);
        REQUIRE(written[n] != X86_REG_RSP || uses_host_stack(i), "%s %s", i->mnemonic, i->op_str);
    }
    for (unsigned n = 0; n < x86->op_count; n++) /* R14 alone of those that guests do not have, and helpers */
        REQUIRE(x86->operands[n].type != X86_OP_REG || x86->operands[n].reg != X86_REG_RSP, "%s",
                i->mnemonic);
}

/* Take all the code apart. Branches are checked when all boundaries are known. */
static void check_code(void)
{
    const uint8_t *code = result.code;
    size_t left = result.code_size;
    uint64_t at = 0;

    memset(boundary, 0, sizeof(boundary));
    while (left) {
        boundary[at] = true;
        REQUIRE(cs_disasm_iter(handle, &code, &left, &at, host), "no instruction at %#llx",
                (unsigned long long)at);
        check_host_insn(host);
    }
    boundary[at] = true;
}

static void check_branches(void)
{
    const uint8_t *code = result.code;
    size_t left = result.code_size;
    uint64_t at = 0;

    while (left && cs_disasm_iter(handle, &code, &left, &at, host)) {
        const cs_x86 *x86 = &host->detail->x86;
        bool direct = cs_insn_group(handle, host, CS_GRP_BRANCH_RELATIVE) && x86->op_count &&
                      x86->operands[0].type == X86_OP_IMM;

        if (direct)
            REQUIRE((uint64_t)x86->operands[0].imm < result.code_size && boundary[x86->operands[0].imm],
                    "%s %s at %#llx", host->mnemonic, host->op_str, (unsigned long long)host->address);
    }
}

/* ---- Tables -------------------------------------------------------------------------------------- */

static const struct gen_insn *find(uint32_t target)
{
    for (unsigned n = 0; n < result.insn_count; n++)
        if (request.address + result.insn[n].guest == target)
            return &result.insn[n];
    return NULL;
}

static void check_insns(void)
{
    unsigned end = 0, stubs = result.exit_count ? result.exit[0].stub : result.code_size;

    REQUIRE(result.insn_count >= 1 && result.insn_count <= GEN_INSNS_MAX, "%u", result.insn_count);
    REQUIRE(result.insn[0].guest == request.start && result.insn[0].host == 0, "first");
    for (unsigned n = 0; n < result.insn_count; n++) {
        const struct gen_insn *i = &result.insn[n];
        unsigned host_end = n + 1u < result.insn_count ? result.insn[n + 1].host : stubs;
        bool is_known = known[i->guest / 64] >> i->guest % 64 & 1;

        REQUIRE(i->guest >= end && i->length > 0 && i->length <= X86_INSN_MAX, "guest %#x", i->guest);
        end = i->guest + i->length;
        REQUIRE(end <= GEN_PAGE_SIZE && end <= result.guest_end, "guest %#x", i->guest);
        REQUIRE(i->host < host_end && i->restart >= i->host && i->restart < host_end, "guest %#x", i->guest);
        REQUIRE(host_end - i->host <= (request.segmented ? SEGMENTED_HOST_MAX : HOST_INSN_MAX), "guest %#x",
                i->guest);
        REQUIRE(boundary[i->host] && boundary[i->restart], "guest %#x", i->guest);
        REQUIRE(n == 0 || !request.known || !is_known, "known %#x", i->guest);
    }
    REQUIRE(result.guest_end <= GEN_PAGE_SIZE, "%u", result.guest_end);
}

/* Guest memory, where an access may fault: in a window, by GS or R13, by a segment's R10, or by FS's R12. */
static bool reaches_guest(const cs_insn *i)
{
    const cs_x86 *x86 = &i->detail->x86;

    for (unsigned n = 0; n < x86->op_count; n++) {
        const x86_op_mem *m = &x86->operands[n].mem;

        if (x86->operands[n].type != X86_OP_MEM || i->id == X86_INS_LEA || is_string(i))
            continue;
        if (m->segment == X86_REG_GS || m->base == X86_REG_R13 || m->index == X86_REG_R13 ||
            m->base == X86_REG_R10 || (m->base == X86_REG_R12 && !request.segmented))
            return true;
    }
    return false;
}

/* What faults can begin anew: behind that place an instruction reaches nothing of the guest's. */
static void check_restarts(void)
{
    const uint8_t *code = result.code;
    size_t left = result.code_size;
    uint64_t at = 0;
    unsigned n = 0, stubs = result.exit_count ? result.exit[0].stub : result.code_size;

    while (left && at < stubs && cs_disasm_iter(handle, &code, &left, &at, host)) {
        while (n + 1u < result.insn_count && result.insn[n + 1].host <= host->address)
            n++;
        REQUIRE(host->address <= result.insn[n].restart || !reaches_guest(host), "guest %#x: %s %s at %#llx",
                result.insn[n].guest, host->mnemonic, host->op_str, (unsigned long long)host->address);
    }
}

static uint32_t dword(unsigned offset)
{
    uint32_t value;

    memcpy(&value, result.code + offset, sizeof(value));
    return value;
}

static void check_exits(void)
{
    REQUIRE(result.exit_count <= GEN_EXITS_MAX, "%u", result.exit_count);
    for (unsigned n = 0; n < result.exit_count; n++) {
        const struct gen_exit *e = &result.exit[n];
        const uint8_t *branch = result.code + e->rel32;
        unsigned after = n + 1u < result.exit_count ? result.exit[n + 1].stub : result.code_size;

        REQUIRE(e->rel32 + 4 + dword(e->rel32) == e->stub, "exit %u", n);
        REQUIRE(boundary[e->stub] && e->after == after, "exit %u", n);
        REQUIRE(memcmp(result.code + e->stub, "\x41\xff\x57\x10", 4) == 0, "exit %u", n);
        REQUIRE(e->kind == GEN_EXIT_CALL   ? branch[-1] == 0xe8
                : e->kind == GEN_EXIT_JUMP ? branch[-1] == 0xe9
                                           : branch[-2] == 0x0f && (branch[-1] & 0xf0) == 0x80,
                "exit %u", n);
        REQUIRE(!find(e->target), "exit %u leads to the stretch", n);
    }
}

static void check_call_outs(void)
{
    for (unsigned n = 0; n < result.call_out_count; n++) {
        const struct gen_call_out *c = &result.call_out[n];

        REQUIRE(c->insn < result.insn_count && (n == 0 || c->insn > c[-1].insn), "call-out %u", n);
        /* Some forms have one for rare cases. */
        REQUIRE((result.insn[c->insn].host + 2 == c->number || request.cpl0) && boundary[c->number - 2] &&
                    dword(c->number) == 0,
                "call-out %u", n);
    }
}

/* Bytes that were not looked at do not matter. */
static void check_looked_at(void)
{
    for (unsigned i = 0; i < GEN_PAGE_SIZE; i++)
        if (i < request.start || i >= result.guest_end)
            page[i] = (uint8_t)~page[i];
    memset(&again, 0x5a, sizeof(again));
    REQUIRE(gen_stretch(&request, &again), "again");
    REQUIRE(again.code_size == result.code_size && again.insn_count == result.insn_count &&
                again.exit_count == result.exit_count && again.call_out_count == result.call_out_count &&
                again.guest_end == result.guest_end,
            "counts");
    REQUIRE(memcmp(again.code, result.code, result.code_size) == 0, "code");
    REQUIRE(memcmp(again.insn, result.insn, result.insn_count * sizeof(result.insn[0])) == 0, "insn");
}

static void check_refusal(void)
{
    struct insn insn;
    uint64_t end = request.segmented ? gen_segmented_end(&segmented, request.address) : GEN_PAGE_SIZE;
    bool code32 = !request.segmented || segmented.code32;

    if (end > GEN_PAGE_SIZE)
        end = GEN_PAGE_SIZE;
    if (end <= request.start)
        return;
    REQUIRE(x86_decode(page + request.start, end - request.start, code32, &insn) == X86_DECODE_MORE,
            "refused at %#x", request.start);
}

static void check_page(void)
{
    make_request();
    memset(&result, 0xa5, sizeof(result));
    if (!gen_stretch(&request, &result)) {
        check_refusal();
        return;
    }
    REQUIRE(result.code_size <= GEN_CODE_MAX, "%u", result.code_size);
    check_code();
    check_branches();
    check_insns();
    check_restarts();
    check_exits();
    check_call_outs();
    check_looked_at();
}

static void check_seed(void)
{
    random_state = seed;
    make_page();
    check_page();
}

static void check_file(const char *name)
{
    FILE *file = fopen(name, "rb");

    REQUIRE(file, "%s", name);
    memset(page, 0, sizeof(page));
    seed = fread(page, 1, sizeof(page), file);
    fclose(file);
    for (size_t i = 0; i < sizeof(page); i++)
        seed = seed * 31 + page[i];
    random_state = seed;
    check_page();
}

int main(int argc, char **argv)
{
    bool files = argc > 1 && !strcmp(argv[1], "--file");
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : COUNT;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return EXIT_FAILURE;
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    host = cs_malloc(handle);
    for (int i = 2; files && i < argc; i++)
        check_file(argv[i]);
    for (seed = first; !files && seed < first + count; seed++)
        check_seed();
    cs_free(host, 1);
    cs_close(&handle);
    printf("%llu stretches: every invariant held\n",
           (unsigned long long)(files ? (unsigned)argc - 2 : count));
    return EXIT_SUCCESS;
}
