/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What translation.c and its audit share. Executor side.
 */
#pragma once

#include "translation.h"

/* Have the generator make v->translation->result of a page's bytes, as stretches are made. */
bool translation_generate(struct vcpu *v, const uint8_t *page, uint32_t address, unsigned start,
                          const uint64_t *known);
/*
 * The same of the instruction at this offset of a page that ends in page `tail`: the generator gets the bytes
 * as a page of their own, of which nothing else is to be translated. False: it is no single instruction.
 */
bool translation_generate_joined(struct vcpu *v, const struct translation_page *p, unsigned offset,
                                 const struct translation_page *tail);
