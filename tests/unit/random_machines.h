/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random programs for a whole machine by the engine interp, by sbe, where they are translated, and by sbe
 * while another thread kicks it all the time; some by lockstep, which compares each instruction: in the end
 * all must have the same registers and memory. A program ends with an OUT, and gets something from every
 * device.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "duplex86/duplex86.h"

enum { RANDOM_RAM = 0x140000 };

struct random_guest {
    const char *name; /* of many */
    unsigned programs;
    void (*make)(uint8_t image[RANDOM_RAM], uint64_t seed);
    int (*start)(struct d86_vcpu *cpu); /* the registers of the program made last; 0 or -errno */
};

/*
 * [PROGRAMS [SEED [AUDIT [EACH]]]], AUDIT as --audit of duplex86, each EACHth by lockstep; what main() is to
 * return.
 */
int random_machines(const struct random_guest *guest, int argc, char **argv);
