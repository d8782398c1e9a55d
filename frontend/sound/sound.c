/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whichever place it is.
 */
#include "sound.h"

void sound_play(struct sound *sound, uint64_t frame, const int16_t (*samples)[2], unsigned count)
{
    if (sound)
        sound->play(sound, frame, samples, count);
}

gboolean sound_close(struct sound *sound, GError **error)
{
    return !sound || sound->close(sound, error);
}
