/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Does the generator reach every form the decoder's tables let a program run natively?
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Generate `count` cases of every group and look which forms were met; says to `out` what was not. */
bool coverage_check(uint64_t seed, uint64_t count, FILE *out);
