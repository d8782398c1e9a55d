/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * capstone_show BITS ADDRESS HEX...: what capstone says of each instruction, a line each.
 */
#include <capstone/capstone.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t bytes_of(const char *hex, uint8_t *bytes, size_t capacity)
{
    size_t count = 0;
    unsigned byte;

    for (; count < capacity && sscanf(hex + 2 * count, "%2x", &byte) == 1; count++)
        bytes[count] = (uint8_t)byte;
    return count;
}

int main(int argc, char **argv)
{
    int major, minor, bits = argc > 3 ? atoi(argv[1]) : 0;
    csh handle;
    cs_insn *insn;

    cs_version(&major, &minor);
    if (bits == 0 || cs_open(CS_ARCH_X86,
                             bits == 16   ? CS_MODE_16
                             : bits == 32 ? CS_MODE_32
                                          : CS_MODE_64,
                             &handle))
        return 2;
    for (int i = 3; i < argc; i++) {
        uint8_t bytes[16];
        size_t count = bytes_of(argv[i], bytes, sizeof(bytes));
        size_t n = cs_disasm(handle, bytes, count, strtoul(argv[2], NULL, 0), 1, &insn);

        printf("capstone %d, %d-bit code: %-12s %s%s%s\n", major, bits, argv[i],
               n ? insn->mnemonic : "(none)", n && insn->op_str[0] ? " " : "", n ? insn->op_str : "");
        if (n)
            cs_free(insn, n);
    }
    cs_close(&handle);
    return 0;
}
