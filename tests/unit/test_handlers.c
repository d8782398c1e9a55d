/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever the instruction, the stack pointer behind it is what it was before: each form of the opcode tables
 * is executed, in several modes, by its fast and its slow handler, and then the host's stack is looked at. A
 * single byte left there, and a guest's loop ends the executor. And no handler is left out: the program knows
 * them by its own symbols (UOP_SYMBOL in monitor/executor/state/cpu.h).
 */
#include <check.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handlers_rig.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct rig_mode modes[] = {
    { .name = "flat", .protected = true, .data = RIG_DATA },
    { .name = "segments with a base", .protected = true, .base = 0x1000, .data = RIG_DATA },
    { .name = "CPL 3", .protected = true, .user = true, .data = RIG_DATA },
    { .name = "16-bit, protected", .protected = true, .code16 = true, .data = RIG_DATA },
    { .name = "real mode", .code16 = true, .data = RIG_DATA },
    { .name = "unmasked floating-point exceptions", .protected = true, .unmasked = true, .data = RIG_DATA },
    { .name = "operands across pages", .protected = true, .data = RIG_DATA_ACROSS },
    { .name = "operands of a device", .protected = true, .data = RIG_DATA_DEVICE },
};

enum { PORT = 0x00080021 }; /* of a lent chip */

/* Tried in this order until the instruction does not fault. */
static const struct rig_values values[] = {
    { RIG_WORDS, PORT, RIG_WORDS },   /* pointers to code, selectors of code */
    { 0x00080010, PORT, 0x00080010 }, /* selectors of data */
    { 0x00000028, PORT, 0x00000028 }, /* ... of an LDT */
    { 0x00000030, PORT, 0x00000030 }, /* ... of a TSS */
    { 0x00000031, PORT, 0x00001f80 }, /* CR0; MXCSR */
    { 0x00000031, 0, 0x7fffffff },    /* a dividend and a divisor */
};

/* ---- The handlers of this program ---------------------------------------------------------------------- */

struct handler {
    char name[64];
    uintptr_t address;
    bool went_on, returned; /* what its executions came to, if they came to an end */
};

static struct handler handlers[2048];
static unsigned handler_count;

/* Parts and copies of functions are not whole handlers; slow twins are no uop's first choice. */
static bool is_handler(const char *name)
{
    size_t length = strlen(name);
    return !strncmp(name, "uop_", 4) && !strchr(name, '.') && length < sizeof(handlers[0].name) &&
           !(length > 5 && !strcmp(name + length - 5, "_slow"));
}

static void read_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, uintptr_t bias)
{
    Elf_Data *data = elf_getdata(section, NULL);
    for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (!name || !is_handler(name))
            continue;
        ck_assert(handler_count < ARRAY_SIZE(handlers));
        struct handler *h = &handlers[handler_count++];
        strcpy(h->name, name + 4);
        h->address = bias + symbol.st_value;
    }
}

static void read_handlers(void)
{
    extern const char __ehdr_start[]; /* the linker's: where this program is loaded */
    int fd = open("/proc/self/exe", O_RDONLY);
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    ck_assert(elf != NULL);
    for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
        GElf_Shdr header;
        if (gelf_getshdr(s, &header) && header.sh_type == SHT_SYMTAB)
            read_symbols(elf, s, &header, (uintptr_t)__ehdr_start);
    }
    elf_end(elf);
    close(fd);
    ck_assert_msg(handler_count > 400, "%u handlers: has the program lost its symbols?", handler_count);
}

/* A compiler may make one of two that are alike. */
static void note_end(const struct rig_outcome *o)
{
    for (unsigned i = 0; i < handler_count; i++) {
        if (handlers[i].address != (uintptr_t)o->handler)
            continue;
        handlers[i].went_on |= o->end == RIG_STRAIGHT;
        handlers[i].returned |= o->end == RIG_RETURNED;
    }
}

/* ---- Every instruction --------------------------------------------------------------------------------- */

static const struct {
    uint8_t size, bytes[2];
} prefixes[] = {
    { 0, { 0 } },    { 1, { 0x66 } }, { 1, { 0x67 } },       { 1, { 0xf2 } },
    { 1, { 0xf3 } }, { 1, { 0xf0 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0x66, 0xf3 } },
};

static const struct {
    uint8_t size, bytes[2];
} maps[] = { { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } } };

struct form {
    uint8_t bytes[X86_INSN_MAX];
    struct insn insn;
};

/* What follows the opcode: ModRM, a displacement for it, immediates that are ports, vectors and code, too. */
static bool make_form(struct form *f, const struct rig_mode *mode, unsigned map, unsigned prefix,
                      unsigned opcode, unsigned modrm)
{
    uint8_t *p = f->bytes;
    bool code32 = !mode->code16, ea32 = code32 != (prefix == 2);
    uint32_t data = mode->data - mode->base;
    memset(f, 0, sizeof(*f));
    memcpy(p, prefixes[prefix].bytes, prefixes[prefix].size);
    p += prefixes[prefix].size;
    memcpy(p, maps[map].bytes, maps[map].size);
    p += maps[map].size;
    *p++ = (uint8_t)opcode;
    if (x86_decode(f->bytes, sizeof(f->bytes), code32, &f->insn) != X86_DECODE_OK && map == 0)
        return false;
    bool has_modrm = f->insn.has_modrm;
    if (!has_modrm && modrm)
        return false;
    if (has_modrm)
        *p++ = (uint8_t)(modrm < 0xc0 && !ea32 ? modrm + 1 : modrm);
    if (has_modrm && modrm < 0xc0) {
        memcpy(p, &data, ea32 ? 4 : 2);
        p += ea32 ? 4 : 2;
    }
    for (unsigned i = 0; p < f->bytes + sizeof(f->bytes); i++)
        *p++ = map == 0 && (opcode & 0xfc) == 0xe4 && i == 0 ? 0x21 : i & 1 ? 0 : 8;
    return x86_decode(f->bytes, sizeof(f->bytes), code32, &f->insn) == X86_DECODE_OK &&
           f->insn.class_ != X86_INVALID;
}

static void report(const struct rig_mode *mode, const struct form *f, size_t bytes)
{
    char text[3 * X86_INSN_MAX + 1] = "";
    for (unsigned i = 0; i < f->insn.length; i++)
        sprintf(text + 3 * i, "%02x ", f->bytes[i]);
    ck_abort_msg("%s: %s(%s) leaves %zu bytes on the stack", mode->name, text, x86_op_name(f->insn.op),
                 bytes);
}

enum { COPIES = 3, RUNS = 2 };

static unsigned long executed;
static bool has_everything; /* the processor has all instructions there are */

/* Several times in a block, the first of them with cold TLBs; then by the links that were made. */
static bool execute_with(const struct rig_mode *mode, const struct form *f, unsigned copies,
                         const struct rig_values *with, size_t usual)
{
    uint8_t code[COPIES * X86_INSN_MAX];
    bool came_to_an_end = false;
    for (unsigned i = 0; i < copies; i++)
        memcpy(code + i * f->insn.length, f->bytes, f->insn.length);
    rig_load(mode, with, code, copies * (size_t)f->insn.length);
    for (unsigned run = 0; run < RUNS; run++) {
        struct rig_outcome o = rig_run();
        executed += copies;
        if (o.end == RIG_STRAIGHT && o.stack != usual)
            report(mode, f, o.stack - usual);
        note_end(&o);
        came_to_an_end |= o.end != RIG_STOPPED;
    }
    return came_to_an_end;
}

static void execute(const struct rig_mode *mode, const struct form *f, size_t usual)
{
    /* Alone, if not three times: LTR makes its TSS busy. */
    for (unsigned copies = COPIES; copies; copies = copies == 1 ? 0 : 1) {
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
            if (execute_with(mode, f, copies, &values[i], usual))
                return;
        }
    }
}

/* What the LOCK prefixes alone find. */
static size_t usual_stack(const struct rig_mode *mode)
{
    rig_load(mode, &values[0], (const uint8_t *)"", 0);
    struct rig_outcome o = rig_run();
    ck_assert_msg(o.end == RIG_STRAIGHT, "%s: ended in %d", mode->name, o.end);
    return o.stack;
}

static void execute_opcode(const struct rig_mode *mode, unsigned map, unsigned prefix, unsigned opcode,
                           size_t usual)
{
    bool x87 = map == 0 && (opcode & 0xf8) == 0xd8;
    struct form f;
    for (unsigned reg = 0; reg < 8; reg++) {
        if (make_form(&f, mode, map, prefix, opcode, reg << 3 | 5))
            execute(mode, &f, usual);
    }
    for (unsigned modrm = 0xc0; modrm <= 0xff; modrm++) {
        unsigned rm = modrm & 7;
        if ((x87 || rm == 1 || rm == 5) && make_form(&f, mode, map, prefix, opcode, modrm))
            execute(mode, &f, usual);
    }
    if (make_form(&f, mode, map, prefix, opcode, 0) && !f.insn.has_modrm)
        execute(mode, &f, usual);
}

START_TEST(no_instruction_leaves_anything_on_the_stack)
{
    const struct rig_mode *mode = &modes[_i];
    size_t usual = usual_stack(mode);
    for (unsigned map = 0; map < ARRAY_SIZE(maps); map++) {
        for (unsigned prefix = 0; prefix < ARRAY_SIZE(prefixes); prefix++) {
            for (unsigned opcode = 0; opcode < 256; opcode++)
                execute_opcode(mode, map, prefix, opcode, usual);
        }
    }
}
END_TEST

/* ---- What is not an instruction by itself, or depends on where it is ----------------------------------- */

static const struct {
    const char *name;
    uint8_t size, bytes[8];
} places[] = {
    { "CALL in the page", 5, { 0xe8, 0x08 } },
    { "LOOP to the page before", 2, { 0xe2, 0x80 } },
    { "JNZ to the page before", 2, { 0x75, 0x80 } },
    { "JMP to the page before", 2, { 0xeb, 0x80 } },
};

START_TEST(nor_does_a_branch_to_anywhere)
{
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        size_t usual = usual_stack(&modes[i]);
        struct rig_outcome o = { 0 };
        rig_load(&modes[i], &values[0], places[_i].bytes, places[_i].size);
        for (unsigned run = 0; run < RUNS; run++)
            o = rig_run();
        ck_assert_msg(o.end == RIG_STRAIGHT && o.stack == usual, "%s, %s: ended in %d, %zu bytes",
                      places[_i].name, modes[i].name, o.end, o.stack - usual);
        note_end(&o);
    }
}
END_TEST

/* More instructions than a block has. */
START_TEST(nor_does_the_end_of_a_block)
{
    uint8_t nops[200];
    memset(nops, 0x90, sizeof(nops));
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        size_t usual = usual_stack(&modes[i]);
        struct rig_outcome o = { 0 };
        rig_load(&modes[i], &values[0], nops, sizeof(nops));
        for (unsigned run = 0; run < 8; run++)
            o = rig_run();
        ck_assert_msg(o.end == RIG_STRAIGHT && o.stack == usual, "%s: ended in %d, %zu bytes", modes[i].name,
                      o.end, o.stack - usual);
    }
}
END_TEST

/* A branch is linked to a block that is written to, and then leads to its successor. */
START_TEST(nor_does_a_block_that_another_replaced)
{
    static const uint8_t code[] = { 0xeb, 0x10, [0x12] = 0x90 };
    size_t usual = usual_stack(&modes[0]);
    struct rig_outcome o;
    rig_load(&modes[0], &values[0], code, sizeof(code));
    for (unsigned i = 0; i < 4; i++) {
        rig_run();
        o = rig_run();
        ck_assert_msg(o.end == RIG_STRAIGHT && o.stack == usual, "written %u times: ended in %d, %zu bytes",
                      i, o.end, o.stack - usual);
        rig_write(RIG_CODE + 0x12);
        o = rig_run();
        ck_assert_msg(o.end == RIG_RETURNED, "written %u times: ended in %d", i, o.end);
    }
}
END_TEST

/* ---- All of them? -------------------------------------------------------------------------------------- */

/* Always back to the run loop: what they change decides about the next instruction, or where it is. */
static const char *const returning[] = {
    "call_far",  "call_far_ind", "clts",    "hlt",         "int1",     "int3",      "int_n",
    "invlpg",    "iret",         "jmp_far", "jmp_far_ind", "lmsw",     "mov_to_cr", "mov_to_dr",
    "mov_to_ss", "pop_ss",       "retf",    "sti",         "sysenter", "sysexit",   "wrmsr",
};

/* Always a fault; or of no instruction; or no operands lead there (TEST has its register second). */
static const char *const others[] = {
    "rdpmc",
    "fpu_undefined",
    "block_invalid_opcode",
    "block_too_long",
    "block_stale",
    "block_redirect",
    "block_fall",
    "block_fall_link",
    "alu_TEST_1_REG_MEM",
    "alu_TEST_1_REG_MEM_CHECKED",
    "alu_TEST_2_REG_MEM",
    "alu_TEST_2_REG_MEM_CHECKED",
    "alu_TEST_4_REG_MEM",
    "alu_TEST_4_REG_MEM_CHECKED",
};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(name, names[i]))
            return true;
    }
    return false;
}

START_TEST(every_handler_was_executed)
{
    if (!has_everything) {
        fprintf(stderr, "this host's processor lacks SSE4.2 or POPCNT: some handlers were not executed\n");
        return;
    }
    for (unsigned i = 0; i < handler_count; i++) {
        const struct handler *h = &handlers[i];
        if (is_among(h->name, others, ARRAY_SIZE(others)))
            continue;
        bool returns = is_among(h->name, returning, ARRAY_SIZE(returning));
        ck_assert_msg(returns ? h->returned && !h->went_on : h->went_on, "%s: %s%s", h->name,
                      h->went_on ? "went on" : "never went on", h->returned ? ", returned" : "");
    }
    ck_assert_uint_gt(executed, 3000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handlers");
    TCase *tc = tcase_create("handlers");
    has_everything = rig_open();
    tcase_set_timeout(tc, 0);
    tcase_add_unchecked_fixture(tc, read_handlers, NULL);
    tcase_add_loop_test(tc, no_instruction_leaves_anything_on_the_stack, 0, ARRAY_SIZE(modes));
    tcase_add_loop_test(tc, nor_does_a_branch_to_anywhere, 0, ARRAY_SIZE(places));
    tcase_add_test(tc, nor_does_the_end_of_a_block);
    tcase_add_test(tc, nor_does_a_block_that_another_replaced);
    tcase_add_test(tc, every_handler_was_executed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the last test is about all others */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
