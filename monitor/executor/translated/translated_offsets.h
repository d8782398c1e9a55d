/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What translated_entry.S must know of struct vcpu; translated_run.c checks each. Executor side.
 */
#pragma once

#define T_GPR         0
#define T_EIP         48
#define T_ARITH       52
#define T_PENDING     60
#define T_WINDOW      88
#define T_FS_WINDOW   96
#define T_TARGETS     128
#define T_REASON      164
#define T_STACK       168
#define T_C_STACK     176
#define T_EXIT_AFTER  184
#define T_FS_BASE     152
#define T_NOTHING     232
#define T_SEGMENTS    1056
#define T_CACHED      61632
#define T_SPACE_KEY   496
#define T_CODE_BASE   520
#define T_PLACE_CS    344
#define T_GROUP_KEY   504
#define T_FLOOR       512
#define T_CS_BASE     1080
#define T_CS_SELECTOR 1088

/* struct segment: its size; of the second eight bytes, that it is unusable. */
#define T_SEGMENT_SIZE     24
#define T_SEGMENT_UNUSABLE (1 << 32)

/* struct cached_descriptor, of 64 bytes each */
#define T_CACHED_DESCRIPTOR 0
#define T_CACHED_SEGMENT    8
#define T_CACHED_TLB        32
#define T_CACHED_PAGE       40
#define T_CACHED_LA         44
#define T_CACHED_SELECTOR   48
#define T_CACHED_FLAT       50
#define T_CACHED_OPEN       51

/* struct tlb_entry */
#define T_TLB_READ_TAG 0
#define T_TLB_ADDEND   8

/* enum translated_reason */
#define T_REASON_KICK     0
#define T_REASON_DIRECT   1
#define T_REASON_INDIRECT 2
#define T_REASON_LEFT     3
#define T_REASON_FAULT    4

/* translated_call_out() instead of where to go on: to be left; behind the call-out. */
#define T_LEAVE 0
#define T_GO_ON 1
