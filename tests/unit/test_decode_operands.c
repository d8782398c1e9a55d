/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the decoder says of an instruction besides its length, against capstone, versions 4 and 5: mnemonic
 * and condition, address and size of the memory operand, immediates. 32-bit code (capstone loses mandatory
 * prefixes in 16-bit code), 16- and 32-bit addresses. What capstone names or sizes otherwise is listed.
 */
#include "decode_cases.h"
#include "translator/decode.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include "capstone_oracle.h"
#undef x86_prefix

#include <check.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { CODE_AT = 0x1000, FAILURES_SHOWN = 20 };

struct pair {
    struct insn insn;
    const cs_insn *theirs;
};

typedef bool pair_check_fn(const struct pair *pair);

struct walk {
    csh handle;
    cs_insn *insn;
    pair_check_fn *check;
    unsigned long checked;
    unsigned failures;
};

static bool check_case(const struct decode_case *c, void *context)
{
    struct walk *walk = context;
    const uint8_t *bytes = c->bytes;
    size_t size = X86_INSN_MAX;
    uint64_t at = CODE_AT;
    struct pair pair;

    if (!cs_disasm_iter(walk->handle, &bytes, &size, &at, walk->insn) ||
        x86_decode(c->bytes, X86_INSN_MAX, true, &pair.insn) != X86_DECODE_OK ||
        pair.insn.class_ == X86_INVALID || pair.insn.length != walk->insn->size)
        return true;
    pair.theirs = walk->insn;
    walk->checked++;
    if (walk->check(&pair))
        return true;
    printf("%s: capstone %s %s, decoder %s\n", decode_case_text(c->bytes, pair.insn.length),
           walk->insn->mnemonic, walk->insn->op_str, x86_op_name(pair.insn.op));
    fflush(stdout); /* a failed check ends the process at once */
    return ++walk->failures < FAILURES_SHOWN;
}

/* No prefix, 66, 67, F2, F3: the sets in which capstone is sure of itself. */
static void walk_all(pair_check_fn *check)
{
    struct walk walk = { .check = check };

    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_32, &walk.handle), CS_ERR_OK);
    cs_option(walk.handle, CS_OPT_DETAIL, CS_OPT_ON);
    walk.insn = cs_malloc(walk.handle);
    for (unsigned map = 0; map < 4; map++) {
        for (unsigned i = 0; i < 5; i++)
            decode_cases_walk(map, &decode_prefix_sets[i], true, 1, check_case, &walk);
    }
    cs_free(walk.insn, 1);
    cs_close(&walk.handle);
    ck_assert_uint_eq(walk.failures, 0);
    ck_assert_uint_gt(walk.checked, 300000);
}

/* Names under which capstone knows an instruction. */
static const struct {
    unsigned op;
    const char *names[10];
} aliases[] = {
    { X86_BSF, { "tzcnt" } }, /* with F3, on processors that have BMI1 */
    { X86_BSR, { "lzcnt" } },
    { X86_CBW, { "cwde" } },
    { X86_CWD, { "cdq" } },
    { X86_CMPS, { "cmpsb", "cmpsw", "cmpsd" } },
    { X86_MOVS, { "movsb", "movsw", "movsd" } },
    { X86_LODS, { "lodsb", "lodsw", "lodsd" } },
    { X86_STOS, { "stosb", "stosw", "stosd" } },
    { X86_SCAS, { "scasb", "scasw", "scasd" } },
    { X86_INS, { "insb", "insw", "insd" } },
    { X86_OUTS, { "outsb", "outsw", "outsd" } },
    { X86_PUSHA, { "pushaw", "pushal" } },
    { X86_POPA, { "popaw", "popal" } },
    { X86_PUSHF, { "pushfd" } },
    { X86_POPF, { "popfd" } },
    { X86_IRET, { "iretd" } },
    { X86_JCXZ, { "jecxz" } },
    { X86_XLAT, { "xlatb" } },
    { X86_SHL, { "sal" } },
    /* Reserved hints to processors that do not have these. */
    { X86_NOP,
      { "endbr32", "endbr64", "rdsspd", "cldemote", "bndcl", "bndcn", "bndcu", "bndldx", "bndmk",
        "bndmov" } },
    { X86_NOP, { "bndstx" } },
    { X86_PREFETCH, { "prefetchwt1" } },
    { X86_WBINVD, { "wbnoinvd" } }, /* with F3, likewise */
    { X86_XCHG, { "xacquire xchg", "xrelease xchg" } },
    { X86_FCOMIP, { "fcompi" } },
    { X86_FUCOMIP, { "fucompi" } },
    { X86_FSTP, { "fstpnce" } },
    { X86_FNENI, { "feni8087_nop" } },
    { X86_FNDISI, { "fdisi8087_nop" } },
    { X86_FNSETPM, { "fsetpm" } },
    { X86_CMPPS, { "cmpnltps" } }, /* the filler immediate names a predicate */
};

/* capstone's mnemonic without the prefixes it prints before it. */
static const char *bare_mnemonic(const char *mnemonic)
{
    static const char *const prefixes[] = { "rep ",     "repne ", "repe ",  "lock ",     "bnd ",
                                            "notrack ", "repz ",  "repnz ", "xacquire ", "xrelease " };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(mnemonic, prefixes[i], strlen(prefixes[i])) == 0)
            return bare_mnemonic(mnemonic + strlen(prefixes[i]));
    }
    return mnemonic;
}

static bool conditional_name_agrees(const struct insn *insn, const char *theirs)
{
    static const char *const conditions[16] = { "o", "no", "b", "ae", "e", "ne", "be", "a",
                                                "s", "ns", "p", "np", "l", "ge", "le", "g" };
    /* FCMOVU tests PF as CMOVP does, but the x87 calls it unordered; FCMOVNB and FCMOVNBE go by these names.
     */
    static const char *const x87_conditions[16] = {
        [2] = "b", [3] = "nb", [4] = "e", [5] = "ne", [6] = "be", [7] = "nbe", [10] = "u", [11] = "nu"
    };
    const char *stem = insn->op == X86_JCC      ? "j"
                       : insn->op == X86_SETCC  ? "set"
                       : insn->op == X86_CMOVCC ? "cmov"
                                                : "fcmov";
    const char *condition = insn->op == X86_FCMOVCC ? x87_conditions[insn->cond] : conditions[insn->cond];

    return condition && strncmp(theirs, stem, strlen(stem)) == 0 &&
           strcmp(theirs + strlen(stem), condition) == 0;
}

/* "lcall" and "ljmp" where capstone 5 has "call" and "jmp". */
static const char *far_mnemonic(const char *mnemonic)
{
    return !strcmp(mnemonic, "call") ? "lcall" : !strcmp(mnemonic, "jmp") ? "ljmp" : mnemonic;
}

static bool mnemonic_agrees(const struct pair *pair)
{
    const struct insn *insn = &pair->insn;
    const char *theirs = bare_mnemonic(pair->theirs->mnemonic);

    if (is_far_through_memory(pair->theirs))
        theirs = far_mnemonic(theirs);
    if (insn->op == X86_JCC || insn->op == X86_SETCC || insn->op == X86_CMOVCC || insn->op == X86_FCMOVCC)
        return conditional_name_agrees(insn, theirs);
    if (strcmp(x86_op_name(insn->op), theirs) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
        for (unsigned j = 0;
             aliases[i].op == insn->op && j < ARRAY_SIZE(aliases[i].names) && aliases[i].names[j]; j++) {
            if (strcmp(theirs, aliases[i].names[j]) == 0)
                return true;
        }
    }
    return false;
}

START_TEST(mnemonics_agree)
{
    walk_all(mnemonic_agrees);
}
END_TEST

static unsigned register_number(x86_reg reg)
{
    static const x86_reg names[8][2] = { { X86_REG_EAX, X86_REG_AX }, { X86_REG_ECX, X86_REG_CX },
                                         { X86_REG_EDX, X86_REG_DX }, { X86_REG_EBX, X86_REG_BX },
                                         { X86_REG_ESP, X86_REG_SP }, { X86_REG_EBP, X86_REG_BP },
                                         { X86_REG_ESI, X86_REG_SI }, { X86_REG_EDI, X86_REG_DI } };

    for (unsigned i = 0; i < 8; i++) {
        if (names[i][0] == reg || names[i][1] == reg)
            return i;
    }
    return X86_NO_REG;
}

/* The one memory operand of each, NULL where there is none or two (string instructions). */
static const struct x86_operand *our_memory(const struct insn *insn)
{
    for (unsigned i = 0; i < 3; i++) {
        if (insn->opnd[i].kind == X86_OPND_MEM)
            return &insn->opnd[i];
    }
    return NULL;
}

static const cs_x86_op *their_memory(const cs_insn *insn, unsigned *count)
{
    const cs_x86_op *memory = NULL;

    *count = 0;
    for (unsigned i = 0; i < insn->detail->x86.op_count; i++) {
        if (insn->detail->x86.operands[i].type == X86_OP_MEM) {
            memory = &insn->detail->x86.operands[i];
            ++*count;
        }
    }
    return memory;
}

/* Memory capstone does not tell of, or tells of as an operand of its own kind. */
static bool implied_memory(const struct insn *insn)
{
    return insn->op == X86_XLAT || insn->op == X86_MASKMOVQ || insn->op == X86_MASKMOVDQU;
}

static bool is_string(const struct insn *insn)
{
    for (unsigned i = 0; i < 2; i++) {
        if (insn->opnd[i].kind == X86_OPND_STR_SI || insn->opnd[i].kind == X86_OPND_STR_DI)
            return true;
    }
    return false;
}

static bool address_agrees(const struct pair *pair)
{
    const struct insn *insn = &pair->insn;
    const struct x86_operand *ours = our_memory(insn);
    unsigned count;
    const cs_x86_op *theirs = their_memory(pair->theirs, &count);
    uint32_t mask = insn->addr_size == 2 ? 0xffff : 0xffffffff;
    unsigned index;

    if (is_string(insn) || implied_memory(insn))
        return true;
    if (!ours || !theirs)
        return !ours && !theirs;
    index = register_number(theirs->mem.index);
    return count == 1 && register_number(theirs->mem.base) == insn->base && index == insn->index &&
           (index == X86_NO_REG || theirs->mem.scale == 1 << insn->scale) &&
           ((uint32_t)theirs->mem.disp & mask) == (insn->disp & mask);
}

START_TEST(addresses_agree)
{
    walk_all(address_agrees);
}
END_TEST

/* Where our size is right by the SDM page of the instruction and capstone's is not. */
static const struct {
    unsigned op;
    unsigned size;
    const char *reason;
    enum capstone_versions versions;
} sizes[] = {
    { X86_LEA, 0, "no access, so no size", EVERY_CAPSTONE },
    { X86_FXSAVE, 0, "a 512-byte image: by its name", EVERY_CAPSTONE },
    { X86_FXRSTOR, 0, "as FXSAVE", EVERY_CAPSTONE },
    { X86_FLDENV, 0, "14 or 28 bytes, by operand size", EVERY_CAPSTONE },
    { X86_FNSTENV, 0, "as FLDENV", EVERY_CAPSTONE },
    { X86_FRSTOR, 0, "94 or 108 bytes, by operand size", EVERY_CAPSTONE },
    { X86_FNSAVE, 0, "as FRSTOR", EVERY_CAPSTONE },
    { X86_FNSTSW, 2, "m2byte", EVERY_CAPSTONE },
    { X86_LSL, 2, "r32/m16", EVERY_CAPSTONE },
    { X86_COMISS, 4, "xmm/m32", EVERY_CAPSTONE },
    { X86_COMISD, 8, "xmm/m64", EVERY_CAPSTONE },
    { X86_PUNPCKLBW, 4, "mm/m32", EVERY_CAPSTONE },
    { X86_PUNPCKLWD, 4, "mm/m32", EVERY_CAPSTONE },
    { X86_PUNPCKLDQ, 4, "mm/m32", EVERY_CAPSTONE },
    { X86_LES, 6, "m16:32", EVERY_CAPSTONE },
    { X86_LDS, 6, "m16:32", EVERY_CAPSTONE },
    { X86_LSS, 6, "m16:32", EVERY_CAPSTONE },
    { X86_LFS, 6, "m16:32", EVERY_CAPSTONE },
    { X86_LGS, 6, "m16:32", EVERY_CAPSTONE },
    { X86_CALL_FAR_IND, 4, "m16:16", EVERY_CAPSTONE },
    { X86_JMP_FAR_IND, 4, "m16:16", EVERY_CAPSTONE },
    { X86_CALL_FAR_IND, 6, "m16:32", SINCE_CAPSTONE_5 },
    { X86_NOP, 2, "Ev, where capstone has an instruction of MPX or CLDEMOTE", SINCE_CAPSTONE_5 },
    { X86_NOP, 4, "Ev, likewise", SINCE_CAPSTONE_5 },
};

static bool size_agrees(const struct pair *pair)
{
    const struct x86_operand *ours = our_memory(&pair->insn);
    unsigned count;
    const cs_x86_op *theirs = their_memory(pair->theirs, &count);

    if (!ours || !theirs || implied_memory(&pair->insn) || ours->size == theirs->size)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        if (sizes[i].op == pair->insn.op && sizes[i].size == ours->size && capstone_is(sizes[i].versions))
            return true;
    }
    return false;
}

START_TEST(memory_sizes_agree)
{
    walk_all(size_agrees);
}
END_TEST

/* Immediates by value, at the size of the operand (capstone shows ENTER's as signed); branch targets, modulo
 * what the operand size leaves. */
static bool immediate_agrees(const struct pair *pair)
{
    const struct insn *insn = &pair->insn;
    const cs_x86 *theirs = &pair->theirs->detail->x86;
    const struct x86_operand *ours = NULL;
    uint32_t value = insn->imm, mask;
    unsigned count = 0;

    for (unsigned i = 0; i < 3; i++) {
        if (insn->opnd[i].kind == X86_OPND_IMM || insn->opnd[i].kind == X86_OPND_REL)
            ours = ours ? ours : &insn->opnd[i];
    }
    /* capstone turns compare predicates, and 10 for AAM and AAD, into names; it resolves relative branches
     * with 67 modulo 64 KiB, though the address size has no part in them. */
    if (!ours || insn->opcode == 0xc2 || insn->op == X86_AAM || insn->op == X86_AAD ||
        (ours->kind == X86_OPND_REL && (insn->prefixes & X86_PFX_ADDRSIZE)))
        return true;
    if (ours->kind == X86_OPND_REL)
        value += CODE_AT + insn->length;
    mask = ours->size == 1 && ours->kind == X86_OPND_IMM ? 0xff
           : ours->size == 2 || insn->op_size == 2       ? 0xffff
                                                         : 0xffffffff;
    for (unsigned i = 0; i < theirs->op_count; i++) {
        if (theirs->operands[i].type != X86_OP_IMM)
            continue;
        if (count++ == 0 && (((uint32_t)theirs->operands[i].imm ^ value) & mask))
            return false;
    }
    return count > 0;
}

START_TEST(immediates_agree)
{
    walk_all(immediate_agrees);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decoded operands against capstone");
    TCase *tcase = tcase_create("operands");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, mnemonics_agree);
    tcase_add_test(tcase, addresses_agree);
    tcase_add_test(tcase, memory_sizes_agree);
    tcase_add_test(tcase, immediates_agree);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
