/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What translated_entry.S must know of struct vcpu; translated_run.c checks each. Executor side.
 */
#pragma once

#define T_GPR        0
#define T_EIP        48
#define T_ARITH      52
#define T_PENDING    60
#define T_WINDOW     88
#define T_FS_WINDOW  96
#define T_TARGETS    128
#define T_REASON     164
#define T_STACK      168
#define T_C_STACK    176
#define T_EXIT_AFTER 184

/* enum translated_reason */
#define T_REASON_KICK     0
#define T_REASON_DIRECT   1
#define T_REASON_INDIRECT 2
#define T_REASON_LEFT     3
#define T_REASON_FAULT    4
