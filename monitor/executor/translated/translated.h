/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running translated code: entered by a jump, left by its exits, by call-outs that find a reason to, or by a
 * signal, whose handler makes the guest's state of the processor's. docs/translated-code.md. Executor process
 * only.
 */
#pragma once

#include "cpu.h"
#include "translator/generate.h"

struct translation_site;

/* May the next instruction be executed from translated code, as far as the vCPU's mode says? */
bool translated_possible(const struct vcpu *v);

enum translated_answer {
    TRANSLATED_LOOP,      /* something is pending */
    TRANSLATED_STEP,      /* the interpreter must execute the instruction at CS:EIP */
    TRANSLATED_INTERPRET, /* ... should run a block: the code there changes too often */
};

/* Run translated code until something needs the run loop. May unwind, as instructions may. */
enum translated_answer translated_run(struct vcpu *v);

/*
 * For lockstep: run translated code for one instruction of the guest's, or one iteration. TRANSLATED_LOOP: it
 * is done, unless a kick came before; TRANSLATED_STEP: it is not, and is one for the interpreter, nothing of
 * the guest's has changed; TRANSLATED_INTERPRET: likewise.
 */
enum translated_answer translated_step(struct vcpu *v);

/* Before the executor confines itself. 0 or -errno. */
int translated_init(struct vcpu *v);

/* The process is another one than that which ran translated code last. */
void translated_arrive(struct vcpu *v);

/* ---- for translation.c ------------------------------------------------------------------------------- */

struct gen_layout translated_layout(bool segmented);
/* translated_segmented.c: the space of the code at CS:EIP is the present one, and what it needs is right. */
void translated_segmented_prepare(struct vcpu *v);
/* ... may code there be translated as segmented code? */
bool translated_segmented_possible(const struct vcpu *v);
/* ... before the executor confines itself. 0 or -errno. */
int translated_segmented_init(void);
/* Where an entry without a target leads: translated_entry.S. */
uint64_t translated_no_target(void);
/* Prepare a site for the instruction at EIP in the present space, whose page has `size` more bytes there. */
void translated_bind_site(struct vcpu *v, struct translation_site *site, const uint8_t *bytes, unsigned size,
                          uint32_t eip);

/* ---- engine/exec.c, for a call-out in the middle of translated code ---------------------------------- */

/* Run one instruction and raise the traps that follow it. */
void exec_step(struct vcpu *v);
/* Must the run loop have a look before the next instruction? For who executes instructions outside of it. */
bool exec_must_look(const struct vcpu *v);
/* Would something be taken before the next instruction if IF were set? */
bool exec_would_interrupt(const struct vcpu *v);
