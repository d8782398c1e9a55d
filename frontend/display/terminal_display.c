/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminal as screen and keyboard. The screen is looked at thirty times a second. The alternate buffer is
 * used, so that what was on the terminal before is there again afterwards.
 */
#include "terminal_display.h"

#include "error.h"
#include "escape.h"
#include "terminal.h"
#include "terminal_keys.h"
#include "terminal_view.h"
#include "typist.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    REFRESH_MS = 33,
    ESC_MS = 50, /* after which ESC is a key and no sequence */
    STROKE_MS = 10,
};

static const char begin[] = "\033[?1049h\033[2J";
static const char end[] = "\033[0m\033[?25h\033[?1049l";

struct terminal_display {
    struct display *display;
    struct terminal_view *view;
    struct terminal_display_owner owner;
    struct escape escape;
    struct terminal_keys keys;
    struct typist *typist;
    struct watch *watch, *out_watch;
    int fd; /* standard output, opened anew so as not to block on it */
    guint refresh_timer, esc_timer;
    bool shows_help;
    struct winsize size;
    GString *out;
};

/* ---- Screen ---- */

/*
 * What the terminal does not take at once waits, and nothing more is made meanwhile: the guest draws faster
 * than a slow line shows.
 */
static void write_out(struct terminal_display *d)
{
    ssize_t n;
    do
        n = write(d->fd, d->out->str, d->out->len);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        n = (ssize_t)d->out->len; /* it is gone: there is nobody to tell */
    g_string_erase(d->out, 0, MAX(n, 0));
    watch_set(d->out_watch, d->out->len ? G_IO_OUT : 0);
}

static void on_writable(void *ctx)
{
    write_out(ctx);
}

/* Has it another size now? Then all is to be written again. */
static bool was_resized(struct terminal_display *d)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
        size = (struct winsize){ .ws_col = 80, .ws_row = 25 };
    bool resized = size.ws_col != d->size.ws_col || size.ws_row != d->size.ws_row;
    d->size = size;
    if (resized)
        terminal_view_forget(d->view);
    return resized;
}

static void show(struct terminal_display *d)
{
    struct display_text text = display_text(d->display);
    struct display_picture picture = display_picture(d->display);
    terminal_view_update(d->view, &text, &picture, d->size.ws_col, d->size.ws_row, d->out);
    write_out(d);
}

static gboolean on_refresh(gpointer data)
{
    struct terminal_display *d = data;
    if (d->shows_help || d->out->len)
        return G_SOURCE_CONTINUE;
    bool resized = was_resized(d);
    if (display_refresh(d->display, NULL) || resized)
        show(d);
    return G_SOURCE_CONTINUE;
}

static void show_help(struct terminal_display *d)
{
    g_string_append_printf(d->out, "\033[0m\033[H\033[2J%s\r\nAny key goes on.", escape_help);
    write_out(d);
    terminal_view_forget(d->view);
    d->shows_help = true;
}

static void end_help(struct terminal_display *d)
{
    d->shows_help = false;
    display_refresh(d->display, NULL);
    show(d);
}

/* ---- Keys ---- */

static void on_typed(void *ctx)
{
    (void)ctx;
}

static void on_stroke(void *ctx, const uint16_t *codes, unsigned count)
{
    struct terminal_display *d = ctx;
    struct typist_job *job = typist_job_new();
    typist_job_add(job, codes, count);
    typist_start(d->typist, job, STROKE_MS, on_typed, NULL);
}

static void give_key(void *ctx, uint16_t code, bool down)
{
    struct terminal_display *d = ctx;
    d->owner.key(d->owner.ctx, code, down);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static gboolean on_esc(gpointer data)
{
    struct terminal_display *d = data;
    d->esc_timer = 0;
    terminal_keys_flush(&d->keys);
    return G_SOURCE_REMOVE;
}

/* Ctrl and Pause. */
static void press_break(struct terminal_display *d)
{
    static const uint16_t codes[] = { 0x1d, 0xe11d };
    on_stroke(d, codes, G_N_ELEMENTS(codes));
}

static void take(struct terminal_display *d, uint8_t byte)
{
    switch (escape_feed(&d->escape, byte)) {
    case ESCAPE_PASS:
        terminal_keys_feed(&d->keys, byte);
        break;
    case ESCAPE_QUIT:
        d->owner.quit(d->owner.ctx);
        break;
    case ESCAPE_HELP:
        show_help(d);
        break;
    case ESCAPE_BREAK:
        press_break(d);
        break;
    case ESCAPE_SWALLOW:
        break;
    }
}

static void on_input(void *ctx)
{
    struct terminal_display *d = ctx;
    uint8_t bytes[256];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) {
        watch_set(d->watch, 0); /* the terminal is gone; SIGHUP says so, too */
        return;
    }
    if (d->shows_help && count > 0) {
        end_help(d);
        if (bytes[0] != ESCAPE_KEY)
            return; /* the key, all of its sequence, was to end it */
    }
    for (ssize_t i = 0; i < count; i++)
        take(d, bytes[i]);
    if (d->esc_timer)
        g_source_remove(d->esc_timer);
    d->esc_timer = d->keys.count ? g_timeout_add(ESC_MS, on_esc, d) : 0;
}

/* ---- What this program has to say ---- */

/* It would be lost with the alternate buffer, so it waits. From any thread, and one terminal is all there is.
 */
static GMutex words_lock;
static GString *words;

static void keep_words(const gchar *text)
{
    g_mutex_lock(&words_lock);
    if (words)
        g_string_append(words, text);
    g_mutex_unlock(&words_lock);
}

static void begin_keeping(void)
{
    words = g_string_new(NULL);
    g_set_printerr_handler(keep_words);
}

static void say_kept(void)
{
    g_set_printerr_handler(NULL);
    g_mutex_lock(&words_lock);
    g_printerr("%s", words->str);
    g_string_free(words, TRUE);
    words = NULL;
    g_mutex_unlock(&words_lock);
}

/* ---- Life ---- */

struct terminal_display *terminal_display_open(const struct display_source *source,
                                               const struct terminal_display_owner *owner, GError **error)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fail_with(error, FRONTEND_ERROR_USAGE,
                  "--display terminal needs a terminal at standard input and output: give --display none");
        return NULL;
    }
    if (!terminal_make_raw(STDIN_FILENO, error))
        return NULL;
    struct terminal_display *d = g_new0(struct terminal_display, 1);
    const struct typist_keyboard keyboard = { .key = give_key, .taken = always, .ctx = d };
    d->owner = *owner;
    d->display = display_new(source);
    d->view = terminal_view_new();
    d->keys = (struct terminal_keys){ .stroke = on_stroke, .ctx = d };
    d->typist = typist_new(&keyboard);
    d->out = g_string_new(begin);
    begin_keeping();
    d->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (d->fd < 0)
        d->fd = dup(STDOUT_FILENO);
    d->out_watch = watch_new(d->fd, 0, on_writable, d);
    terminal_at_end(end, d->fd);
    write_out(d);
    d->watch = watch_new(STDIN_FILENO, G_IO_IN, on_input, d);
    d->refresh_timer = g_timeout_add(REFRESH_MS, on_refresh, d);
    return d;
}

void terminal_display_close(struct terminal_display *d)
{
    if (!d)
        return;
    g_source_remove(d->refresh_timer);
    if (d->esc_timer)
        g_source_remove(d->esc_timer);
    watch_free(d->watch);
    watch_free(d->out_watch);
    typist_free(d->typist);
    terminal_restore();
    terminal_at_end(NULL, -1);
    say_kept();
    terminal_view_free(d->view);
    display_free(d->display);
    g_string_free(d->out, TRUE);
    close(d->fd);
    g_free(d);
}
