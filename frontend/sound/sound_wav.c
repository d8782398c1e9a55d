/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --sound wav:FILE. Frame n of the machine is frame n of the file; silence is where nothing is written, so a
 * file with little sound takes little of the disk. It ends with the last sound. Microsoft and IBM,
 * "Multimedia Programming Interface and Data Specifications 1.0", "Waveform Audio File Format".
 */
#include "sound.h"

#include "devices/device.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>

enum { HEADER = 44, FRAME = 4 /* bytes */ };

/* As many as a size in the header can count. */
#define FRAMES_MAX ((UINT32_MAX - HEADER) / FRAME)

struct wav {
    struct sound sound;
    FILE *file;
    char *path;
    uint64_t frames; /* in the file */
    uint64_t at;     /* where the file is at, in frames */
    int err;         /* the first; 0: none */
    gboolean cut;    /* more came than there is room for */
};

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value & 0xffff);
    put16(to + 2, value >> 16);
}

static void fill_header(uint8_t header[HEADER], uint32_t frames)
{
    memcpy(header, "RIFF    WAVEfmt ", 16);
    put32(header + 4, HEADER - 8 + frames * FRAME);
    put32(header + 16, 16);
    put16(header + 20, 1); /* PCM */
    put16(header + 22, 2); /* channels */
    put32(header + 24, DEVICE_SOUND_RATE);
    put32(header + 28, DEVICE_SOUND_RATE * FRAME);
    put16(header + 32, FRAME);
    put16(header + 34, 16); /* bits */
    memcpy(header + 36, "data", 4);
    put32(header + 40, frames * FRAME);
}

static void note_failure(struct wav *wav)
{
    if (!wav->err)
        wav->err = errno ? errno : EIO;
}

static void write_header(struct wav *wav)
{
    uint8_t header[HEADER];
    fill_header(header, (uint32_t)wav->frames);
    if (fseeko(wav->file, 0, SEEK_SET) < 0 || fwrite(header, sizeof header, 1, wav->file) != 1)
        note_failure(wav);
}

static void wav_play(struct sound *sound, uint64_t frame, const int16_t (*samples)[2], unsigned count)
{
    struct wav *wav = (struct wav *)sound;
    uint8_t bytes[FRAME];
    if (wav->err || frame + count > FRAMES_MAX) {
        wav->cut = TRUE;
        return;
    }
    if (frame != wav->at && fseeko(wav->file, (off_t)(HEADER + frame * FRAME), SEEK_SET) < 0)
        note_failure(wav);
    for (unsigned i = 0; i < count && !wav->err; i++) {
        put16(bytes, (uint16_t)samples[i][0]);
        put16(bytes + 2, (uint16_t)samples[i][1]);
        if (fwrite(bytes, sizeof bytes, 1, wav->file) != 1)
            note_failure(wav);
    }
    wav->at = frame + count;
    if (wav->at > wav->frames)
        wav->frames = wav->at;
}

static gboolean wav_close(struct sound *sound, GError **error)
{
    struct wav *wav = (struct wav *)sound;
    gboolean ok = TRUE;
    write_header(wav);
    if (fclose(wav->file))
        note_failure(wav);
    if (wav->err)
        ok = fail_errno(error, -wav->err, NULL, "cannot write all sound to '%s'", wav->path);
    else if (wav->cut)
        ok = fail_with(error, FRONTEND_ERROR_HOST,
                       "'%s' has no more than the first 6 hours: a WAV file holds 4 GiB", wav->path);
    g_free(wav->path);
    g_free(wav);
    return ok;
}

struct sound *sound_open_wav(const char *path, GError **error)
{
    FILE *file = fopen(path, "wbe");
    if (!file) {
        fail_errno(error, -errno, NULL, "cannot write to '%s'", path);
        return NULL;
    }
    struct wav *wav = g_new0(struct wav, 1);
    wav->sound = (struct sound){ .play = wav_play, .close = wav_close };
    wav->file = file;
    wav->path = g_strdup(path);
    write_header(wav);
    return &wav->sound;
}
