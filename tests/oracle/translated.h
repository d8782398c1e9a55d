/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The translated side: in the native side's child a case runs as translated code (translator/generate.h), as
 * far as there are forms for it. An instruction that is called out, one that faults, and what follows it when
 * a case breaks off, run natively from the state that the tables say, so that outcomes must be equal bit by
 * bit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "oracle.h"

/* Shared with the parent. */
struct translated_stats {
    uint64_t stretches, instructions; /* made */
    uint64_t exits, call_outs, faults, breaks;
};

/* Map what is needed, in the child, while system calls are allowed. `code`: a view of the code pages. */
bool translated_open(int memory, const uint8_t *code, struct translated_stats *stats);

/* Begin a case whose frame and segments are loaded: the frame may become one of translated code. */
void translated_start(const struct test_case *c, ucontext_t *uc);

enum translated_next {
    TRANSLATED_GOES_ON, /* the frame is ready */
    TRANSLATED_OVER,    /* the frame shows the case's outcome, in 32-bit code */
    TRANSLATED_BROKEN,  /* translated code broke a rule; `translated_fault()` */
};

/* A signal while a case runs. */
enum translated_next translated_trap(ucontext_t *uc);

/* Source line of the rule that was broken. */
uint32_t translated_fault(void);
