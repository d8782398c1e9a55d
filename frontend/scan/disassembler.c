/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disassembly by capstone. Apart from the listing since capstone and the decoder both have an enum
 * x86_prefix.
 */
#include "disassembler.h"

#include "error.h"

#include "translator/decode.h"

#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <stdio.h>

struct disassembler {
    csh handle;
    cs_insn *insn;
    bool code32;
};

struct disassembler *disassembler_new(bool code32, GError **error)
{
    struct disassembler *disassembler = g_new0(struct disassembler, 1);
    cs_err err = cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &disassembler->handle);

    if (err != CS_ERR_OK) {
        fail_with(error, FRONTEND_ERROR_HOST, "cannot disassemble: %s", cs_strerror(err));
        g_free(disassembler);
        return NULL;
    }
    disassembler->insn = cs_malloc(disassembler->handle);
    disassembler->code32 = code32;
    return disassembler;
}

void disassembler_free(struct disassembler *disassembler)
{
    if (!disassembler)
        return;
    cs_free(disassembler->insn, 1);
    cs_close(&disassembler->handle);
    g_free(disassembler);
}

void disassembler_print(struct disassembler *disassembler, const uint8_t *bytes, size_t count,
                        uint32_t address, char *text, size_t size)
{
    const uint8_t *at = bytes;
    size_t left = count;
    uint64_t pc = address;
    struct insn insn;

    if (cs_disasm_iter(disassembler->handle, &at, &left, &pc, disassembler->insn)) {
        const cs_insn *theirs = disassembler->insn;

        snprintf(text, size, "%s%s%s", theirs->mnemonic, theirs->op_str[0] ? " " : "", theirs->op_str);
    } else if (x86_decode(bytes, count, disassembler->code32, &insn) == X86_DECODE_OK) {
        snprintf(text, size, "%s", x86_op_name(insn.op));
    } else {
        snprintf(text, size, "(bad)");
    }
}
