/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy: what becomes of one decoded instruction. The opcode rows say which are sensitive, the table
 * below says why and, at guest CPL 3, whether the processor's own fault is as good as a trap of ours.
 * Faults: SDM 2A to 2D, "Protected Mode Exceptions" of each instruction.
 */
#include "scan_private.h"

#include "policy.h"

#include "translator/decode.h"

/*
 * What a sensitive instruction needs at guest CPL 3. For guest ring 0, which runs at the host's CPL 3 too,
 * every one of them is replaced: there the fault would come where the guest has a right to an effect.
 */
enum user_rule {
    TRAP,          /* natively it would succeed, or fault in another way */
    FAULTS,        /* natively always #GP or #UD, as in the guest: kept, it costs nothing until it runs */
    FAULTS_BY_IO,  /* the same while the guest has no I/O privilege; frequent enough to patch where it has */
    TRAP_BY_FLAGS, /* harmless while virtual and real flags agree */
    TRAP_BY_TIME,  /* harmless while the guest has the host's time stamp and CR4.TSD is clear */
};

struct row {
    uint16_t op;     /* enum x86_op */
    uint8_t reason;  /* enum scan_reason */
    uint8_t at_user; /* enum user_rule */
    const char *why;
};

/* clang-format off */
static const struct row rows[] = {
    { X86_PUSH_SREG,     SCAN_SELECTOR_READ, TRAP, "pushes the selector really loaded" },
    { X86_MOV_FROM_SREG, SCAN_SELECTOR_READ, TRAP, "reads the selector really loaded" },

    { X86_POP_SREG,      SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_MOV_TO_SREG,   SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_LES,           SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_LDS,           SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_LSS,           SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_LFS,           SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },
    { X86_LGS,           SCAN_SEGMENT_LOAD, TRAP, "loads a segment from the host's descriptor tables" },

    { X86_CALL_FAR,      SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables" },
    { X86_CALL_FAR_IND,  SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables" },
    { X86_JMP_FAR,       SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables" },
    { X86_JMP_FAR_IND,   SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables" },
    { X86_RETF,          SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables" },
    { X86_IRET,          SCAN_FAR_TRANSFER, TRAP, "loads CS from the host's descriptor tables, and flags" },

    { X86_INT3,          SCAN_INTERRUPT, TRAP, "must reach the guest's IDT" },
    { X86_INT,           SCAN_INTERRUPT, TRAP, "must reach the guest's IDT, not the host's kernel" },
    { X86_INTO,          SCAN_INTERRUPT, TRAP, "must reach the guest's IDT" },
    { X86_INT1,          SCAN_INTERRUPT, TRAP, "must reach the guest's IDT" },

    { X86_SYSENTER,      SCAN_SYSTEM_CALL, TRAP, "would enter the host's kernel" },
    { X86_SYSEXIT,       SCAN_SYSTEM_CALL, FAULTS, "is privileged: faults by itself" },

    { X86_PUSHF,         SCAN_FLAGS, TRAP_BY_FLAGS, "shows the real IF and IOPL" },
    { X86_POPF,          SCAN_FLAGS, TRAP_BY_FLAGS, "drops IF and IOPL without a fault" },
    { X86_CLI,           SCAN_INTERRUPT_FLAG, FAULTS_BY_IO, "changes the guest's IF" },
    { X86_STI,           SCAN_INTERRUPT_FLAG, FAULTS_BY_IO, "changes the guest's IF" },

    { X86_SGDT,          SCAN_TABLES, TRAP, "shows the host's GDT, or the kernel's made-up one" },
    { X86_SIDT,          SCAN_TABLES, TRAP, "shows the host's IDT, or the kernel's made-up one" },
    { X86_SLDT,          SCAN_TABLES, TRAP, "shows the host's LDT selector" },
    { X86_STR,           SCAN_TABLES, TRAP, "shows the host's task selector" },
    { X86_SMSW,          SCAN_TABLES, TRAP, "shows the host's CR0, or the kernel's made-up one" },
    { X86_LAR,           SCAN_TABLES, TRAP, "looks into the host's descriptor tables" },
    { X86_LSL,           SCAN_TABLES, TRAP, "looks into the host's descriptor tables" },
    { X86_VERR,          SCAN_TABLES, TRAP, "looks into the host's descriptor tables" },
    { X86_VERW,          SCAN_TABLES, TRAP, "looks into the host's descriptor tables" },

    { X86_CPUID,         SCAN_IDENTITY, TRAP, "shows the host's processor" },
    { X86_RDTSC,         SCAN_TIME, TRAP_BY_TIME, "shows the host's time stamp, not the guest's" },
    { X86_RDTSCP,        SCAN_TIME, TRAP, "shows the host's time stamp and its TSC_AUX" },
    { X86_RDPMC,         SCAN_TIME, TRAP, "shows the host's counters, if its CR4.PCE is set" },

    { X86_IN,            SCAN_IO, FAULTS_BY_IO, "reads a port of the guest" },
    { X86_OUT,           SCAN_IO, FAULTS_BY_IO, "writes a port of the guest" },
    { X86_INS,           SCAN_IO, FAULTS_BY_IO, "reads a port of the guest" },
    { X86_OUTS,          SCAN_IO, FAULTS_BY_IO, "writes a port of the guest" },

    { X86_HLT,           SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_LGDT,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_LIDT,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_LLDT,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_LTR,           SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_LMSW,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_CLTS,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_INVD,          SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_WBINVD,        SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_INVLPG,        SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_MOV_FROM_CR,   SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_MOV_TO_CR,     SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_MOV_FROM_DR,   SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_MOV_TO_DR,     SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_WRMSR,         SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    { X86_RDMSR,         SCAN_PRIVILEGED, FAULTS, "is privileged: faults by itself" },
    /* Some hosts let CPL 3 wait. */
    { X86_MONITOR,       SCAN_PRIVILEGED, TRAP, "is privileged, and waits on the host's memory" },
    { X86_MWAIT,         SCAN_PRIVILEGED, TRAP, "is privileged, and waits on the host's memory" },
};
/* clang-format on */

static const struct row *find_row(unsigned op)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].op == op)
            return &rows[i];
    return NULL;
}

const char *scan_reason_name(enum scan_reason reason)
{
    static const char *const names[SCAN_REASON_COUNT] = {
        [SCAN_NO_REASON] = "none",
        [SCAN_SELECTOR_READ] = "selector-read",
        [SCAN_SEGMENT_LOAD] = "segment-load",
        [SCAN_FAR_TRANSFER] = "far-transfer",
        [SCAN_INTERRUPT] = "interrupt",
        [SCAN_SYSTEM_CALL] = "system-call",
        [SCAN_FLAGS] = "flags",
        [SCAN_INTERRUPT_FLAG] = "interrupt-flag",
        [SCAN_TABLES] = "tables",
        [SCAN_IDENTITY] = "identity",
        [SCAN_TIME] = "time",
        [SCAN_IO] = "io",
        [SCAN_PRIVILEGED] = "privileged",
        [SCAN_FPU] = "fpu",
        [SCAN_ABSENT] = "absent",
        [SCAN_UNDEFINED] = "undefined",
        [SCAN_TOO_LONG] = "too-long",
        [SCAN_STRADDLE] = "straddle",
        [SCAN_OVERLAP] = "overlap",
        [SCAN_HIDDEN] = "hidden",
        [SCAN_STRING] = "string",
        [SCAN_CS_OPERAND] = "cs-operand",
    };

    return (unsigned)reason < SCAN_REASON_COUNT ? names[reason] : "unknown";
}

/* ---- Where control goes -------------------------------------------------------------------------- */

static enum scan_flow flow_of(const struct insn *insn)
{
    switch (insn->op) {
    case X86_JCC:
    case X86_LOOP:
    case X86_LOOPE:
    case X86_LOOPNE:
    case X86_JCXZ:
    case X86_CALL:
        return SCAN_FLOW_BRANCH;
    case X86_JMP:
        return SCAN_FLOW_JUMP;
    case X86_JMP_IND:
    case X86_JMP_FAR:
    case X86_JMP_FAR_IND:
    case X86_RET:
    case X86_RETF:
    case X86_IRET:
    case X86_SYSEXIT:
        return SCAN_FLOW_STOP;
    default:
        return insn->class_ == X86_INVALID ? SCAN_FLOW_STOP : SCAN_FLOW_NEXT;
    }
}

/* ---- Features and the floating-point unit -------------------------------------------------------- */

static bool has_operand(const struct insn *insn, unsigned kind)
{
    return insn->opnd[0].kind == kind || insn->opnd[1].kind == kind || insn->opnd[2].kind == kind;
}

static bool is_x87(const struct insn *insn)
{
    return insn->map == 0 && ((insn->opcode >= 0xd8 && insn->opcode <= 0xdf) || insn->op == X86_FWAIT);
}

static bool model_has(const struct scan_mode *mode, unsigned isa)
{
    return isa == X86_ISA_BASE || (isa < X86_ISA_LATER && mode->isa >> isa & 1);
}

/*
 * Would CR0.EM, CR0.TS or CR4.OSFXSR make it fault? SDM 3A, "Control Registers": PREFETCHh, the fences,
 * MOVNTI, CLFLUSH, CRC32 and POPCNT touch no such state and are exempt; FWAIT heeds TS only with MP.
 */
static bool fpu_faults(const struct insn *insn, const struct scan_mode *mode)
{
    bool sse = has_operand(insn, X86_OPND_XMM) || insn->op == X86_LDMXCSR || insn->op == X86_STMXCSR;

    if (insn->op == X86_FWAIT)
        return (mode->bits & SCAN_CR0_TS) && (mode->bits & SCAN_CR0_MP);
    if (sse && !(mode->bits & SCAN_CR4_OSFXSR))
        return true;
    if (!sse && !is_x87(insn) && !has_operand(insn, X86_OPND_MMX) && insn->op != X86_EMMS &&
        insn->op != X86_FXSAVE && insn->op != X86_FXRSTOR)
        return false;
    return mode->bits & (SCAN_CR0_EM | SCAN_CR0_TS);
}

/*
 * F3 makes TZCNT of BSF and LZCNT of BSR where the host has BMI1 and ABM; the guest's processor ignores it.
 * F2 goes along: which of the two counts when both are there differs between processors.
 */
static bool host_reads_prefix(const struct insn *insn)
{
    return (insn->op == X86_BSF || insn->op == X86_BSR) && (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE));
}

/* Does it access memory through CS? Where CS and the data segments differ, that would be the host's. */
static bool accesses_through(const struct insn *insn, unsigned sreg)
{
    if (insn->seg != sreg)
        return false;
    switch (insn->op) {
    case X86_LEA:
    case X86_NOP:
    case X86_PREFETCH:
    case X86_PREFETCHW:
    case X86_PREFETCHNTA:
    case X86_PREFETCHT0:
    case X86_PREFETCHT1:
    case X86_PREFETCHT2:
        return false;
    default:
        return has_operand(insn, X86_OPND_MEM) || has_operand(insn, X86_OPND_STR_SI);
    }
}

/* ---- Verdicts ------------------------------------------------------------------------------------ */

static bool runs_natively(const struct row *row, const struct scan_mode *mode)
{
    /* CR4.TSD does not bind ring 0; all else there is the guest's to do. */
    if (row->at_user == TRAP_BY_TIME)
        return (mode->bits & SCAN_TSC_NATIVE) && ((mode->bits & SCAN_CPL0) || !(mode->bits & SCAN_CR4_TSD));
    if (mode->bits & SCAN_CPL0)
        return false;
    return row->at_user == TRAP_BY_FLAGS && !(mode->bits & SCAN_FLAGS_DIFFER);
}

static bool faults_natively(const struct row *row, const struct scan_mode *mode)
{
    if (mode->bits & SCAN_CPL0)
        return false;
    return row->at_user == FAULTS || (row->at_user == FAULTS_BY_IO && !(mode->bits & SCAN_IO_ALLOWED));
}

static struct scan_verdict sensitive(const struct insn *insn, const struct scan_mode *mode)
{
    const struct row *row = find_row(insn->op);
    unsigned action = SCAN_REPLACE;

    if (!row) /* a new row of the opcode tables: safe, until the policy knows better */
        return (struct scan_verdict){ SCAN_REPLACE, SCAN_PRIVILEGED, flow_of(insn), "is sensitive" };
    if (runs_natively(row, mode))
        return (struct scan_verdict){ SCAN_KEEP, SCAN_NO_REASON, flow_of(insn), NULL };
    if (faults_natively(row, mode))
        action = SCAN_FAULTS;
    return (struct scan_verdict){ action, row->reason, flow_of(insn), row->why };
}

/* Some string instructions always do, others by an override. */
static bool reaches_es(const struct insn *insn)
{
    return insn->op == X86_MOVS || insn->op == X86_STOS || insn->op == X86_CMPS || insn->op == X86_SCAS ||
           accesses_through(insn, X86_ES);
}

struct scan_verdict scan_verdict(const struct insn *insn, const struct scan_mode *mode)
{
    struct scan_verdict verdict = { .action = SCAN_REPLACE, .flow = flow_of(insn) };

    if (insn->op == X86_UD2) {
        /*
         * SDM 2D, "UD": #UD for ever. UD0 and UD1 are too, but processors disagree on their length. It would
         * fault by itself at the same cost, but a program that uses it often is to have a door there.
         */
        verdict.reason = SCAN_UNDEFINED;
        verdict.why = "raises #UD, which is the guest's to handle";
    } else if (insn->class_ == X86_INVALID) {
        verdict.reason = insn->isa == X86_ISA_LATER ? SCAN_ABSENT : SCAN_UNDEFINED;
        verdict.why = insn->isa == X86_ISA_LATER ? "belongs to processors the guest's is not one of"
                                                 : "is no instruction, unless the host knows better";
    } else if (!model_has(mode, insn->isa) || (is_x87(insn) && !model_has(mode, X86_ISA_X87))) {
        verdict.reason = SCAN_ABSENT;
        verdict.why = "is not in the guest's processor model";
    } else if (insn->class_ == X86_SENSITIVE) {
        verdict = sensitive(insn, mode);
    } else if (fpu_faults(insn, mode)) {
        verdict.reason = SCAN_FPU;
        verdict.why = "faults by the guest's CR0.EM, CR0.TS or CR4.OSFXSR";
    } else if ((mode->bits & SCAN_DATA_APART) && accesses_through(insn, X86_CS)) {
        verdict.reason = SCAN_CS_OPERAND;
        verdict.why = "accesses memory through CS, where only code is";
    } else if ((mode->bits & SCAN_ES_AT_ZERO) && reaches_es(insn)) {
        verdict.reason = SCAN_STRING;
        verdict.why = "reaches memory through ES, whose base is not the data segments'";
    } else if (host_reads_prefix(insn)) {
        verdict.action = SCAN_RECODE;
        verdict.reason = SCAN_ABSENT;
        verdict.why = "is TZCNT or LZCNT on the host";
    } else {
        verdict.action = SCAN_KEEP;
    }
    return verdict;
}
