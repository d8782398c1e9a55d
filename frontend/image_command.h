/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86 image: making images, looking at them, and taking over what an overlay holds. duplex86(1),
 * "IMAGE".
 */
#pragma once

/* `argv` as main() gets it, with "image" at its second place. The program's exit status. */
int image_command_main(int argc, char **argv);
