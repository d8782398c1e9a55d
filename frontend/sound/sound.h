/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --sound: where the machine's sound goes, the host's audio or a WAV file. Frames come as machine time
 * passes; nobody here keeps whoever brings them waiting for a device.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct sound;

/* The host's audio, by SDL. With `required` it is opened at once, and NULL on error; else when there is
   something to be heard, and without it nothing is, after a word on stderr. */
struct sound *sound_open_sdl(gboolean required, GError **error);
/* A WAV file, emptied first. What is in it depends on the frames alone. NULL on error. */
struct sound *sound_open_wav(const char *path, GError **error);

/* `count` frames, left and right, of 48000 a second (DEVICE_SOUND_RATE), the first of which is number `frame`
   of the machine's; between those that come there is silence. NULL is allowed: nobody listens. */
void sound_play(struct sound *sound, uint64_t frame, const int16_t (*samples)[2], unsigned count);

/* NULL is allowed. FALSE: the file is not complete. */
gboolean sound_close(struct sound *sound, GError **error);

/* ---- For those that are such places ---- */

struct sound {
    void (*play)(struct sound *sound, uint64_t frame, const int16_t (*samples)[2], unsigned count);
    gboolean (*close)(struct sound *sound, GError **error); /* ... and free */
};
