/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In the place of sound_sdl.c in a program without SDL (-DD86_SDL=OFF): the host's audio is not there. The
 * options say so before it comes to that.
 */
#include "sound.h"

#include "error.h"

struct sound *sound_open_sdl(gboolean required, GError **error)
{
    (void)required;
    fail_with(error, FRONTEND_ERROR_USAGE, "this duplex86 was built without SDL");
    return NULL;
}
