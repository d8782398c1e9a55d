/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --sound sdl: frames go into a ring, from which SDL's thread takes them when the host's device wants some.
 * Neither waits for the other. Who listens is as far behind as the ring is full: a little of it is filled
 * before it is begun with, so that a host that is busy for a moment is not heard, and what comes when it is
 * rather full, since the two clocks differ, is left out. A device that has nothing to play is stopped.
 */
#include "sound.h"

#include "devices/device.h"
#include "error.h"

#include <SDL.h>
#include <stdatomic.h>

enum {
    RING = 1 << 14,                 /* frames; 341 ms */
    BEGIN = DEVICE_SOUND_RATE / 20, /* so many before it is begun with: 50 ms */
    FULL = DEVICE_SOUND_RATE / 5,   /* no more than that */
    GAP = DEVICE_SOUND_RATE / 10,   /* silence that is worth playing */
    DEVICE_FRAMES = 512,            /* which the device asks for at once */
    IDLE_SECONDS = 3,
};

struct sdl_sound {
    struct sound sound;
    SDL_AudioDeviceID device; /* main loop; 0: not open */
    gboolean failed;          /* ... and cannot be */
    guint idle_source;        /* ... looks whether it has nothing to play */

    /* `written` is moved by who plays, `taken` by SDL's thread; the difference is what is in the ring. */
    int16_t ring[RING][2];
    _Atomic uint32_t written, taken;
    _Atomic bool goes; /* the device runs, or somebody has been asked to see to it */

    uint64_t next;  /* who plays: the frame behind the last */
    bool playing;   /* SDL's thread ... */
    unsigned waits; /* ... for so many calls there has been something that is not being played */
};

/* ---- SDL's thread ---- */

static void take(void *ctx, Uint8 *stream, int size)
{
    struct sdl_sound *s = ctx;
    int16_t(*out)[2] = (void *)stream;
    const uint32_t wanted = (uint32_t)size / sizeof out[0];
    uint32_t taken = atomic_load(&s->taken), there = atomic_load(&s->written) - taken;
    s->waits = there && !s->playing ? s->waits + 1 : 0;
    s->playing = s->playing ? there > 0 : there >= BEGIN || s->waits > BEGIN / DEVICE_FRAMES;
    uint32_t count = s->playing ? MIN(there, wanted) : 0;
    for (uint32_t i = 0; i < count; i++)
        memcpy(out[i], s->ring[(taken + i) % RING], sizeof out[i]);
    memset(out + count, 0, (wanted - count) * sizeof out[0]);
    atomic_store(&s->taken, taken + count);
}

/* ---- The main loop ---- */

static gboolean fail_sdl(GError **error)
{
    return fail_with(error, FRONTEND_ERROR_HOST, "there is no sound on this host: %s", SDL_GetError());
}

static gboolean open_device(struct sdl_sound *s, GError **error)
{
    SDL_AudioSpec wanted = { .freq = DEVICE_SOUND_RATE,
                             .format = AUDIO_S16SYS,
                             .channels = 2,
                             .samples = DEVICE_FRAMES,
                             .callback = take,
                             .userdata = s };
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_APP_NAME, "Duplex86");
    if (SDL_InitSubSystem(SDL_INIT_AUDIO) < 0)
        return fail_sdl(error);
    s->device = SDL_OpenAudioDevice(NULL, 0, &wanted, NULL, 0); /* SDL converts what the device has not */
    if (s->device)
        return TRUE;
    fail_sdl(error);
    SDL_QuitSubSystem(SDL_INIT_AUDIO);
    return FALSE;
}

static gboolean set_going(gpointer ctx);

/* The device has played all there was for a while: stop it. Something may have come just now. */
static gboolean look_whether_idle(gpointer ctx)
{
    struct sdl_sound *s = ctx;
    if (atomic_load(&s->written) != atomic_load(&s->taken))
        return G_SOURCE_CONTINUE;
    s->idle_source = 0;
    SDL_PauseAudioDevice(s->device, 1);
    atomic_store(&s->goes, false);
    if (atomic_load(&s->written) != atomic_load(&s->taken) && !atomic_exchange(&s->goes, true))
        set_going(s);
    return G_SOURCE_REMOVE;
}

static gboolean set_going(gpointer ctx)
{
    struct sdl_sound *s = ctx;
    GError *error = NULL;
    if (!s->device && !open_device(s, &error)) {
        g_printerr("duplex86: %s\n", error->message);
        g_error_free(error);
        s->failed = TRUE; /* and goes stays set: nobody asks again */
        return G_SOURCE_REMOVE;
    }
    SDL_PauseAudioDevice(s->device, 0);
    s->idle_source = g_timeout_add_seconds(IDLE_SECONDS, look_whether_idle, s);
    return G_SOURCE_REMOVE;
}

/* ---- Who plays ---- */

static void put(struct sdl_sound *s, const int16_t (*samples)[2], unsigned count)
{
    uint32_t written = atomic_load(&s->written), there = written - atomic_load(&s->taken);
    if (there + count > FULL)
        count = there < FULL ? FULL - there : 0;
    for (unsigned i = 0; i < count; i++) {
        int16_t *frame = s->ring[(written + i) % RING];
        frame[0] = samples ? samples[i][0] : 0;
        frame[1] = samples ? samples[i][1] : 0;
    }
    atomic_store(&s->written, written + count);
}

static void sdl_play(struct sound *sound, uint64_t frame, const int16_t (*samples)[2], unsigned count)
{
    struct sdl_sound *s = (struct sdl_sound *)sound;
    if (frame > s->next && frame - s->next < GAP)
        put(s, NULL, (unsigned)(frame - s->next));
    put(s, samples, count);
    s->next = frame + count;
    if (!atomic_exchange(&s->goes, true))
        g_idle_add(set_going, s);
}

static gboolean sdl_close(struct sound *sound, GError **error)
{
    struct sdl_sound *s = (struct sdl_sound *)sound;
    (void)error;
    if (s->idle_source)
        g_source_remove(s->idle_source);
    while (g_idle_remove_by_data(s)) {
    }
    if (s->device && SDL_WasInit(SDL_INIT_AUDIO)) { /* the window's end is that of all of SDL */
        SDL_CloseAudioDevice(s->device);
        SDL_QuitSubSystem(SDL_INIT_AUDIO);
    }
    g_free(s);
    return TRUE;
}

struct sound *sound_open_sdl(gboolean required, GError **error)
{
    struct sdl_sound *s = g_new0(struct sdl_sound, 1);
    s->sound = (struct sound){ .play = sdl_play, .close = sdl_close };
    if (!required || open_device(s, error))
        return &s->sound;
    g_free(s);
    return NULL;
}
