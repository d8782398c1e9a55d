/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The display adapter's planes, while the caller lends them (d86_exit.lend_video): accesses to A0000h-BFFFFh,
 * and to the ports that say what they do, need no exit. Executor side.
 */
#pragma once

#include "cpu.h"

/* Make the access, if that takes no caller. A write may be made again when its instruction starts over. */
bool planes_read(struct vcpu *v, guest_pa pa, unsigned size, uint64_t *value);
bool planes_write(struct vcpu *v, guest_pa pa, unsigned size, uint64_t value);
bool planes_in(struct vcpu *v, uint16_t port, unsigned size, uint32_t *value);
bool planes_out(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);
