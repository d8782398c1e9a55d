/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disassembly by capstone and the decoder. Apart from those who print since both have an enum x86_prefix.
 */
#include "disassembler.h"

#include "translator/decode.h"

#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disassembler {
    csh handle;
    cs_insn *insn;
    bool code32, offsets;
};

struct disassembler *disassembler_new(bool code32, bool offsets)
{
    struct disassembler *disassembler = calloc(1, sizeof(*disassembler));

    if (!disassembler)
        return NULL;
    if (cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &disassembler->handle) != CS_ERR_OK) {
        free(disassembler);
        return NULL;
    }
    disassembler->insn = cs_malloc(disassembler->handle);
    disassembler->code32 = code32;
    disassembler->offsets = offsets;
    return disassembler;
}

void disassembler_free(struct disassembler *disassembler)
{
    if (!disassembler)
        return;
    cs_free(disassembler->insn, 1);
    cs_close(&disassembler->handle);
    free(disassembler);
}

/* SDM 2A, "JMP": with a 16-bit operand size the upper half of EIP becomes 0. */
static uint32_t branch_target(const struct disassembler *disassembler, const struct insn *insn,
                              uint32_t address)
{
    uint32_t target = address + insn->length + insn->imm;

    return disassembler->offsets && insn->op_size == 2 ? target & 0xffff : target;
}

/* The words before the mnemonic, "bnd " for example, end here. */
static int words_before(const char *mnemonic)
{
    const char *space = strrchr(mnemonic, ' ');

    return space ? (int)(space + 1 - mnemonic) : 0;
}

/* `theirs`: what capstone sees in these bytes. */
static void print_known(const struct disassembler *disassembler, const struct insn *insn,
                        const cs_insn *theirs, uint32_t address, char *text, size_t size)
{
    const char *operands = theirs->op_str;

    if (insn->opnd[0].kind == X86_OPND_REL) {
        snprintf(text, size, "%s 0x%x", theirs->mnemonic, branch_target(disassembler, insn, address));
    } else if (insn->opnd[0].kind == X86_OPND_FAR) {
        snprintf(text, size, "%s 0x%x:0x%x", theirs->mnemonic, insn->imm2, insn->imm);
    } else if (insn->op == X86_CALL_FAR_IND || insn->op == X86_JMP_FAR_IND) {
        /* Capstone 5: "call ptr [eax]", as if it were near. */
        snprintf(text, size, "%.*s%s %s", words_before(theirs->mnemonic), theirs->mnemonic,
                 x86_op_name(insn->op), operands + (strncmp(operands, "ptr ", 4) == 0 ? 4 : 0));
    } else {
        snprintf(text, size, "%s%s%s", theirs->mnemonic, operands[0] ? " " : "", operands);
    }
}

/* Without capstone's help: the mnemonic, and such operands as there are names for here. */
static void print_named(const struct disassembler *disassembler, const struct insn *insn, uint32_t address,
                        char *text, size_t size)
{
    const struct x86_operand *operands = insn->opnd;
    const char *name = x86_op_name(insn->op);

    if (operands[0].kind == X86_OPND_REL)
        snprintf(text, size, "%s 0x%x", name, branch_target(disassembler, insn, address));
    else if (operands[0].kind == X86_OPND_ST && operands[1].kind == X86_OPND_ST)
        snprintf(text, size, "%s st(%u), st(%u)", name, operands[0].reg, operands[1].reg);
    else if (operands[0].kind == X86_OPND_ST)
        snprintf(text, size, "%s st(%u)", name, operands[0].reg);
    else
        snprintf(text, size, "%s", name);
}

/* A relative branch's mnemonic is capstone's (it has the condition) even where it got the length wrong. */
static bool is_theirs(const struct insn *insn, const cs_insn *theirs)
{
    return theirs->size == insn->length || insn->opnd[0].kind == X86_OPND_REL;
}

unsigned disassembler_print(struct disassembler *disassembler, const uint8_t *bytes, size_t count,
                            uint32_t address, char *text, size_t size)
{
    const uint8_t *at = bytes;
    size_t left = count;
    uint64_t pc = address;
    struct insn insn;
    cs_insn *theirs = disassembler->insn;
    bool known = cs_disasm_iter(disassembler->handle, &at, &left, &pc, theirs);

    if (x86_decode(bytes, count, disassembler->code32, &insn) == X86_DECODE_OK) {
        if (known && is_theirs(&insn, theirs))
            print_known(disassembler, &insn, theirs, address, text, size);
        else
            print_named(disassembler, &insn, address, text, size);
        return insn.length;
    }
    if (known) {
        snprintf(text, size, "%s%s%s", theirs->mnemonic, theirs->op_str[0] ? " " : "", theirs->op_str);
        return theirs->size;
    }
    snprintf(text, size, "(bad)");
    return 0;
}
