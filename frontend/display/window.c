/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --display sdl: the guest's screen in a window. The thread sleeps until SDL has an event or the screen is to
 * be looked at; only lines that are new are drawn, and nothing is where nothing is new. Where SDL has no
 * events to wait for (its driver "dummy") it polls, which is SDL's affair. Events that are not known here are
 * ignored: sdl2-compat, which stands for SDL 2 on newer systems, has some more.
 */
#include "window.h"

#include "error.h"
#include "window_keys.h"
#include "window_place.h"

#include "devices/pc.h"

#include <SDL.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

struct window {
    struct display *display;
    struct window_owner owner;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture; /* NULL: there was no picture yet */
    int texture_width, texture_height;
    int set_width, set_height; /* what the window was last made */
    bool sized_by_user;
    bool dirty; /* the window is to be painted anew, whether or not the picture changed */
    struct window_pace pace;
    int rate;      /* of the host's display, in Hz; 0: not known */
    Uint32 told;   /* the type of event that window_tell() and window_stop() send */
    gint stopping; /* atomic */

    bool paused, grabbed, closed_once;
    bool down[SDL_NUM_SCANCODES]; /* keys the guest believes to be down */
    int dx, dy, dz;               /* movement that was not told yet */
    unsigned buttons, told_buttons;
    struct window_box box; /* where the picture was painted last, in pixels of the renderer's */
};

static uint64_t now_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * 1000;
}

/* ---- Title and grab ---- */

static void show_title(struct window *w)
{
    char *title = g_strdup_printf("Duplex86%s%s%s", w->paused ? " (paused)" : "",
                                  w->grabbed ? " - Ctrl+Alt+G releases mouse and keyboard" : "",
                                  w->closed_once ? " - close again to switch off at once" : "");
    SDL_SetWindowTitle(w->window, title);
    g_free(title);
}

static void grab(struct window *w, bool on)
{
    if (w->grabbed == on)
        return;
    w->grabbed = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    SDL_SetWindowKeyboardGrab(w->window, on ? SDL_TRUE : SDL_FALSE);
    w->dx = w->dy = w->dz = 0;
    w->buttons = 0; /* a release will not be seen any more */
    show_title(w);
}

/* ---- Keyboard ---- */

static void send_key(struct window *w, SDL_Scancode scancode, bool down)
{
    uint16_t code = window_key_code((int)scancode);
    if (!code || w->down[scancode] == down)
        return;
    w->down[scancode] = down;
    w->owner.key(w->owner.ctx, code, down);
}

/* Whatever is pressed elsewhere must not stay down here. */
static void release_keys(struct window *w)
{
    for (int i = 0; i < SDL_NUM_SCANCODES; i++)
        send_key(w, (SDL_Scancode)i, false);
}

static void toggle_full_screen(struct window *w)
{
    bool full = SDL_GetWindowFlags(w->window) & SDL_WINDOW_FULLSCREEN_DESKTOP;
    SDL_SetWindowFullscreen(w->window, full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
    w->dirty = true;
}

/* An order to this program: Ctrl and Alt, and a letter. */
static bool obey(struct window *w, const SDL_KeyboardEvent *key)
{
    if (!(key->keysym.mod & KMOD_CTRL) || !(key->keysym.mod & KMOD_ALT))
        return false;
    if (key->keysym.scancode == SDL_SCANCODE_G)
        grab(w, !w->grabbed);
    else if (key->keysym.scancode == SDL_SCANCODE_F)
        toggle_full_screen(w);
    else
        return false;
    release_keys(w);
    return true;
}

static void on_key(struct window *w, const SDL_KeyboardEvent *key)
{
    bool down = key->type == SDL_KEYDOWN;
    if ((unsigned)key->keysym.scancode >= SDL_NUM_SCANCODES || key->repeat)
        return; /* the guest's keyboard repeats by itself */
    if (!down || !obey(w, key))
        send_key(w, key->keysym.scancode, down);
}

/* ---- Mouse ---- */

static unsigned button_bit(Uint8 button)
{
    return button == SDL_BUTTON_LEFT     ? PC_BUTTON_LEFT
           : button == SDL_BUTTON_RIGHT  ? PC_BUTTON_RIGHT
           : button == SDL_BUTTON_MIDDLE ? PC_BUTTON_MIDDLE
                                         : 0;
}

/* What was moved since last time; before a button changes, so that the press is where it was. */
static void send_mouse(struct window *w)
{
    if (w->dx || w->dy || w->dz || w->buttons != w->told_buttons)
        w->owner.mouse(w->owner.ctx, w->dx, w->dy, w->dz, w->buttons);
    w->dx = w->dy = w->dz = 0;
    w->told_buttons = w->buttons;
}

/* A place in the picture from one of the window's; what is beside the picture is at its edge. */
static int place_in(int at, int window_size, int output_size, int start, int size)
{
    int pixel = window_size > 0 ? (int)((int64_t)at * output_size / window_size) - start : 0;
    return size > 1 ? (int)((int64_t)CLAMP(pixel, 0, size - 1) * DEVICE_POINT_MAX / (size - 1)) : 0;
}

/* The pointer is there in the window. False: it is not for a tablet of the guest's. */
static bool point(struct window *w, int x, int y, int dz)
{
    int width, height, output_width, output_height;
    if (w->grabbed || !w->box.width)
        return false;
    SDL_GetWindowSize(w->window, &width, &height);
    if (SDL_GetRendererOutputSize(w->renderer, &output_width, &output_height) < 0)
        return false;
    return w->owner.point(w->owner.ctx, place_in(x, width, output_width, w->box.x, w->box.width),
                          place_in(y, height, output_height, w->box.y, w->box.height), dz, w->buttons);
}

static void change_button(struct window *w, const SDL_MouseButtonEvent *button)
{
    if (button->type == SDL_MOUSEBUTTONDOWN)
        w->buttons |= button_bit(button->button);
    else
        w->buttons &= ~button_bit(button->button);
}

/* Before a button changes the guest hears where the pointer is. */
static bool point_button(struct window *w, const SDL_MouseButtonEvent *button)
{
    if (!point(w, button->x, button->y, 0))
        return false;
    change_button(w, button);
    w->told_buttons = w->buttons;
    return point(w, button->x, button->y, 0);
}

static void on_button(struct window *w, const SDL_MouseButtonEvent *button)
{
    bool down = button->type == SDL_MOUSEBUTTONDOWN;
    if (point_button(w, button))
        return;
    if (!w->grabbed) {
        if (down && button->button == SDL_BUTTON_LEFT)
            grab(w, true); /* and the guest does not see this click */
        return;
    }
    send_mouse(w);
    change_button(w, button);
    send_mouse(w);
}

/* SDL's wheel is positive away from the person. */
static void on_wheel(struct window *w, const SDL_MouseWheelEvent *wheel)
{
    int x, y, dz = wheel->direction == SDL_MOUSEWHEEL_FLIPPED ? wheel->y : -wheel->y;
    SDL_GetMouseState(&x, &y);
    if (w->grabbed)
        w->dz += dz;
    else
        point(w, x, y, dz);
}

static void on_motion(struct window *w, const SDL_MouseMotionEvent *motion)
{
    if (!w->grabbed) {
        point(w, motion->x, motion->y, 0);
        return;
    }
    w->dx += motion->xrel;
    w->dy += motion->yrel;
}

/* ---- The window itself ---- */

static void on_close(struct window *w)
{
    if (w->closed_once) {
        w->owner.quit(w->owner.ctx);
        return;
    }
    w->closed_once = true;
    w->owner.power_button(w->owner.ctx);
    grab(w, false);
    show_title(w);
}

/* What the host's display says; many say 0. */
static int ask_rate(struct window *w)
{
    SDL_DisplayMode mode;
    int index = SDL_GetWindowDisplayIndex(w->window);
    return index >= 0 && SDL_GetCurrentDisplayMode(index, &mode) == 0 ? mode.refresh_rate : 0;
}

static void on_window(struct window *w, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_CLOSE:
        on_close(w);
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        grab(w, false);
        release_keys(w);
        break;
    case SDL_WINDOWEVENT_RESIZED:
        w->sized_by_user = w->sized_by_user || event->data1 != w->set_width || event->data2 != w->set_height;
        w->dirty = true;
        break;
    case SDL_WINDOWEVENT_MOVED:
        w->rate = ask_rate(w);
        break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
        w->dirty = true;
        break;
    default:
        break;
    }
}

static void on_told(struct window *w)
{
    bool paused = w->owner.paused(w->owner.ctx);
    if (paused == w->paused)
        return;
    w->paused = paused;
    show_title(w);
}

/* True: it is about keys and buttons, to which the guest may answer. */
static bool on_event(struct window *w, const SDL_Event *event)
{
    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(w, &event->key);
        return true;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(w, &event->button);
        return true;
    case SDL_MOUSEMOTION:
        on_motion(w, &event->motion);
        return w->grabbed;
    case SDL_MOUSEWHEEL:
        on_wheel(w, &event->wheel);
        return true;
    case SDL_WINDOWEVENT:
        on_window(w, &event->window);
        return false;
    case SDL_RENDER_TARGETS_RESET:
    case SDL_RENDER_DEVICE_RESET: /* textures are lost */
        if (w->texture)
            SDL_DestroyTexture(w->texture);
        w->texture = NULL;
        w->dirty = true;
        return false;
    default:
        if (event->type == w->told)
            on_told(w);
        return false;
    }
}

/* ---- The picture ---- */

/* The window follows the guest's mode, unless the person has made it the size it is, or it fills the screen.
 */
static void fit_window(struct window *w, const struct display_picture *picture)
{
    Uint32 flags = SDL_GetWindowFlags(w->window);
    struct window_box box = window_natural_size(picture);
    if (w->sized_by_user || flags & (SDL_WINDOW_FULLSCREEN_DESKTOP | SDL_WINDOW_MAXIMIZED))
        return;
    if (box.width == w->set_width && box.height == w->set_height)
        return;
    w->set_width = box.width;
    w->set_height = box.height;
    SDL_SetWindowSize(w->window, box.width, box.height);
}

/* A texture of the picture's size; true: it is a new one, with nothing in it. */
static bool renew_texture(struct window *w, const struct display_picture *picture)
{
    int width = (int)picture->width, height = (int)picture->height;
    if (w->texture && w->texture_width == width && w->texture_height == height)
        return false;
    if (w->texture)
        SDL_DestroyTexture(w->texture);
    w->texture =
        SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, width, height);
    w->texture_width = width;
    w->texture_height = height;
    return true;
}

static void take_lines(struct window *w, const struct display_picture *picture, unsigned first, unsigned end)
{
    const SDL_Rect lines = { .y = (int)first, .w = (int)picture->width, .h = (int)(end - first) };
    SDL_UpdateTexture(w->texture, &lines, picture->pixels + (size_t)first * picture->width,
                      (int)(picture->width * sizeof *picture->pixels));
}

static void paint(struct window *w, const struct display_picture *picture)
{
    int width, height;
    if (SDL_GetRendererOutputSize(w->renderer, &width, &height) < 0)
        return;
    struct window_box box = w->box = window_place(picture, width, height);
    const SDL_Rect place = { box.x, box.y, box.width, box.height };
    SDL_RenderClear(w->renderer);
    if (w->texture)
        SDL_RenderCopy(w->renderer, w->texture, NULL, &place);
    SDL_RenderPresent(w->renderer);
    w->dirty = false;
}

/* Look at the screen; true: there was something new. */
static bool refresh(struct window *w)
{
    struct display_change change;
    bool news = display_refresh(w->display, &change);
    struct display_picture picture = display_picture(w->display);
    if (!picture.width || !picture.height)
        return news;
    if (news && change.size)
        fit_window(w, &picture);
    if (renew_texture(w, &picture))
        take_lines(w, &picture, 0, picture.height);
    else if (news)
        take_lines(w, &picture, change.first, change.end);
    if (news || w->dirty)
        paint(w, &picture);
    return news;
}

/* ---- Running ---- */

void window_run(struct window *w)
{
    SDL_Event event;
    while (!g_atomic_int_get(&w->stopping)) {
        uint64_t now = now_ns();
        if (now >= w->pace.next || w->dirty)
            window_pace_step(&w->pace, now, refresh(w), w->rate);
        now = now_ns();
        int wait_ms = w->pace.next > now ? (int)((w->pace.next - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
        bool any = SDL_WaitEventTimeout(&event, wait_ms), lively = false;
        for (; any; any = SDL_PollEvent(&event))
            lively = on_event(w, &event) || lively;
        send_mouse(w);
        if (lively)
            window_pace_wake(&w->pace, now_ns());
    }
}

void window_tell(struct window *w)
{
    SDL_Event event = { .type = w->told };
    SDL_PushEvent(&event);
}

void window_stop(struct window *w)
{
    g_atomic_int_set(&w->stopping, true);
    window_tell(w);
}

/* ---- Life ---- */

static gboolean fail_sdl(GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_HOST,
                     "%s: %s; --display terminal and --display none need no window", what, SDL_GetError());
}

static gboolean open_window(struct window *w, GError **error)
{
    const struct display_picture vga = { .width = 720, .height = 400, .is_4_3 = true };
    struct window_box box = window_natural_size(&vga);
    w->set_width = box.width;
    w->set_height = box.height;
    w->window = SDL_CreateWindow("Duplex86", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, box.width,
                                 box.height, SDL_WINDOW_RESIZABLE);
    if (!w->window)
        return fail_sdl(error, "cannot open a window");
    w->renderer = SDL_CreateRenderer(w->window, -1, 0);
    if (!w->renderer)
        return fail_sdl(error, "cannot draw in a window");
    SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, SDL_ALPHA_OPAQUE);
    w->rate = ask_rate(w);
    show_title(w);
    return TRUE;
}

struct window *window_open(const struct display_source *source, const struct window_owner *owner,
                           GError **error)
{
    /* Signals are the main loop's, and somebody who only watches must not be bored to sleep or woken. */
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    SDL_SetHint(SDL_HINT_APP_NAME, "Duplex86");
    /* Many a host that this is for has no graphics processor, and what stands for one (llvmpipe) is slower
       than SDL itself. The variable SDL_RENDER_DRIVER says otherwise. */
    SDL_SetHint(SDL_HINT_RENDER_DRIVER, "software");
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    if (SDL_Init(SDL_INIT_VIDEO) < 0) {
        fail_sdl(error, "there is no display for a window");
        return NULL;
    }
    struct window *w = g_new0(struct window, 1);
    w->owner = *owner;
    w->told = SDL_RegisterEvents(1);
    w->dirty = true;
    if (open_window(w, error)) {
        w->display = display_new(source);
        return w;
    }
    window_close(w);
    return NULL;
}

void window_close(struct window *w)
{
    if (!w)
        return;
    if (w->texture)
        SDL_DestroyTexture(w->texture);
    if (w->renderer)
        SDL_DestroyRenderer(w->renderer);
    if (w->window)
        SDL_DestroyWindow(w->window);
    SDL_Quit();
    display_free(w->display);
    g_free(w);
}
