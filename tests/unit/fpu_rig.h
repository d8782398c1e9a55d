/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One FP or SIMD instruction twice: through the executor's handlers on a vCPU that consists of little else
 * (fpu_rig_guest.c), and as it stands on the host in 64-bit mode (fpu_rig_host.c). Both work on the same
 * memory, below 4 GiB, so one set of register values serves both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RIG_MEMORY = 4096 * 3 }; /* the third page is never mapped: accesses fault */

struct rig_state {
    _Alignas(16) uint8_t fx[512];
    uint32_t gpr[8];  /* EAX, ECX, EDX, EBX, ESP (unused), EBP, ESI, EDI */
    uint8_t flags_ah; /* as LAHF has them */
    uint8_t flags_of;
};

enum rig_outcome {
    RIG_OK,
    RIG_MF = 16,
    RIG_XM = 19,
    RIG_UD = 6,
    RIG_NM = 7,
    RIG_GP = 13,
    RIG_PF = 14,
    RIG_FERR = 256, /* D86_EXIT_FERR */
};

/* Memory of both sides, at an address below 4 GiB. */
uint8_t *rig_memory(void);

enum rig_tlb { RIG_TLB_FILLED, RIG_TLB_EMPTY };

/* Settings of the guest's processor for the next runs. */
struct rig_controls {
    uint32_t cr0, cr4;
    enum rig_tlb tlb;
    bool checked; /* segment-checked handlers */
    bool code16;
};

/* How an instruction decodes, as far as the tests care. */
struct rig_insn {
    unsigned length;
    uint8_t isa;
    uint8_t class_;
    bool mine; /* FP or SIMD by its row */
    bool has_memory;
    bool uses_esp;
    const char *name;
};

bool rig_decode(const uint8_t bytes[15], struct rig_insn *insn);
int rig_run_guest(const uint8_t bytes[15], const struct rig_controls *controls, struct rig_state *s);
int rig_run_host(const uint8_t bytes[15], unsigned length, struct rig_state *s);
/* Run the instruction `count` times (a multiple of 256) in straight lines of 256; for measuring. */
void rig_repeat_guest(const uint8_t bytes[15], const struct rig_controls *controls, const struct rig_state *s,
                      unsigned count);
/* IGNNE# for the next runs. */
void rig_ignne(void);
/* Bytes of a stored environment or FXSAVE image; the guest's instruction pointer is always this. */
enum { RIG_EIP = 0x1234, RIG_CS = 0x1b, RIG_DS = 0x23 };
