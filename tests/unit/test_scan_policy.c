/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scanner's policy: a row for every class of instruction, and that no sensitive form of the opcode tables
 * is without a reason.
 */
#include "decode_cases.h"

#include "translator/decode.h"
#include "translator/scan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ISA(name)     (1u << X86_ISA_##name)

enum {
    USER = SCAN_CODE32 | SCAN_CR4_OSFXSR,
    KERNEL = USER | SCAN_CPL0,
    APART = USER | SCAN_DATA_APART,
};

struct row {
    const char *name;
    uint8_t bytes[X86_INSN_MAX + 1];
    uint32_t bits;
    uint32_t lacks; /* of the instruction sets */
    enum scan_action action;
    enum scan_reason reason;
    enum scan_flow flow;
};

/* clang-format off */
static const struct row rows[] = {
    { "an addition", { 0x01, 0xd8 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "a near call goes both ways", { 0xe8, 1, 2, 3, 4 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_BRANCH },
    { "a near jump", { 0xeb, 0 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_JUMP },
    { "a conditional jump", { 0x0f, 0x84, 0, 0, 0, 0 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_BRANCH },
    { "loop", { 0xe2, 0xfe }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_BRANCH },
    { "an indirect jump", { 0xff, 0xe0 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_STOP },
    { "an indirect call comes back", { 0xff, 0xd0 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "ret", { 0xc3 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_STOP },
    { "push ds", { 0x1e }, USER, 0, SCAN_REPLACE, SCAN_SELECTOR_READ, SCAN_FLOW_NEXT },
    { "push gs", { 0x0f, 0xa8 }, USER, 0, SCAN_REPLACE, SCAN_SELECTOR_READ, SCAN_FLOW_NEXT },
    { "mov eax, cs", { 0x8c, 0xc8 }, USER, 0, SCAN_REPLACE, SCAN_SELECTOR_READ, SCAN_FLOW_NEXT },
    { "mov ds, eax", { 0x8e, 0xd8 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "pop ss", { 0x17 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "pop fs", { 0x0f, 0xa1 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "les", { 0xc4, 0x00 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "lds", { 0xc5, 0x00 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "lss", { 0x0f, 0xb2, 0x00 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "lgs", { 0x0f, 0xb5, 0x00 }, USER, 0, SCAN_REPLACE, SCAN_SEGMENT_LOAD, SCAN_FLOW_NEXT },
    { "call far", { 0x9a, 0, 0, 0, 0, 0x33, 0 }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_NEXT },
    { "jmp far", { 0xea, 0, 0, 0, 0, 0x33, 0 }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "jmp far, harmless selector", { 0xea }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "call far [eax]", { 0xff, 0x18 }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_NEXT },
    { "jmp far [eax]", { 0xff, 0x28 }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "retf", { 0xcb }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "retf 8", { 0xca, 8, 0 }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "iret", { 0xcf }, USER, 0, SCAN_REPLACE, SCAN_FAR_TRANSFER, SCAN_FLOW_STOP },
    { "int 0x80 comes back", { 0xcd, 0x80 }, USER, 0, SCAN_REPLACE, SCAN_INTERRUPT, SCAN_FLOW_NEXT },
    { "int3", { 0xcc }, USER, 0, SCAN_REPLACE, SCAN_INTERRUPT, SCAN_FLOW_NEXT },
    { "into", { 0xce }, USER, 0, SCAN_REPLACE, SCAN_INTERRUPT, SCAN_FLOW_NEXT },
    { "int1", { 0xf1 }, USER, 0, SCAN_REPLACE, SCAN_INTERRUPT, SCAN_FLOW_NEXT },
    { "sysenter", { 0x0f, 0x34 }, USER, 0, SCAN_REPLACE, SCAN_SYSTEM_CALL, SCAN_FLOW_NEXT },
    { "syscall belongs to AMD", { 0x0f, 0x05 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "sysexit faults", { 0x0f, 0x35 }, USER, 0, SCAN_FAULTS, SCAN_SYSTEM_CALL, SCAN_FLOW_STOP },
    { "sysexit in ring 0", { 0x0f, 0x35 }, KERNEL, 0, SCAN_REPLACE, SCAN_SYSTEM_CALL, SCAN_FLOW_STOP },
    { "pushf, same flags", { 0x9c }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "pushf, other flags", { 0x9c }, USER | SCAN_FLAGS_DIFFER, 0, SCAN_REPLACE, SCAN_FLAGS, SCAN_FLOW_NEXT },
    { "popf, other flags", { 0x9d }, USER | SCAN_FLAGS_DIFFER, 0, SCAN_REPLACE, SCAN_FLAGS, SCAN_FLOW_NEXT },
    { "popf in ring 0", { 0x9d }, KERNEL, 0, SCAN_REPLACE, SCAN_FLAGS, SCAN_FLOW_NEXT },
    { "cli faults", { 0xfa }, USER, 0, SCAN_FAULTS, SCAN_INTERRUPT_FLAG, SCAN_FLOW_NEXT },
    { "cli with IOPL 3", { 0xfa }, USER | SCAN_IO_ALLOWED, 0, SCAN_REPLACE, SCAN_INTERRUPT_FLAG, SCAN_FLOW_NEXT },
    { "sti in ring 0", { 0xfb }, KERNEL, 0, SCAN_REPLACE, SCAN_INTERRUPT_FLAG, SCAN_FLOW_NEXT },
    { "sgdt", { 0x0f, 0x01, 0x00 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "sidt", { 0x0f, 0x01, 0x08 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "sldt", { 0x0f, 0x00, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "str", { 0x0f, 0x00, 0xc8 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "smsw", { 0x0f, 0x01, 0xe0 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "lar", { 0x0f, 0x02, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "lsl", { 0x0f, 0x03, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "verr", { 0x0f, 0x00, 0xe0 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "verw", { 0x0f, 0x00, 0xe8 }, USER, 0, SCAN_REPLACE, SCAN_TABLES, SCAN_FLOW_NEXT },
    { "cpuid", { 0x0f, 0xa2 }, USER, 0, SCAN_REPLACE, SCAN_IDENTITY, SCAN_FLOW_NEXT },
    { "rdtsc", { 0x0f, 0x31 }, USER, 0, SCAN_REPLACE, SCAN_TIME, SCAN_FLOW_NEXT },
    { "rdtsc of the host", { 0x0f, 0x31 }, USER | SCAN_TSC_NATIVE, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "rdtsc with CR4.TSD", { 0x0f, 0x31 }, USER | SCAN_TSC_NATIVE | SCAN_CR4_TSD, 0, SCAN_REPLACE, SCAN_TIME, SCAN_FLOW_NEXT },
    { "ring 0 heeds no TSD", { 0x0f, 0x31 }, KERNEL | SCAN_TSC_NATIVE | SCAN_CR4_TSD, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "rdpmc", { 0x0f, 0x33 }, USER, 0, SCAN_REPLACE, SCAN_TIME, SCAN_FLOW_NEXT },
    { "in faults", { 0xec }, USER, 0, SCAN_FAULTS, SCAN_IO, SCAN_FLOW_NEXT },
    { "out with IOPL 3", { 0xee }, USER | SCAN_IO_ALLOWED, 0, SCAN_REPLACE, SCAN_IO, SCAN_FLOW_NEXT },
    { "rep insb with IOPL 3", { 0xf3, 0x6c }, USER | SCAN_IO_ALLOWED, 0, SCAN_REPLACE, SCAN_IO, SCAN_FLOW_NEXT },
    { "outs in ring 0", { 0x6f }, KERNEL, 0, SCAN_REPLACE, SCAN_IO, SCAN_FLOW_NEXT },
    { "hlt faults", { 0xf4 }, USER, 0, SCAN_FAULTS, SCAN_PRIVILEGED, SCAN_FLOW_NEXT },
    { "hlt in ring 0", { 0xf4 }, KERNEL, 0, SCAN_REPLACE, SCAN_PRIVILEGED, SCAN_FLOW_NEXT },
    { "mov cr3 faults", { 0x0f, 0x22, 0xd8 }, USER, 0, SCAN_FAULTS, SCAN_PRIVILEGED, SCAN_FLOW_NEXT },
    { "mov cr3 in ring 0", { 0x0f, 0x22, 0xd8 }, KERNEL, 0, SCAN_REPLACE, SCAN_PRIVILEGED, SCAN_FLOW_NEXT },
    { "x87", { 0xd9, 0xe8 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "x87 with TS", { 0xd9, 0xe8 }, USER | SCAN_CR0_TS, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "x87 with EM", { 0xd9, 0xe8 }, USER | SCAN_CR0_EM, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "fwait needs MP", { 0x9b }, USER | SCAN_CR0_TS, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "fwait with MP", { 0x9b }, USER | SCAN_CR0_TS | SCAN_CR0_MP, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "MMX with TS", { 0x0f, 0x6f, 0xc1 }, USER | SCAN_CR0_TS, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "emms with EM", { 0x0f, 0x77 }, USER | SCAN_CR0_EM, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "SSE with TS", { 0x0f, 0x58, 0xc1 }, USER | SCAN_CR0_TS, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "SSE without OSFXSR", { 0x0f, 0x58, 0xc1 }, SCAN_CODE32, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "ldmxcsr without OSFXSR", { 0x0f, 0xae, 0x10 }, SCAN_CODE32, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "fxsave with TS", { 0x0f, 0xae, 0x00 }, USER | SCAN_CR0_TS, 0, SCAN_REPLACE, SCAN_FPU, SCAN_FLOW_NEXT },
    { "SSE on MMX without OSFXSR", { 0x0f, 0xe0, 0xc1 }, SCAN_CODE32, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "prefetch with TS", { 0x0f, 0x18, 0x00 }, USER | SCAN_CR0_TS, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "movnti with TS, no OSFXSR", { 0x0f, 0xc3, 0x00 }, SCAN_CODE32 | SCAN_CR0_TS, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "sfence with EM", { 0x0f, 0xae, 0xf8 }, USER | SCAN_CR0_EM, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "popcnt with TS", { 0xf3, 0x0f, 0xb8, 0xc1 }, USER | SCAN_CR0_TS, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "cmov the model lacks", { 0x0f, 0x44, 0xc1 }, USER, ISA(CMOV), SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "fcmov without an x87", { 0xda, 0xc1 }, USER, ISA(X87), SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "SSE2 the model lacks", { 0x66, 0x0f, 0x58, 0xc1 }, USER, ISA(SSE2), SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "popcnt the model lacks", { 0xf3, 0x0f, 0xb8, 0xc1 }, USER, ISA(POPCNT), SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "movbe the model lacks", { 0x0f, 0x38, 0xf0, 0x00 }, USER, ISA(MOVBE), SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "AVX", { 0xc5, 0xf8, 0x77 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "BMI", { 0xc4, 0xe2, 0x78, 0xf2, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "AVX-512", { 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "rdrand", { 0x0f, 0xc7, 0xf0 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "xgetbv", { 0x0f, 0x01, 0xd0 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "wrpkru", { 0x0f, 0x01, 0xef }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "rdpkru", { 0x0f, 0x01, 0xee }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "xrstor", { 0x0f, 0xae, 0x28 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "xsave", { 0x0f, 0xae, 0x20 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "rdpid", { 0xf3, 0x0f, 0xc7, 0xf8 }, USER, 0, SCAN_REPLACE, SCAN_ABSENT, SCAN_FLOW_STOP },
    { "tzcnt is bsf", { 0xf3, 0x0f, 0xbc, 0xc1 }, USER, 0, SCAN_RECODE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "lzcnt is bsr", { 0x66, 0xf3, 0x0f, 0xbd, 0xc1 }, USER, 0, SCAN_RECODE, SCAN_ABSENT, SCAN_FLOW_NEXT },
    { "bsf", { 0x0f, 0xbc, 0xc1 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "ud2", { 0x0f, 0x0b }, USER, 0, SCAN_REPLACE, SCAN_UNDEFINED, SCAN_FLOW_STOP },
    { "ud1", { 0x0f, 0xb9, 0xc0 }, USER, 0, SCAN_REPLACE, SCAN_UNDEFINED, SCAN_FLOW_STOP },
    { "no instruction", { 0x0f, 0x0a }, USER, 0, SCAN_REPLACE, SCAN_UNDEFINED, SCAN_FLOW_STOP },
    { "mov eax, cs:[ebx]", { 0x2e, 0x8b, 0x03 }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "mov eax, cs:[ebx], data apart", { 0x2e, 0x8b, 0x03 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_NEXT },
    { "mov eax, [ebx], data apart", { 0x8b, 0x03 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "jmp cs:[table + 4*eax], data apart", { 0x2e, 0xff, 0x24, 0x85, 0, 0, 0, 8 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_STOP },
    { "movs from cs, data apart", { 0x2e, 0xa4 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_NEXT },
    { "stos has no cs, data apart", { 0x2e, 0xaa }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "stosd, es at zero", { 0xab }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "rep movsb, es at zero", { 0xf3, 0xa4 }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "cmpsb, es at zero", { 0xa6 }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "repne scasb, es at zero", { 0xf2, 0xae }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "lodsd, es at zero", { 0xad }, APART | SCAN_ES_AT_ZERO, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "lods from es, es at zero", { 0x26, 0xad }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "mov eax, es:[ebx], es at zero", { 0x26, 0x8b, 0x03 }, APART | SCAN_ES_AT_ZERO, 0, SCAN_REPLACE, SCAN_STRING, SCAN_FLOW_NEXT },
    { "lea of es, es at zero", { 0x26, 0x8d, 0x03 }, APART | SCAN_ES_AT_ZERO, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "movs, data apart only", { 0xa4 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "xlat of cs, data apart", { 0x2e, 0xd7 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_NEXT },
    { "fld of cs, data apart", { 0x2e, 0xd9, 0x00 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_NEXT },
    { "mov eax, cs:moffs, data apart", { 0x2e, 0xa1, 0, 0, 0, 8 }, APART, 0, SCAN_REPLACE, SCAN_CS_OPERAND, SCAN_FLOW_NEXT },
    { "lea accesses nothing, data apart", { 0x2e, 0x8d, 0x03 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "a long nop, data apart", { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "a branch hint, data apart", { 0x2e, 0x75, 0x03 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_BRANCH },
    { "registers alone, data apart", { 0x2e, 0x89, 0xc8 }, APART, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
    { "endbr32 is a no-operation", { 0xf3, 0x0f, 0x1e, 0xfb }, USER, 0, SCAN_KEEP, SCAN_NO_REASON, SCAN_FLOW_NEXT },
};
/* clang-format on */

START_TEST(decides_row)
{
    const struct row *row = &rows[_i];
    struct scan_mode mode = { row->bits, ~row->lacks };
    struct insn insn;
    enum x86_decode_status status = x86_decode(row->bytes, X86_INSN_MAX, true, &insn);
    struct scan_verdict verdict;

    ck_assert_msg(status == X86_DECODE_OK || status == X86_DECODE_INVALID, "%s: does not decode", row->name);
    verdict = scan_verdict(&insn, &mode);
    ck_assert_msg(verdict.action == row->action, "%s: action %d", row->name, verdict.action);
    ck_assert_msg(verdict.reason == row->reason, "%s: %s", row->name,
                  scan_reason_name((enum scan_reason)verdict.reason));
    ck_assert_msg(verdict.flow == row->flow, "%s: flow %d", row->name, verdict.flow);
    ck_assert_msg(!verdict.why == (row->action == SCAN_KEEP), "%s: why", row->name);
}
END_TEST

/* ---- Over the opcode tables ---------------------------------------------------------------------- */

struct census {
    unsigned sensitive, invalid, kept;
};

/* check notes every assertion that holds, which is slow a million times. */
static void require(bool condition, const struct insn *insn, const char *what)
{
    if (!condition)
        ck_abort_msg("%s %s", x86_op_name(insn->op), what);
}

static bool judge(const struct decode_case *c, void *context)
{
    static const struct scan_mode user = { USER | SCAN_IO_ALLOWED, ~0u };
    static const struct scan_mode kernel = { KERNEL, ~0u };
    struct census *census = context;
    struct insn insn;
    struct scan_verdict at_user, at_kernel;

    if (x86_decode(c->bytes, CASE_BYTES, c->code32, &insn) > X86_DECODE_OK)
        return true;
    at_user = scan_verdict(&insn, &user);
    at_kernel = scan_verdict(&insn, &kernel);
    if (insn.class_ == X86_SENSITIVE) {
        census->sensitive++;
        require(strcmp(at_kernel.why, "is sensitive"), &insn, "has no row");
        require(at_kernel.action == SCAN_REPLACE, &insn, "runs in ring 0");
    } else if (insn.class_ == X86_INVALID) {
        census->invalid++;
        require(at_user.action == SCAN_REPLACE, &insn, "is kept");
    } else {
        census->kept++;
        require(at_user.action == SCAN_KEEP || at_user.action == SCAN_RECODE, &insn, "is replaced");
    }
    /* What may run at a decoded start is never what the guard keeps out. */
    require(at_user.action == SCAN_REPLACE || !scan_is_critical(&insn, SCAN_GUARD_STATE), &insn,
            "is critical and kept");
    return true;
}

START_TEST(every_form_has_a_verdict_with_a_reason)
{
    struct census census = { 0 };

    for (unsigned map = 0; map < 4; map++)
        for (size_t i = 0; i < decode_prefix_set_count; i++)
            for (unsigned code32 = 0; code32 < 2; code32++)
                decode_cases_walk(map, &decode_prefix_sets[i], code32, 1, judge, &census);
    ck_assert_uint_gt(census.sensitive, 1000);
    ck_assert_uint_gt(census.invalid, 1000);
    ck_assert_uint_gt(census.kept, 1000);
}
END_TEST

START_TEST(reasons_have_names)
{
    for (unsigned i = 0; i < SCAN_REASON_COUNT; i++) {
        ck_assert_ptr_nonnull(scan_reason_name((enum scan_reason)i));
        ck_assert_str_ne(scan_reason_name((enum scan_reason)i), "unknown");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan_policy");
    TCase *tc = tcase_create("verdicts");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, decides_row, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(tc, every_form_has_a_verdict_with_a_reason);
    tcase_add_test(tc, reasons_have_names);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
