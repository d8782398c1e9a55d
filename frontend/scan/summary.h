/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The figures of a scanned program.
 */
#pragma once

#include "program.h"

void summary_print(struct program *program, const struct options *options);
