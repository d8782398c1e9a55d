/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a person or a program has before them: screen, sound, serial ports, debug console, control socket; and
 * what they are where nobody says.
 */
#include "options_private.h"

#include <string.h>
#include <unistd.h>

static gboolean backend_is_known(const char *spec, bool input_too)
{
    if (!strcmp(spec, "stdio") || !strcmp(spec, "none") || (g_str_has_prefix(spec, "file:") && spec[5]))
        return TRUE;
    return input_too && (!strcmp(spec, "pty") || (g_str_has_prefix(spec, "unix:") && spec[5]));
}

static bool names_stdio(char **specs)
{
    for (; specs && *specs; specs++) {
        if (!strcmp(*specs, "stdio") || g_str_has_prefix(*specs, "stdio,name="))
            return true;
    }
    return false;
}

/* Who else has standard input and output, or NULL. */
static const char *user_of_stdio(const struct raw_options *raw)
{
    if (names_stdio(raw->serial))
        return "--serial stdio";
    if (names_stdio(raw->virtio_console))
        return "--virtio-console stdio";
    return raw->debugcon && !strcmp(raw->debugcon, "stdio") ? "--debugcon stdio" : NULL;
}

/* A BIOS writes to the screen; a kernel that is started directly writes where it is told to. */
static enum options_display default_display(const struct options *options, const struct raw_options *raw)
{
    if (raw->kernel || options->chipset != PC_CHIPSET_I440FX || raw->serial || user_of_stdio(raw))
        return OPTIONS_DISPLAY_NONE;
    if (D86_SDL && (g_getenv("DISPLAY") || g_getenv("WAYLAND_DISPLAY")))
        return OPTIONS_DISPLAY_SDL;
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? OPTIONS_DISPLAY_TERMINAL : OPTIONS_DISPLAY_NONE;
}

static const char *const display_names[] = {
    [OPTIONS_DISPLAY_NONE] = "none",
    [OPTIONS_DISPLAY_TERMINAL] = "terminal",
    [OPTIONS_DISPLAY_SDL] = "sdl",
};

static gboolean take_display(struct options *options, const struct raw_options *raw, GError **error)
{
    int display = (int)default_display(options, raw);
    if (raw->display)
        display = options_name_index(raw->display, display_names, G_N_ELEMENTS(display_names));
    if (display < 0)
        return options_fail(error, "--display '%s' is unknown: give sdl, terminal or none", raw->display);
    if (display == OPTIONS_DISPLAY_SDL && !D86_SDL)
        return options_fail(error,
                            "this duplex86 was built without SDL (-DD86_SDL=OFF), so it has no window: give "
                            "--display terminal or none");
    options->display = (enum options_display)display;
    options->screendump = g_strdup(raw->screendump);
    if (options->display == OPTIONS_DISPLAY_TERMINAL && user_of_stdio(raw))
        return options_fail(error, "--display terminal and %s both want the terminal: give one of them",
                            user_of_stdio(raw));
    if (options->chipset == PC_CHIPSET_I440FX)
        return TRUE;
    if (raw->screendump || options->display != OPTIONS_DISPLAY_NONE)
        return options_fail(error, "the machine isa has no display adapter: give --machine pc for --%s",
                            raw->screendump ? "screendump" : "display");
    return TRUE;
}

/* Who has a window hears, too. */
static gboolean take_sound(struct options *options, const char *text, GError **error)
{
    if (!text) {
        options->sound =
            options->display == OPTIONS_DISPLAY_SDL ? OPTIONS_SOUND_SDL_IF_THERE : OPTIONS_SOUND_NONE;
    } else if (!strcmp(text, "none")) {
        options->sound = OPTIONS_SOUND_NONE;
    } else if (!strcmp(text, "sdl")) {
        options->sound = OPTIONS_SOUND_SDL;
    } else if (g_str_has_prefix(text, "wav:") && text[4]) {
        options->sound = OPTIONS_SOUND_WAV;
        options->sound_file = g_strdup(text + 4);
    } else {
        return options_fail(error, "--sound '%s' is unknown: give sdl, wav:FILE or none", text);
    }
    if (options->sound == OPTIONS_SOUND_SDL && !D86_SDL)
        return options_fail(error,
                            "this duplex86 was built without SDL (-DD86_SDL=OFF), so it has no sound: give "
                            "--sound wav:FILE or none");
    return TRUE;
}

static gboolean take_serial(struct options *options, const struct raw_options *raw, GError **error)
{
    static char *standard[] = { (char *)"stdio", NULL }, *none[] = { NULL };
    char **specs = raw->serial;
    bool stdio = names_stdio(raw->virtio_console);
    if (!specs && !stdio &&
        (options->display == OPTIONS_DISPLAY_NONE ||
         (options->display == OPTIONS_DISPLAY_SDL && raw->kernel)))
        specs = standard;
    else if (!specs)
        specs = none; /* there is a screen to talk to, or the terminal is one */
    if (g_strv_length(specs) > OPTIONS_SERIAL_MAX)
        return options_fail(error,
                            "there are four serial ports, so --serial can be given four times at most");
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++) {
        const char *spec = i < g_strv_length(specs) ? specs[i] : "none";
        if (!backend_is_known(spec, true))
            return options_fail(
                error, "--serial '%s' is unknown: give stdio, file:FILE, pty, unix:PATH or none", spec);
        if (!strcmp(spec, "stdio") && stdio)
            return options_fail(error,
                                "--serial: only one port can be on stdio: give the other another back-end");
        stdio = stdio || !strcmp(spec, "stdio");
        options->serial[i] = g_strdup(spec);
    }
    return TRUE;
}

/* "BACKEND,name=NAME": a comma that does not begin a name belongs to the back-end. */
static gboolean take_port(struct options *options, unsigned n, const char *text, GError **error)
{
    const char *comma = strrchr(text, ',');
    if (comma && g_str_has_prefix(comma, ",name="))
        options->ports[n].name = g_strdup(comma + strlen(",name="));
    else
        comma = text + strlen(text);
    options->ports[n].backend = g_strndup(text, (size_t)(comma - text));
    const char *name = options->ports[n].name, *backend = options->ports[n].backend;
    if (!backend_is_known(backend, true) || !strcmp(backend, "none"))
        return options_fail(
            error, "--virtio-console '%s' is unknown: give stdio, file:FILE, pty or unix:PATH", backend);
    if (name && !options_is_name(name, strlen(name), PC_CONSOLE_NAME))
        return options_fail(
            error, "--virtio-console: the name '%s' is none: give up to %d letters, digits, '-', '_' and '.'",
            name, PC_CONSOLE_NAME);
    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(backend, "stdio") && !strcmp(options->ports[i].backend, "stdio"))
            return options_fail(
                error, "--virtio-console: only one port can be on stdio: give the other another back-end");
        if (name && options->ports[i].name && !strcmp(options->ports[i].name, name))
            return options_fail(error, "--virtio-console: there are two of the name '%s'", name);
    }
    return TRUE;
}

static gboolean take_ports(struct options *options, char **texts, GError **error)
{
    if (texts && g_strv_length(texts) > PC_CONSOLES)
        return options_fail(error, "--virtio-console can be given %d times at most", PC_CONSOLES);
    for (unsigned i = 0; texts && texts[i]; i++) {
        if (!take_port(options, i, texts[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean take_debugcon(struct options *options, const char *spec, GError **error)
{
    options->debugcon = g_strdup(spec ? spec : "none");
    if (!backend_is_known(options->debugcon, false))
        return options_fail(error, "--debugcon '%s' is unknown: give stdio, file:FILE or none", spec);
    return TRUE;
}

static gboolean take_control(struct options *options, const char *spec, GError **error)
{
    if (spec && (!g_str_has_prefix(spec, "unix:") || !spec[5]))
        return options_fail(error, "--control '%s' is unknown: give unix:PATH", spec);
    options->control = g_strdup(spec);
    return TRUE;
}

gboolean options_take_console(struct options *options, const struct raw_options *raw, GError **error)
{
    return take_display(options, raw, error) && take_sound(options, raw->sound, error) &&
           take_serial(options, raw, error) && take_ports(options, raw->virtio_console, error) &&
           take_debugcon(options, raw->debugcon, error) && take_control(options, raw->control, error);
}
