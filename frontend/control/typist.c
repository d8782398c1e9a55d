/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Types on the guest's keyboard.
 */
#include "typist.h"

#include "keymap.h"

struct stroke {
    uint16_t codes[KEYMAP_TOGETHER_MAX];
    unsigned count;
};

struct typist_job {
    GArray *strokes;
    guint next; /* of the strokes */
    bool down;  /* it is pressed */
    unsigned interval_ms;
    typist_done done;
    void *ctx;
};

struct typist {
    struct typist_keyboard keyboard;
    GQueue *jobs; /* the first is under way */
    guint timer;  /* 0: none */
    gint64 since; /* g_get_monotonic_time() when the guest last took something, or could not */
    bool gave_up; /* the job that `done` is called for */
};

/* ---- Jobs ---- */

struct typist_job *typist_job_new(void)
{
    struct typist_job *job = g_new0(struct typist_job, 1);
    job->strokes = g_array_new(FALSE, FALSE, sizeof(struct stroke));
    return job;
}

void typist_job_free(struct typist_job *job)
{
    if (!job)
        return;
    g_array_unref(job->strokes);
    g_free(job);
}

void typist_job_add(struct typist_job *job, const uint16_t *codes, unsigned count)
{
    struct stroke stroke = { .count = MIN(count, KEYMAP_TOGETHER_MAX) };
    for (unsigned i = 0; i < stroke.count; i++)
        stroke.codes[i] = codes[i];
    g_array_append_val(job->strokes, stroke);
}

/* ---- Typing ---- */

static void press(struct typist *t, struct typist_job *job)
{
    const struct stroke *stroke = &g_array_index(job->strokes, struct stroke, job->next);
    for (unsigned i = 0; i < stroke->count; i++)
        t->keyboard.key(t->keyboard.ctx, stroke->codes[i], true);
    job->down = true;
}

static void release(struct typist *t, struct typist_job *job)
{
    const struct stroke *stroke = &g_array_index(job->strokes, struct stroke, job->next);
    for (unsigned i = stroke->count; i > 0; i--)
        t->keyboard.key(t->keyboard.ctx, stroke->codes[i - 1], false);
    job->down = false;
    job->next++;
}

static gboolean on_time(gpointer data);

/* The first job goes on, if there is one. */
static void schedule(struct typist *t)
{
    const struct typist_job *job = g_queue_peek_head(t->jobs);
    t->timer = job ? g_timeout_add(job->interval_ms, on_time, t) : 0;
    t->since = g_get_monotonic_time();
}

/* Whoever is told may start and cancel jobs. */
static void finish(struct typist *t)
{
    struct typist_job *job = g_queue_pop_head(t->jobs);
    typist_done done = job->done;
    void *ctx = job->ctx;
    typist_job_free(job);
    t->timer = 0;
    done(ctx);
    t->gave_up = false;
    if (!t->timer)
        schedule(t);
}

/* The guest has not taken what was typed: is it to be waited for? */
static bool is_patient(struct typist *t)
{
    gint64 now = g_get_monotonic_time();
    if (t->keyboard.paused && t->keyboard.paused(t->keyboard.ctx))
        t->since = now;
    return now - t->since < TYPIST_PATIENCE_MS * 1000;
}

static void give_up(struct typist *t, struct typist_job *job)
{
    if (job->down)
        release(t, job);
    t->gave_up = true;
    finish(t);
}

bool typist_gave_up(const struct typist *t)
{
    return t->gave_up;
}

static gboolean on_time(gpointer data)
{
    struct typist *t = data;
    struct typist_job *job = g_queue_peek_head(t->jobs);
    if (!t->keyboard.taken(t->keyboard.ctx)) {
        if (is_patient(t))
            return G_SOURCE_CONTINUE;
        give_up(t, job);
        return G_SOURCE_REMOVE;
    }
    t->since = g_get_monotonic_time();
    if (job->down) {
        release(t, job);
    } else if (job->next < job->strokes->len) {
        press(t, job);
    } else {
        finish(t);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

void typist_start(struct typist *t, struct typist_job *job, unsigned interval_ms, typist_done done, void *ctx)
{
    job->interval_ms = interval_ms;
    job->done = done;
    job->ctx = ctx;
    g_queue_push_tail(t->jobs, job);
    if (!t->timer)
        schedule(t);
}

void typist_cancel(struct typist *t, struct typist_job *job)
{
    bool first = g_queue_peek_head(t->jobs) == job;
    if (job->down)
        release(t, job);
    g_queue_remove(t->jobs, job);
    typist_job_free(job);
    if (!first || !t->timer)
        return;
    g_source_remove(t->timer);
    schedule(t);
}

/* ---- Life ---- */

struct typist *typist_new(const struct typist_keyboard *keyboard)
{
    struct typist *t = g_new0(struct typist, 1);
    t->keyboard = *keyboard;
    t->jobs = g_queue_new();
    return t;
}

void typist_free(struct typist *t)
{
    if (!t)
        return;
    while (!g_queue_is_empty(t->jobs))
        typist_cancel(t, g_queue_peek_head(t->jobs));
    g_queue_free(t->jobs);
    g_free(t);
}
