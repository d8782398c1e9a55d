/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What translation.c and its audit share. Executor side.
 */
#pragma once

#include "translation.h"

/* Have the generator make v->translation->result of a page's bytes in a space, as stretches are made. */
bool translation_generate(struct vcpu *v, uint32_t space, const uint8_t *page, uint32_t address,
                          unsigned start, const uint64_t *known);
/* What a table entry for an instruction of the page, at this offset, is found by. */
uint64_t translation_key(const struct translation *t, const struct translation_page *p, unsigned offset);
/* Do these bits of a page's translation let it be fetched from in a space? X86_PTE_P, A, U. */
bool translation_may_fetch(const struct translation *t, uint32_t space, uint32_t bits);
/*
 * The same of the instruction at this offset of a page that ends in page `tail`: the generator gets the bytes
 * as a page of their own, of which nothing else is to be translated. False: it is no single instruction.
 */
bool translation_generate_joined(struct vcpu *v, const struct translation_page *p, unsigned offset,
                                 const struct translation_page *tail);
/* Is the page another address space's, of which the present tables say nothing? */
bool translation_is_elsewhere(const struct vcpu *v, const struct translation_page *p);
/* Drop all pages of an own space ... */
void translation_drop_space(struct vcpu *v, uint32_t space);
/* ... those which the present tables, being its, do not lead to. */
void translation_compare_space(struct vcpu *v, uint32_t space);
