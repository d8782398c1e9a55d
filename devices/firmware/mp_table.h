/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The MP configuration table of a machine with APICs, for a guest that is started without a BIOS.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { MP_PIRQS = 4, MP_TABLE_MAX = 2048 };

/*
 * As it is in memory at `base`, a multiple of 16 from F0000h on, with the pointer to it first: at most
 * MP_TABLE_MAX bytes of `image`. Returns how many. `irq` is to which input of the I/O APIC each of PIRQA to
 * PIRQD is led; 0: none.
 */
size_t mp_table_build(uint8_t *image, uint32_t base, const uint8_t irq[MP_PIRQS]);
