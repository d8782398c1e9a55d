/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The instruction decoder by itself: chosen instructions with all their operands, the rows of the opcode
 * lists against what is decoded, truncated instructions at the end of readable memory.
 */
#include "decode_cases.h"
#include "opcode_groups.h"
#include "translator/decode.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Listing of a decoded instruction, everything it says: "lock add dword[ds:eax+ecx*4+0x10], ecx". */
static const char *const gpr8[] = { "al", "cl", "dl", "bl", "ah", "ch", "dh", "bh" };
static const char *const gpr16[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
static const char *const gpr32[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
static const char *const sregs[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static const char *gpr(unsigned size, unsigned reg)
{
    return size == 1 ? gpr8[reg] : size == 2 ? gpr16[reg] : gpr32[reg];
}

static const char *size_name(unsigned size)
{
    static const char *const names[17] = { [0] = "any",   [1] = "byte",  [2] = "word",   [4] = "dword",
                                           [6] = "fword", [8] = "qword", [10] = "tword", [16] = "oword" };

    return size <= 16 && names[size] ? names[size] : "?";
}

static int print_memory(char *out, const struct insn *insn, unsigned size)
{
    int n = sprintf(out, "%s[%s:", size_name(size), sregs[insn->seg]);
    const char *plus = "";

    if (insn->base != X86_NO_REG) {
        n += sprintf(out + n, "%s", gpr(insn->addr_size, insn->base));
        plus = "+";
    }
    if (insn->index != X86_NO_REG) {
        n += sprintf(out + n, "%s%s*%d", plus, gpr(insn->addr_size, insn->index), 1 << insn->scale);
        plus = "+";
    }
    if (insn->disp || plus[0] == '\0')
        n += sprintf(out + n, "%s0x%x", plus, insn->disp);
    return n + sprintf(out + n, "]");
}

static int print_operand(char *out, const struct insn *insn, const struct x86_operand *o)
{
    switch (o->kind) {
    case X86_OPND_GPR:
        return sprintf(out, "%s", gpr(o->size, o->reg));
    case X86_OPND_MEM:
        return print_memory(out, insn, o->size);
    case X86_OPND_IMM:
        return sprintf(out, "%s 0x%x", size_name(o->size), insn->imm);
    case X86_OPND_REL:
        return sprintf(out, "%+d", (int32_t)insn->imm);
    case X86_OPND_FAR:
        return sprintf(out, "%s 0x%x:0x%x", size_name(o->size), insn->imm2, insn->imm);
    case X86_OPND_SREG:
        return sprintf(out, "%s", sregs[o->reg]);
    case X86_OPND_CREG:
        return sprintf(out, "cr%u", o->reg);
    case X86_OPND_DREG:
        return sprintf(out, "dr%u", o->reg);
    case X86_OPND_TREG:
        return sprintf(out, "tr%u", o->reg);
    case X86_OPND_ST:
        return sprintf(out, "st%u", o->reg);
    case X86_OPND_MMX:
        return sprintf(out, "mm%u", o->reg);
    case X86_OPND_XMM:
        return sprintf(out, "xmm%u", o->reg);
    case X86_OPND_STR_SI:
        return sprintf(out, "%s[%s:%s]", size_name(o->size), sregs[insn->seg], gpr(insn->addr_size, 6));
    case X86_OPND_STR_DI:
        return sprintf(out, "%s[es:%s]", size_name(o->size), gpr(insn->addr_size, 7));
    default:
        return sprintf(out, "?%u", o->kind);
    }
}

static void print_insn(char *out, const struct insn *insn)
{
    int n = 0;

    if (insn->prefixes & X86_PFX_LOCK)
        n += sprintf(out + n, insn->lockable ? "lock " : "bad-lock ");
    if (insn->prefixes & X86_PFX_REP && insn->simd_prefix != 0xf3)
        n += sprintf(out + n, "rep ");
    if (insn->prefixes & X86_PFX_REPNE && insn->simd_prefix != 0xf2)
        n += sprintf(out + n, "repne ");
    n += sprintf(out + n, "%s", x86_op_name(insn->op));
    if (insn->op == X86_JCC || insn->op == X86_SETCC || insn->op == X86_CMOVCC || insn->op == X86_FCMOVCC)
        n += sprintf(out + n, ".%u", insn->cond);
    for (unsigned i = 0; i < 3 && insn->opnd[i].kind != X86_OPND_NONE; i++) {
        n += sprintf(out + n, i ? ", " : " ");
        n += print_operand(out + n, insn, &insn->opnd[i]);
    }
}

/* clang-format off */
#define CODE(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })

static const struct row {
    const char *name;
    bool code32;
    uint8_t bytes[15];
    unsigned length;
    const char *listing;
} rows[] = {
    /* Sizes and prefixes */
    { "plain 32-bit MOV", true, CODE(0x89, 0xd8), "mov eax, ebx" },
    { "66 makes MOV 16-bit", true, CODE(0x66, 0x89, 0xd8), "mov ax, bx" },
    { "66 makes MOV 32-bit in 16-bit code", false, CODE(0x66, 0x89, 0xd8), "mov eax, ebx" },
    { "byte registers 4..7 are the high halves", true, CODE(0x88, 0xe7), "mov bh, ah" },
    { "the last segment prefix wins", true, CODE(0x2e, 0x64, 0x8b, 0x00), "mov eax, dword[fs:eax]" },
    { "the last repeat prefix wins", true, CODE(0xf3, 0xf2, 0xae), "repne scas al, byte[es:edi]" },
    { "F3 after F2 wins", true, CODE(0xf2, 0xf3, 0xa4), "rep movs byte[es:edi], byte[ds:esi]" },
    { "66 twice is once", true, CODE(0x66, 0x66, 0x40), "inc ax" },
    { "14 prefixes and an opcode are 15 bytes", true,
      CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90), "nop" },

    /* 32-bit addresses */
    { "ESP base needs a SIB and means SS", true,
      CODE(0x8b, 0x44, 0x24, 0x1c), "mov eax, dword[ss:esp+0x1c]" },
    { "EBP base means SS", true, CODE(0x8b, 0x45, 0xfc), "mov eax, dword[ss:ebp+0xfffffffc]" },
    { "EBP index does not mean SS", true, CODE(0x8b, 0x04, 0x28), "mov eax, dword[ds:eax+ebp*1]" },
    { "no base, scaled EBP index, is DS", true,
      CODE(0x8b, 0x04, 0xad, 4, 0, 0, 0), "mov eax, dword[ds:ebp*4+0x4]" },
    { "SIB EBP base with a displacement is SS", true,
      CODE(0x8b, 0x44, 0x9d, 0x08), "mov eax, dword[ss:ebp+ebx*4+0x8]" },
    { "an override beats the SS default", true, CODE(0x3e, 0x8b, 0x45, 0x08), "mov eax, dword[ds:ebp+0x8]" },
    { "disp32 alone", true, CODE(0x8b, 0x0d, 0x78, 0x56, 0x34, 0x12), "mov ecx, dword[ds:0x12345678]" },
    { "SIB without base or index", true,
      CODE(0x8b, 0x0c, 0x25, 0x78, 0x56, 0x34, 0x12), "mov ecx, dword[ds:0x12345678]" },
    { "index 4 is none whatever the scale", true, CODE(0x8b, 0x04, 0xe4), "mov eax, dword[ss:esp]" },
    { "disp8 is signed", true, CODE(0x8d, 0x40, 0x80), "lea eax, any[ds:eax+0xffffff80]" },

    /* 16-bit addresses */
    { "BX+SI", false, CODE(0x8b, 0x00), "mov ax, word[ds:bx+si*1]" },
    { "BX+DI", false, CODE(0x8b, 0x01), "mov ax, word[ds:bx+di*1]" },
    { "BP+SI means SS", false, CODE(0x8b, 0x02), "mov ax, word[ss:bp+si*1]" },
    { "BP+DI means SS", false, CODE(0x8b, 0x43, 0x10), "mov ax, word[ss:bp+di*1+0x10]" },
    { "SI", false, CODE(0x8b, 0x04), "mov ax, word[ds:si]" },
    { "DI", false, CODE(0x8b, 0x85, 0x34, 0x12), "mov ax, word[ds:di+0x1234]" },
    { "disp16 alone takes the place of BP", false, CODE(0x8b, 0x06, 0x34, 0x12), "mov ax, word[ds:0x1234]" },
    { "BP with disp8", false, CODE(0x8b, 0x46, 0x04), "mov ax, word[ss:bp+0x4]" },
    { "BX", false, CODE(0x8b, 0x07), "mov ax, word[ds:bx]" },
    { "67 gives 32-bit code 16-bit addresses", true, CODE(0x67, 0x8b, 0x07), "mov eax, dword[ds:bx]" },
    { "67 gives 16-bit code 32-bit addresses", false,
      CODE(0x67, 0x8b, 0x44, 0x24, 0x04), "mov ax, word[ss:esp+0x4]" },
    { "moffs follows the address size", true, CODE(0x67, 0xa1, 0x34, 0x12), "mov eax, dword[ds:0x1234]" },
    { "moffs takes an override", true, CODE(0x64, 0xa3, 0x14, 0, 0, 0), "mov dword[fs:0x14], eax" },

    /* Immediates */
    { "Iz is 16-bit with 66, sign-extended", true, CODE(0x66, 0x05, 0xfe, 0xff), "add ax, word 0xfffffffe" },
    { "Iz is 32-bit", true, CODE(0x05, 0xfe, 0xff, 0x00, 0x80), "add eax, dword 0x8000fffe" },
    { "83 sign-extends its byte", true, CODE(0x83, 0xe4, 0xf0), "and esp, dword 0xfffffff0" },
    { "80 does not", true, CODE(0x80, 0xe4, 0xf0), "and ah, byte 0xf0" },
    { "82 is 80", true, CODE(0x82, 0xe4, 0xf0), "and ah, byte 0xf0" },
    { "PUSH Ib sign-extends", true, CODE(0x6a, 0xff), "push dword 0xffffffff" },
    { "IMUL of three operands", true, CODE(0x6b, 0xc1, 0xf6), "imul eax, ecx, dword 0xfffffff6" },
    { "IMUL of two", true, CODE(0x0f, 0xaf, 0xc1), "imul eax, ecx" },
    { "IMUL of one", true, CODE(0xf7, 0xe9), "imul ecx" },
    { "shift by one", true, CODE(0xd1, 0xe0), "shl eax, byte 0x1" },
    { "shift by CL", true, CODE(0xd3, 0xf8), "sar eax, cl" },
    { "shift by an immediate", true, CODE(0xc1, 0xe8, 0x1f), "shr eax, byte 0x1f" },
    { "/6 shifts as /4", true, CODE(0xc0, 0xf0, 0x03), "shl al, byte 0x3" },
    { "TEST is F6 /0", true, CODE(0xf6, 0xc1, 0x80), "test cl, byte 0x80" },
    { "TEST is F7 /1 too", true, CODE(0xf7, 0xc8, 1, 0, 0, 0), "test eax, dword 0x1" },
    { "ENTER has two immediates", true, CODE(0xc8, 0x10, 0x80, 0x03), "enter word 0x8010, byte 0x8010" },
    { "RET n", true, CODE(0xc2, 0x08, 0x80), "ret word 0x8008" },
    { "INT n", true, CODE(0xcd, 0x80), "int byte 0x80" },
    { "SHLD by an immediate", true, CODE(0x0f, 0xa4, 0xd0, 0x04), "shld eax, edx, byte 0x4" },
    { "SHRD by CL", true, CODE(0x0f, 0xad, 0xd0), "shrd eax, edx, cl" },

    /* Branches */
    { "Jcc short", true, CODE(0x75, 0xfe), "jcc.5 -2" },
    { "Jcc near", true, CODE(0x0f, 0x8f, 0, 1, 0, 0), "jcc.15 +256" },
    { "Jcc near with 66", true, CODE(0x66, 0x0f, 0x84, 0xfe, 0xff), "jcc.4 -2" },
    { "CALL in 16-bit code", false, CODE(0xe8, 0x00, 0x80), "call -32768" },
    { "far JMP", true, CODE(0xea, 0x78, 0x56, 0x34, 0x12, 0x08, 0x00), "ljmp fword 0x8:0x12345678" },
    { "far CALL in 16-bit code", false, CODE(0x9a, 0x34, 0x12, 0x00, 0xf0), "lcall dword 0xf000:0x1234" },
    { "indirect CALL", true, CODE(0xff, 0x14, 0x85, 0, 0, 0, 0xc0), "call dword[ds:eax*4+0xc0000000]" },
    { "indirect far JMP", true, CODE(0xff, 0x28), "ljmp fword[ds:eax]" },
    { "indirect far JMP in 16-bit code", false, CODE(0xff, 0x2f), "ljmp dword[ds:bx]" },
    { "LOOP", true, CODE(0xe2, 0xf0), "loop -16" },

    /* Segments, system registers */
    { "MOV from a segment register", true, CODE(0x8c, 0xd8), "mov eax, ds" },
    { "to memory it is 16-bit", true, CODE(0x8c, 0x18), "mov word[ds:eax], ds" },
    { "MOV to a segment register", true, CODE(0x8e, 0xe8), "mov gs, ax" },
    { "PUSH FS", true, CODE(0x0f, 0xa0), "push fs" },
    { "LES", true, CODE(0xc4, 0x18), "les ebx, fword[ds:eax]" },
    { "LDS in 16-bit code", false, CODE(0xc5, 0x36, 0x34, 0x12), "lds si, dword[ds:0x1234]" },
    { "BOUND", true, CODE(0x62, 0x08), "bound ecx, qword[ds:eax]" },
    { "BOUND in 16-bit code", false, CODE(0x62, 0x0f), "bound cx, dword[ds:bx]" },
    { "MOV from CR0", true, CODE(0x0f, 0x20, 0xc3), "mov ebx, cr0" },
    { "MOV to CR3 ignores mod", true, CODE(0x0f, 0x22, 0x1c), "mov cr3, esp" },
    { "and 66", true, CODE(0x66, 0x0f, 0x22, 0xd8), "mov cr3, eax" },
    { "MOV to DR7", true, CODE(0x0f, 0x23, 0xf8), "mov dr7, eax" },
    { "MOV to a 486 test register", true, CODE(0x0f, 0x26, 0xf0), "mov tr6, eax" },
    { "LGDT", true, CODE(0x0f, 0x01, 0x15, 0x78, 0x56, 0x34, 0x12), "lgdt fword[ds:0x12345678]" },
    { "SMSW to a register", true, CODE(0x0f, 0x01, 0xe0), "smsw eax" },
    { "SMSW to memory is 16-bit", true, CODE(0x0f, 0x01, 0x20), "smsw word[ds:eax]" },
    { "LMSW", true, CODE(0x0f, 0x01, 0xf0), "lmsw ax" },
    { "INVLPG", true, CODE(0x0f, 0x01, 0x38), "invlpg byte[ds:eax]" },
    { "VERR", true, CODE(0x0f, 0x00, 0xe0), "verr ax" },
    { "IN by DX", true, CODE(0x66, 0xed), "in ax, dx" },
    { "OUT by a port number", true, CODE(0xe6, 0xf4), "out byte 0xf4, al" },

    /* Strings */
    { "MOVS takes an override on its source only", true,
      CODE(0x64, 0xa5), "movs dword[es:edi], dword[fs:esi]" },
    { "CMPS reads the source first", true, CODE(0xa6), "cmps byte[ds:esi], byte[es:edi]" },
    { "INS by 16-bit address", false, CODE(0xf3, 0x6d), "rep ins word[es:di], dx" },
    { "OUTS", true, CODE(0x6e), "outs dx, byte[ds:esi]" },
    { "STOS", true, CODE(0xf3, 0xab), "rep stos dword[es:edi], eax" },
    { "LODS", true, CODE(0x66, 0xad), "lods ax, word[ds:esi]" },
    { "XLAT", true, CODE(0x2e, 0xd7), "xlat byte[cs:ebx]" },

    /* LOCK and F3 */
    { "LOCK XADD", true, CODE(0xf0, 0x0f, 0xc1, 0x08), "lock xadd dword[ds:eax], ecx" },
    { "LOCK CMPXCHG8B", true, CODE(0xf0, 0x0f, 0xc7, 0x0e), "lock cmpxchg8b qword[ds:esi]" },
    { "LOCK BTS", true, CODE(0xf0, 0x0f, 0xba, 0x28, 0x07), "lock bts dword[ds:eax], byte 0x7" },
    { "LOCK needs memory", true, CODE(0xf0, 0x01, 0xc8), "bad-lock add eax, ecx" },
    { "LOCK needs a memory destination", true, CODE(0xf0, 0x03, 0x08), "bad-lock add ecx, dword[ds:eax]" },
    { "LOCK on XCHG", true, CODE(0xf0, 0x86, 0x08), "lock xchg byte[ds:eax], cl" },
    { "no LOCK on CMP", true, CODE(0xf0, 0x38, 0x08), "bad-lock cmp byte[ds:eax], cl" },
    { "no LOCK on BT", true, CODE(0xf0, 0x0f, 0xa3, 0x08), "bad-lock bt dword[ds:eax], ecx" },
    { "F3 90 is PAUSE", true, CODE(0xf3, 0x90), "rep pause" },
    { "66 90 is NOP", true, CODE(0x66, 0x90), "nop" },
    { "F3 BSF is BSF", true, CODE(0xf3, 0x0f, 0xbc, 0xc1), "rep bsf eax, ecx" },
    { "F3 BSR is BSR", true, CODE(0xf3, 0x0f, 0xbd, 0xc1), "rep bsr eax, ecx" },
    { "POPCNT", true, CODE(0xf3, 0x0f, 0xb8, 0xc1), "popcnt eax, ecx" },
    { "hints are NOP", true, CODE(0x0f, 0x1f, 0x44, 0x00, 0x00), "nop dword[ds:eax+eax*1]" },
    { "ENDBR32 is one of them", true, CODE(0xf3, 0x0f, 0x1e, 0xfb), "rep nop ebx" },

    /* x87 */
    { "FADD m32", true, CODE(0xd8, 0x00), "fadd dword[ds:eax]" },
    { "FADD to ST0", true, CODE(0xd8, 0xc3), "fadd st0, st3" },
    { "FADD from ST0", true, CODE(0xdc, 0xc3), "fadd st3, st0" },
    { "FSUBR and FSUB cross over in DC", true, CODE(0xdc, 0xe1), "fsubr st1, st0" },
    { "FDIVP", true, CODE(0xde, 0xf9), "fdivp st1, st0" },
    { "FLD m80", true, CODE(0xdb, 0x28), "fld tword[ds:eax]" },
    { "FILD m64", true, CODE(0xdf, 0x28), "fild qword[ds:eax]" },
    { "FBSTP", true, CODE(0xdf, 0x30), "fbstp tword[ds:eax]" },
    { "FCMOVNBE", true, CODE(0xdb, 0xd2), "fcmovcc.7 st0, st2" },
    { "FCMOVU", true, CODE(0xda, 0xd9), "fcmovcc.10 st0, st1" },
    { "FNSTSW AX", true, CODE(0xdf, 0xe0), "fnstsw ax" },
    { "FNSTENV", true, CODE(0xd9, 0x75, 0x00), "fnstenv any[ss:ebp]" },
    { "FNINIT", true, CODE(0xdb, 0xe3), "fninit" },
    { "FSIN", true, CODE(0xd9, 0xfe), "fsin" },

    /* MMX, SSE */
    { "no prefix: MMX", true, CODE(0x0f, 0xfc, 0xc1), "paddb mm0, mm1" },
    { "66: SSE2", true, CODE(0x66, 0x0f, 0xfc, 0x08), "paddb xmm1, oword[ds:eax]" },
    { "F3 beats 66", true, CODE(0x66, 0xf3, 0x0f, 0x10, 0x08), "movss xmm1, dword[ds:eax]" },
    { "in whatever order", true, CODE(0xf2, 0x66, 0x0f, 0x10, 0x08), "movsd xmm1, qword[ds:eax]" },
    { "MOVLPS with a register is MOVHLPS", true, CODE(0x0f, 0x12, 0xc1), "movhlps xmm0, xmm1" },
    { "MOVLPS", true, CODE(0x0f, 0x12, 0x00), "movlps xmm0, qword[ds:eax]" },
    { "CVTSI2SD", true, CODE(0xf2, 0x0f, 0x2a, 0xc1), "cvtsi2sd xmm0, ecx" },
    { "CVTTSS2SI", true, CODE(0xf3, 0x0f, 0x2c, 0x00), "cvttss2si eax, dword[ds:eax]" },
    { "MOVD from MMX", true, CODE(0x0f, 0x7e, 0xc1), "movd ecx, mm0" },
    { "MOVQ2DQ", true, CODE(0xf3, 0x0f, 0xd6, 0xc1), "movq2dq xmm0, mm1" },
    { "PINSRW", true, CODE(0x66, 0x0f, 0xc4, 0x00, 0x07), "pinsrw xmm0, word[ds:eax], byte 0x7" },
    { "PSRLDQ", true, CODE(0x66, 0x0f, 0x73, 0xd9, 0x04), "psrldq xmm1, byte 0x4" },
    { "PSRLQ of MMX", true, CODE(0x0f, 0x73, 0xd1, 0x20), "psrlq mm1, byte 0x20" },
    { "CMPSD is not the string instruction", true,
      CODE(0xf2, 0x0f, 0xc2, 0xc1, 0x01), "cmpsd xmm0, xmm1, byte 0x1" },
    { "FXSAVE", true, CODE(0x0f, 0xae, 0x00), "fxsave any[ds:eax]" },
    { "LDMXCSR", true, CODE(0x0f, 0xae, 0x10), "ldmxcsr dword[ds:eax]" },
    { "SFENCE ignores ModRM.rm", true, CODE(0x0f, 0xae, 0xff), "sfence" },
    { "CLFLUSH", true, CODE(0x0f, 0xae, 0x38), "clflush byte[ds:eax]" },
    { "MASKMOVQ stores at EDI", true, CODE(0x64, 0x0f, 0xf7, 0xc1), "maskmovq mm0, mm1, qword[fs:edi]" },
    { "PSHUFB", true, CODE(0x66, 0x0f, 0x38, 0x00, 0xc1), "pshufb xmm0, xmm1" },
    { "PALIGNR of MMX", true, CODE(0x0f, 0x3a, 0x0f, 0xc1, 0x03), "palignr mm0, mm1, byte 0x3" },
    { "BLENDVPS names XMM0", true, CODE(0x66, 0x0f, 0x38, 0x14, 0xca), "blendvps xmm1, xmm2, xmm0" },
    { "PMOVZXBQ reads two bytes", true, CODE(0x66, 0x0f, 0x38, 0x32, 0x08), "pmovzxbq xmm1, word[ds:eax]" },
    { "CRC32 of a byte", true, CODE(0xf2, 0x0f, 0x38, 0xf0, 0xc1), "crc32 eax, cl" },
    { "CRC32 of a word", true, CODE(0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc1), "crc32 eax, cx" },
    { "MOVBE", true, CODE(0x0f, 0x38, 0xf0, 0x00), "movbe eax, dword[ds:eax]" },
    { "MOVBE of a word", true, CODE(0x66, 0x0f, 0x38, 0xf1, 0x00), "movbe word[ds:eax], ax" },
    { "XADD BSWAP BT", true, CODE(0x0f, 0xcf), "bswap edi" },

    /* Known, but of no processor we model */
    { "VEX of two bytes", true, CODE(0xc5, 0xf8, 0x10, 0x44, 0x24, 0x04), "(vex)" },
    { "VZEROUPPER has no ModRM", true, CODE(0xc5, 0xf8, 0x77), "(vex)" },
    { "VEX of three bytes with an immediate", true, CODE(0xc4, 0xe3, 0x7d, 0x0f, 0xc1, 0x04), "(vex)" },
    { "EVEX", true, CODE(0x62, 0xf1, 0x7c, 0x48, 0x10, 0x40, 0x01), "(evex)" },
    { "XOP", true, CODE(0x8f, 0xe9, 0x78, 0x81, 0xc1), "(xop)" },
    { "3DNow!", true, CODE(0x0f, 0x0f, 0x00, 0xb4), "(3dnow) mm0, qword[ds:eax], byte 0xb4" },
    { "UD1 has a ModRM", true, CODE(0x0f, 0xb9, 0x44, 0x24, 0x04), "ud1 eax, dword[ss:esp+0x4]" },
    { "UD0 has a ModRM", true, CODE(0x0f, 0xff, 0xc0), "ud0 eax, eax" },
};
/* clang-format on */

START_TEST(decodes_row)
{
    const struct row *row = &rows[_i];
    uint8_t bytes[CASE_BYTES];
    char listing[160];
    struct insn insn;

    memset(bytes, 0x24, sizeof(bytes));
    memcpy(bytes, row->bytes, row->length);
    ck_assert_msg(x86_decode(bytes, sizeof(bytes), row->code32, &insn) == X86_DECODE_OK, "%s", row->name);
    print_insn(listing, &insn);
    ck_assert_msg(strcmp(listing, row->listing) == 0, "%s: %s", row->name, listing);
    ck_assert_msg(insn.length == row->length, "%s: %u bytes", row->name, insn.length);
    ck_assert_msg(x86_decode(bytes, row->length, row->code32, &insn) == X86_DECODE_OK, "%s: alone",
                  row->name);
}
END_TEST

static const struct {
    const char *name;
    uint8_t bytes[15];
    unsigned length;
} invalid[] = {
    { "undefined two-byte opcode", CODE(0x0f, 0x04) },
    { "undefined three-byte opcode", CODE(0x0f, 0x38, 0x0c) },
    { "LEA of a register", CODE(0x8d, 0xc0) },
    { "MOV to CS", CODE(0x8e, 0xc8) },
    { "MOV from segment register 6", CODE(0x8c, 0xf0) },
    { "MOV from CR1", CODE(0x0f, 0x20, 0xc8) },
    { "8F /4", CODE(0x8f, 0x20) },
    { "FE /2", CODE(0xfe, 0xd0) },
    { "FF /7", CODE(0xff, 0xf8) },
    { "far CALL through a register", CODE(0xff, 0xd8) },
    { "C6 /1", CODE(0xc6, 0xc8) },
    { "0F BA /3", CODE(0x0f, 0xba, 0xd8) },
    { "LSS of a register", CODE(0x0f, 0xb2, 0xc0) },
    { "CMPXCHG8B of a register", CODE(0x0f, 0xc7, 0xc8) },
    { "LGDT of a register", CODE(0x0f, 0x01, 0xd2) },
    { "D9 D1", CODE(0xd9, 0xd1) },
    { "DB E5, of the 287 only", CODE(0xdb, 0xe5) },
    { "JMPE", CODE(0x0f, 0xb8) },
    { "F3 with an opcode that takes none", CODE(0xf3, 0x0f, 0x54) },
    { "F3 makes 66 void", CODE(0xf3, 0x66, 0x0f, 0x6c) },
    { "66 LDMXCSR", CODE(0x66, 0x0f, 0xae, 0x10) },
    { "MOVNTPS to a register", CODE(0x0f, 0x2b, 0xc0) },
    { "PMOVMSKB from memory", CODE(0x0f, 0xd7, 0x00) },
    { "VEX of map 0", CODE(0xc4, 0xe0, 0x78) },
};

START_TEST(refuses_row)
{
    uint8_t bytes[CASE_BYTES] = { 0 };
    struct insn insn;

    memcpy(bytes, invalid[_i].bytes, invalid[_i].length);
    ck_assert_msg(x86_decode(bytes, sizeof(bytes), true, &insn) == X86_DECODE_INVALID, "%s",
                  invalid[_i].name);
    ck_assert_msg(insn.length == invalid[_i].length, "%s: looked at %u", invalid[_i].name, insn.length);
    ck_assert_uint_eq(insn.op, X86_BAD);
    ck_assert_uint_eq(insn.class_, X86_INVALID);
}
END_TEST

START_TEST(fifteen_bytes_is_the_limit)
{
    uint8_t bytes[CASE_BYTES];
    struct insn insn;

    memset(bytes, 0x66, sizeof(bytes));
    ck_assert_int_eq(x86_decode(bytes, sizeof(bytes), true, &insn), X86_DECODE_TOO_LONG);
    ck_assert_int_eq(x86_decode(bytes, 15, true, &insn), X86_DECODE_TOO_LONG);
    ck_assert_int_eq(x86_decode(bytes, 14, true, &insn), X86_DECODE_MORE);
    bytes[13] = 0x05; /* ADD AX, Iw: 16 bytes */
    ck_assert_int_eq(x86_decode(bytes, sizeof(bytes), true, &insn), X86_DECODE_TOO_LONG);
    ck_assert_int_eq(x86_decode(bytes, 14, true, &insn), X86_DECODE_MORE);
    bytes[12] = 0x05; /* 15 bytes */
    ck_assert_int_eq(x86_decode(bytes, sizeof(bytes), true, &insn), X86_DECODE_OK);
    ck_assert_uint_eq(insn.length, 15);
    bytes[14] = 0x0f; /* the opcode would be the 16th byte */
    bytes[12] = bytes[13] = 0x66;
    ck_assert_int_eq(x86_decode(bytes, sizeof(bytes), true, &insn), X86_DECODE_TOO_LONG);
}
END_TEST

START_TEST(far_pointer_and_enter_fill_imm2)
{
    const uint8_t far_jump[] = { 0xea, 1, 2, 3, 4, 0x10, 0x00 }, enter[] = { 0xc8, 0x20, 0x00, 0x1f };
    struct insn insn;

    ck_assert_int_eq(x86_decode(far_jump, sizeof(far_jump), true, &insn), X86_DECODE_OK);
    ck_assert_uint_eq(insn.imm2, 0x10);
    ck_assert_int_eq(x86_decode(enter, sizeof(enter), true, &insn), X86_DECODE_OK);
    ck_assert_uint_eq(insn.imm, 0x20);
    ck_assert_uint_eq(insn.imm2, 0x1f);
}
END_TEST

/* Two pages, the second unreadable: code put against its edge faults when read past. */
static uint8_t *edge_of_memory(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + page, page, PROT_NONE), 0);
    return memory + page;
}

struct truncation {
    uint8_t *edge;
    unsigned long cases;
};

/* Every field; padding has no say. */
static bool same_insn(const struct insn *a, const struct insn *b)
{
    return memcmp(a, b, offsetof(struct insn, scale) + sizeof(a->scale)) == 0 && a->disp == b->disp &&
           a->imm == b->imm && a->imm2 == b->imm2 && memcmp(a->opnd, b->opnd, sizeof(a->opnd)) == 0;
}

/* Given fewer bytes than the instruction has: MORE, without reading on. Given just them: the same as ever. */
static bool truncate_case(const struct decode_case *c, void *context)
{
    struct truncation *t = context;
    struct insn whole, again;
    enum x86_decode_status status = x86_decode(c->bytes, CASE_BYTES, c->code32, &whole);

    if (status == X86_DECODE_MORE || status == X86_DECODE_TOO_LONG)
        ck_abort_msg("%s: status %d", decode_case_text(c->bytes, 15), status);
    t->cases++;
    for (unsigned avail = 0; avail <= whole.length; avail++) {
        enum x86_decode_status cut;

        memcpy(t->edge - avail, c->bytes, avail);
        cut = x86_decode(t->edge - avail, avail, c->code32, &again);
        if (cut != (avail < whole.length ? X86_DECODE_MORE : status) ||
            (cut == X86_DECODE_OK && !same_insn(&again, &whole)))
            ck_abort_msg("%s: %u bytes of %u: status %d", decode_case_text(c->bytes, 15), avail, whole.length,
                         cut);
    }
    return true;
}

START_TEST(truncated_instructions_want_more)
{
    struct truncation t = { .edge = edge_of_memory() };
    unsigned step = getenv("D86_LONG") ? 1 : 3;

    for (unsigned map = 0; map < 4; map++) {
        for (size_t i = 0; i < decode_prefix_set_count; i++)
            decode_cases_walk(map, &decode_prefix_sets[i], _i, step, truncate_case, &t);
    }
    ck_assert_uint_gt(t.cases, 500000);
}
END_TEST

/*
 * The lists against the decoder. Each OP and EXT row, given a ModRM for memory and one for a register, must
 * decode to its name in at least one of them; and each name in opcode_names.h must stand in some row.
 */
static bool row_decodes(unsigned map, uint8_t opcode, unsigned op)
{
    static const uint8_t modrms[] = { 0x00, 0xc0 };

    for (size_t i = 0; i < ARRAY_SIZE(modrms); i++) {
        uint8_t bytes[CASE_BYTES] = { 0x0f, opcode, modrms[i] };
        struct insn insn;
        const uint8_t *start = bytes + (map == 0);

        if (x86_decode(start, X86_INSN_MAX, true, &insn) == X86_DECODE_OK && insn.op == op &&
            insn.map == map && insn.opcode == opcode)
            return true;
    }
    return false;
}

START_TEST(rows_decode_to_their_names)
{
#define OP(opcode, name, ...) ck_assert_msg(row_decodes(0, opcode, X86_##name), "%s %s", #opcode, #name);
#define EXT                   OP
#define VEX                   OP
#include "opcodes_one_byte.inc"
#define OP(opcode, name, ...) ck_assert_msg(row_decodes(1, opcode, X86_##name), "0f %s %s", #opcode, #name);
#define EXT                   OP
#include "opcodes_0f.inc"
}
END_TEST

static bool named[X86_OP_COUNT];

#define NAME(name)   named[X86_##name] = true;
#define F(name, ...) NAME(name)
#define L(name, ...) NAME(name)
#define MODS(pair)
#define UD
#define BOTH(reg, name, ...) NAME(name)
#define MEM(reg, name, ...)  NAME(name)
#define REG(reg, name, ...)  NAME(name)
#define RMS(reg, list)
#define BY_RM(rm, name, ...) NAME(name)

START_TEST(every_name_stands_in_some_row)
{
#define OP(opcode, name, ...)             NAME(name)
#define EXT(opcode, name, ...)            NAME(name)
#define VEX(opcode, name, ...)            NAME(name)
#define SIMD(opcode, none, p66, pf3, pf2) none p66 pf3 pf2
#define GROUP(opcode, list, a, b)         list(a, b)
#include "opcodes_one_byte.inc"
#define OP(opcode, name, ...)               NAME(name)
#define EXT(opcode, name, ...)              NAME(name)
#define SIMD(opcode, none, p66, pf3, pf2)   none p66 pf3 pf2
#define GROUP(opcode, list, a, b)           list(a, b)
#define GROUPS(opcode, none, p66, pf3, pf2) none(xx, xx) p66(xx, xx) pf3(xx, xx) pf2(xx, xx)
#include "opcodes_0f.inc"
#define SIMD(opcode, none, p66, pf3, pf2) none p66 pf3 pf2
#include "opcodes_0f38.inc"
#define SIMD(opcode, none, p66, pf3, pf2) none p66 pf3 pf2
#include "opcodes_0f3a.inc"
#define RM_LIST(name, rows) rows
    X86_RM_LISTS(RM_LIST)
#define MOD_PAIR(name, memory, reg) memory reg
    X86_MOD_PAIRS(MOD_PAIR)
    /* These three have no rows: the rows they hide behind are VEX rows. */
    named[X86_VEX] = named[X86_EVEX] = named[X86_XOP] = true;
    for (unsigned op = 0; op < X86_OP_COUNT; op++)
        ck_assert_msg(named[op], "no row for %s", x86_op_name(op));
}
END_TEST

START_TEST(names_are_never_null)
{
    for (unsigned op = 0; op < X86_OP_COUNT + 2; op++)
        ck_assert_ptr_nonnull(x86_op_name(op));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tcase = tcase_create("decode");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, decodes_row, 0, ARRAY_SIZE(rows));
    tcase_add_loop_test(tcase, refuses_row, 0, ARRAY_SIZE(invalid));
    tcase_add_test(tcase, fifteen_bytes_is_the_limit);
    tcase_add_test(tcase, far_pointer_and_enter_fill_imm2);
    tcase_add_loop_test(tcase, truncated_instructions_want_more, 0, 2);
    tcase_add_test(tcase, rows_decode_to_their_names);
    tcase_add_test(tcase, every_name_stands_in_some_row);
    tcase_add_test(tcase, names_are_never_null);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
