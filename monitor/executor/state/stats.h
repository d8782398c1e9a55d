/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every counter of the executor, in one list: a field of struct exec_stats, a name for machines and a line
 * for people. The library hands them out by index (d86_vcpu_counter()), so a new one is a line here and an
 * increment where it happens.
 */
#pragma once

#include <stdint.h>

#include "translator/decode.h"
#include "translator/scan.h"

/* X(field, what it counts) */
#define EXEC_STATS(X)                                                                                        \
    X(chip_reads, "port reads answered by chips lent to the processor")                                      \
    X(chip_writes, "port writes taken by them")                                                              \
    X(chip_interrupts, "interrupts taken from them")                                                         \
    X(plane_accesses, "accesses to the planes of a display adapter and its ports while it was lent")         \
    X(known_reads, "port reads the caller had answered beforehand")                                          \
    X(open_accesses, "accesses to ports nobody answers, made without the caller")                            \
    X(renewals, "times the block cache was begun anew to have what is in use side by side")                  \
    X(native_entries, "times guest code was entered natively")                                               \
    X(native_ns, "time in native guest code, ns (only while timing is on)")                                  \
    X(native_doors, "times it came out by a door, without a signal")                                         \
    X(native_traps, "signals that ended native code")                                                        \
    X(native_kicks, "... because another thread asked, or the time had come")                                \
    X(trap_site, "... at a site of the private page")                                                        \
    X(trap_unscanned, "... at bytes not scanned yet")                                                        \
    X(trap_fetch, "... fetching from a page not mapped as code")                                             \
    X(trap_data, "... accessing a page not mapped as data")                                                  \
    X(trap_split, "... reading or writing a private page as data")                                           \
    X(trap_fault, "... any other fault, left to the interpreter")                                            \
    X(tlb_primes, "times the TLB for fetches was given a private page (split tlb)")                          \
    X(tlb_lost, "... again, since it had lost it")                                                           \
    X(tlb_lost_behind, "... of the second page of an instruction")                                           \
    X(tlb_lost_moved, "... and the executor was on another CPU than at the last one")                        \
    X(trap_system_call, "... a system call instruction reached from guest code")                             \
    X(trap_refused, "... a state that the processor refused to enter")                                       \
    X(translated_pages, "pages of which code was translated")                                                \
    X(translated_stretches, "stretches of code translated")                                                  \
    X(translated_insns, "instructions in them")                                                              \
    X(translated_bytes, "bytes of host code made of them")                                                   \
    X(translation_drops, "stretches dropped because their bytes or translations changed")                    \
    X(translation_flushes, "times all translated code was forgotten for room")                               \
    X(translation_evictions, "times a part of it was, the oldest")                                           \
    X(translated_entries, "times translated code was entered")                                               \
    X(translated_direct, "... and left by a branch that was not linked")                                     \
    X(translated_indirect, "... by one whose target was not in the table")                                   \
    X(translated_steps, "... by the interpreter as a whole")                                                 \
    X(translated_elsewhere, "... which led to another place, where it went on at once")                      \
    X(translated_left, "... after which the run loop had to look")                                           \
    X(translated_kicks, "signals that ended it because another thread asked, or the time had come")          \
    X(translated_faults, "signals that ended it because of a fault")                                         \
    X(translated_emulated, "... that was left to the interpreter")                                           \
    X(translated_apart, "instructions that became the interpreter's for a while, as they kept faulting")     \
    X(steps, "instructions interpreted between native runs")                                                 \
    X(bursts, "stretches left to the interpreter because traps came too often")                              \
    X(repeats, "instructions interpreted because native code trapped at them twice")                         \
    X(posted_writes, "port writes that waited for the next exit")                                            \
    X(visits_translated, "times a program of another one began to be translated")                            \
    X(moves, "times an address space took the place of another one")                                         \
    X(space_moves, "times another executor process went on, which had the address space")                    \
    X(space_reuses, "page directories that had become another address space's")                              \
    X(space_changes, "mappings changed for another executor process, for its next turn")                     \
    X(space_overflows, "... of which there were too many, so that all went")                                 \
    X(code_pages, "private pages made")                                                                      \
    X(code_scans, "scans, each from one entry point")                                                        \
    X(code_instructions, "instructions scanned")                                                             \
    X(code_bytes, "bytes scanned")                                                                           \
    X(code_maps, "private pages mapped")                                                                     \
    X(code_unmaps, "private pages unmapped as translations changed")                                         \
    X(code_writes, "writes to scanned pages")                                                                \
    X(code_drops, "private pages dropped because their bytes were written")                                  \
    X(code_evictions, "private pages dropped for room")                                                      \
    X(code_promotions, "sites given a faster form")                                                          \
    X(nexus_moves, "times the guest came to have memory where snippets were")                                \
    X(code_conflicts, "pages wanted both as code and as data at one place")                                  \
    X(code_backoffs, "pages left to the interpreter for a while")                                            \
    X(shadow_fills, "data pages mapped on demand")                                                           \
    X(shadow_prefills, "... mapped ahead with a neighbour")                                                  \
    X(shadow_upgrades, "data pages made writable on demand")                                                 \
    X(shadow_expected, "data pages mapped before they were accessed again")                                  \
    X(shadow_replaced, "data pages that lead to another frame at once, as translations changed")             \
    X(shadow_syncs, "comparisons of all mappings with the guest's tables")                                   \
    X(shadow_drops, "data pages unmapped as translations changed")                                           \
    X(shadow_evictions, "data pages unmapped for the mapping budget")                                        \
    X(system_fills, "runs of data pages mapped on demand for translated code")                               \
    X(system_prefills, "... pages in them besides the one that was asked for")                               \
    X(system_moves, "times translated code went to the window of another address space")                     \
    X(system_evictions, "... which had been another one's until then")                                       \
    X(shadow_audits, "audits that walked guest and shadow tables side by side")                              \
    X(translation_audits, "audits that made all translated code again")                                      \
    X(host_maps, "mmap calls")                                                                               \
    X(host_unmaps, "munmap calls")                                                                           \
    X(host_protects, "mprotect calls")                                                                       \
    X(ldt_loads, "LDT entries written")                                                                      \
    X(lockstep_checks, "instructions compared between engines")

/* Why the scanner replaces instructions. X(constant without SCAN_, name, what) */
#define EXEC_REASONS(X)                                                                                      \
    X(SELECTOR_READ, "selector_read", "reads of selectors")                                                  \
    X(SEGMENT_LOAD, "segment_load", "segment register loads")                                                \
    X(FAR_TRANSFER, "far_transfer", "far transfers")                                                         \
    X(INTERRUPT, "interrupt", "INT n, INT3, INTO, INT1")                                                     \
    X(SYSTEM_CALL, "system_call", "SYSENTER, SYSEXIT")                                                       \
    X(FLAGS, "flags", "PUSHF, POPF")                                                                         \
    X(INTERRUPT_FLAG, "interrupt_flag", "CLI, STI")                                                          \
    X(TABLES, "tables", "accesses to descriptor tables")                                                     \
    X(IDENTITY, "identity", "CPUID")                                                                         \
    X(TIME, "time", "RDTSC, RDTSCP, RDPMC")                                                                  \
    X(IO, "io", "port accesses")                                                                             \
    X(PRIVILEGED, "privileged", "other instructions of ring 0")                                              \
    X(FPU, "fpu", "FPU and SIMD while CR0 or CR4 say that they fault")                                       \
    X(ABSENT, "absent", "instructions the guest's processor does not have")                                  \
    X(UNDEFINED, "undefined", "what is no instruction")                                                      \
    X(TOO_LONG, "too_long", "instructions of more than 15 bytes")                                            \
    X(STRADDLE, "straddle", "instructions across the end of a page")                                         \
    X(OVERLAP, "overlap", "instructions over the start of a replaced one")                                   \
    X(HIDDEN, "hidden", "instructions in which something critical is hidden")                                \
    X(STRING, "string", "string instructions, while ES has another base than DS")                            \
    X(CS_OPERAND, "cs_operand", "operands in CS")

/* What stands in their place. X(constant without SCAN_FORM_, name, what they do) */
#define EXEC_FORMS(X)                                                                                        \
    X(INT3, "trap", "trap")                                                                                  \
    X(TWIN, "twin", "are another encoding of the same")                                                      \
    X(BRANCH, "branch", "branch by way of a snippet")                                                        \
    X(JUMP, "jump", "run in a snippet")

struct exec_stats {
#define EXEC_STATS_FIELD(field, what) uint64_t field;
    EXEC_STATS(EXEC_STATS_FIELD)
#undef EXEC_STATS_FIELD
    uint64_t sites[SCAN_REASON_COUNT]; /* by enum scan_reason: found by scans, */
    uint64_t traps[SCAN_REASON_COUNT]; /* and met by native code */
    uint64_t forms[SCAN_FORM_COUNT];   /* by enum scan_form, given to sites */
    uint64_t
        call_outs[X86_OP_COUNT]; /* by enum x86_op: instructions of translated code done by the interpreter */
};
