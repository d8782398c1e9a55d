/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Types on the guest's keyboard as fast as a person who watches it: a keyboard keeps 16 bytes that nobody
 * takes, a BIOS 15 keys, and more are lost. Jobs are done one after the other, so that what two clients type
 * does not mix. In the main loop's thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct typist;
struct typist_job;

/* What is typed on; machine_key() and machine_keys_taken() have the machine's. */
struct typist_keyboard {
    void (*key)(void *ctx, uint16_t code, bool down);
    bool (*taken)(void *ctx);  /* has all that was typed been taken? */
    bool (*paused)(void *ctx); /* does the guest stand still, so that it cannot take any? NULL: never */
    void *ctx;
};

struct typist *typist_new(const struct typist_keyboard *keyboard);
/* Jobs under way are cancelled. NULL is allowed. */
void typist_free(struct typist *typist);

enum {
    TYPIST_INTERVAL_MS = 20,   /* from key down to key up, and to the next key, unless asked for another */
    TYPIST_PATIENCE_MS = 5000, /* a guest that takes nothing for so long does not read its keyboard */
};

/* ---- A job, made of strokes: keys that go down in order and up in reverse ---- */

struct typist_job *typist_job_new(void);
/* Before it is started; else typist_start() and typist_cancel() see to that. */
void typist_job_free(struct typist_job *job);
void typist_job_add(struct typist_job *job, const uint16_t *codes, unsigned count);

typedef void (*typist_done)(void *ctx);

/* Type it when the jobs before are done; `done` says that it is, and the job is gone then. */
void typist_start(struct typist *typist, struct typist_job *job, unsigned interval_ms, typist_done done,
                  void *ctx);
/* While `done` is called: has the job been given up, because the guest does not read its keyboard? */
bool typist_gave_up(const struct typist *typist);
/* Keys that are down go up; nobody is told, and the job is gone. */
void typist_cancel(struct typist *typist, struct typist_job *job);
