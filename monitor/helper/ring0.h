/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the helper does with the processor itself; the part pages.c needs is declared in pages.h.
 */
#ifndef D86_TLB_RING0_H
#define D86_TLB_RING0_H

#include "pages.h"

int d86_tlb_ring0_init(void);
void d86_tlb_ring0_exit(void);
/* D86_TLB_HOST_ bits */
u32 d86_tlb_features(void);
int d86_tlb_disturb(const struct d86_tlb_disturb *r);

#endif
