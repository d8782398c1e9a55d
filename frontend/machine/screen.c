/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's screen and keyboard for whoever shows them. Called without the lock.
 */
#include "machine_private.h"

#include "error.h"
#include "terminal_display.h"
#include "window.h"

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

/* ---- In a window ---- */

static void on_mouse(void *ctx, int dx, int dy, int dz, unsigned buttons)
{
    machine_mouse(ctx, dx, dy, dz, buttons);
}

static bool on_point(void *ctx, int x, int y, int dz, unsigned buttons)
{
    return machine_point(ctx, x, y, dz, buttons);
}

static bool on_power_button(void *ctx)
{
    return machine_power_button(ctx);
}

static bool is_paused(void *ctx)
{
    struct machine *m = ctx;
    pthread_mutex_lock(&m->lock);
    bool paused = m->paused;
    pthread_mutex_unlock(&m->lock);
    return paused;
}

static void on_news(void *ctx, enum machine_news news)
{
    struct machine *m = ctx;
    if (news == MACHINE_PAUSED || news == MACHINE_RESUMED)
        window_tell(m->window);
}

static gboolean open_window(struct machine *m, const struct display_source *source, GError **error)
{
    const struct window_owner owner = {
        .key = on_key,
        .mouse = on_mouse,
        .point = on_point,
        .power_button = on_power_button,
        .quit = on_quit,
        .paused = is_paused,
        .ctx = m,
    };
    const struct machine_listener listener = { .tell = on_news, .ctx = m };
    m->window = window_open(source, &owner, error);
    if (m->window)
        machine_listen(m, &listener);
    return m->window != NULL;
}

static void *run_loop(void *machine)
{
    struct machine *m = machine;
    if (!m->stopping)
        g_main_loop_run(m->loop);
    window_stop(m->window);
    return NULL;
}

/* The window wants the program's first thread, so the main loop has another. */
static gboolean run_window(struct machine *m, GError **error)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, run_loop, m);
    if (err)
        return fail_errno(error, -err, NULL, "cannot start a thread beside the window");
    window_run(m->window);
    pthread_join(thread, NULL);
    return TRUE;
}

/* ---- Wherever ---- */

gboolean screen_open(struct machine *m, GError **error)
{
    const struct terminal_display_owner owner = { .key = on_key, .quit = on_quit, .ctx = m };
    struct display_source source;
    if (m->options->display == OPTIONS_DISPLAY_NONE || !machine_screen(m, &source))
        return TRUE;
    if (m->options->display == OPTIONS_DISPLAY_SDL)
        return open_window(m, &source, error);
    m->terminal = terminal_display_open(&source, &owner, error);
    return m->terminal != NULL;
}

gboolean screen_run(struct machine *m, GError **error)
{
    if (m->window)
        return run_window(m, error);
    g_main_loop_run(m->loop);
    return TRUE;
}

void screen_close(struct machine *m)
{
    terminal_display_close(m->terminal);
    window_close(m->window);
    m->terminal = NULL;
    m->window = NULL;
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
