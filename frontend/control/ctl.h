/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86 ctl: the control socket's client, for people and scripts. duplex86(1), "CTL".
 */
#pragma once

/* `argv` as main() gets it, with "ctl" at its second place. The program's exit status. */
int ctl_main(int argc, char **argv);
