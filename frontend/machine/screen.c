/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's screen and keyboard for whoever shows them. Called without the lock.
 */
#include "machine_private.h"

#include "error.h"
#include "terminal_display.h"

static void give_frame(void *ctx, struct video_frame *frame)
{
    struct machine *m = ctx;
    pthread_mutex_lock(&m->lock);
    pc_video_frame(m->pc, frame);
    pthread_mutex_unlock(&m->lock);
}

/* Only what runs can write. */
static uint64_t give_activity(void *ctx)
{
    const struct machine *m = ctx;
    return d86_vcpu_run_ns(m->vcpu);
}

gboolean machine_screen(struct machine *m, struct display_source *source)
{
    *source = (struct display_source){
        .frame = give_frame, .activity = give_activity, .memory = m->config.video_memory, .ctx = m
    };
    return source->memory != NULL;
}

static void on_key(void *ctx, uint16_t code, bool down)
{
    machine_key(ctx, code, down);
}

static void on_quit(void *ctx)
{
    machine_stop(ctx, STATUS_QUIT);
}

gboolean screen_open(struct machine *m, GError **error)
{
    const struct terminal_display_owner owner = { .key = on_key, .quit = on_quit, .ctx = m };
    struct display_source source;
    if (m->options->display != OPTIONS_DISPLAY_TERMINAL || !machine_screen(m, &source))
        return TRUE;
    m->terminal = terminal_display_open(&source, &owner, error);
    return m->terminal != NULL;
}

void screen_close(struct machine *m)
{
    terminal_display_close(m->terminal);
    m->terminal = NULL;
}

/* A picture, or the text if the file's name says so. Nothing changes any more: the guest is stopped. */
gboolean screen_dump(struct machine *m, const char *path, GError **error)
{
    struct display_source source;
    if (!machine_screen(m, &source))
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "there is no screen to dump to '%s': the machine has no display adapter", path);
    struct display *display = display_new(&source);
    display_refresh(display, NULL);
    char *text = g_str_has_suffix(path, ".txt") ? display_text_string(display) : NULL;
    gboolean ok;
    if (g_str_has_suffix(path, ".txt") && !text)
        ok = fail_with(error, FRONTEND_ERROR_HOST, "the guest's screen shows no text to dump to '%s'", path);
    else if (text)
        ok = g_file_set_contents(path, text, -1, error);
    else
        ok = display_write_png(display, path, error);
    g_free(text);
    display_free(display);
    return ok;
}
