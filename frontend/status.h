/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the program ends. Even numbers besides 1, so that none can be taken for the status 2v+1 of a guest that
 * used --exit-port; only v = 0 and a host error share a number. Documented in docs/running.md and the man
 * page.
 */
#pragma once

enum status {
    STATUS_HALTED = 0,     /* powered off, or HLT or a pending x87 error with interrupts off */
    STATUS_HOST_ERROR = 1, /* wrong usage, a file that cannot be used, the host refused something */
    STATUS_REBOOT = 2,
    STATUS_TRIPLE_FAULT = 4,
    STATUS_INTERNAL_ERROR = 6, /* this program cannot go on with the guest */
    STATUS_QUIT = 8,           /* the escape key */
};
