/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine from the options to the exit status: files are read, parts are built in order, two threads run,
 * everything is taken down again.
 */
#include "machine.h"
#include "machine_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>

/* ---- What the back-ends tell ---- */

enum { DEBUGCON_PORT = PC_SERIAL_MAX }; /* a number of its own among the back-ends */

static size_t on_receive(void *ctx, unsigned port, const uint8_t *bytes, size_t count)
{
    struct machine *m = ctx;
    return port < PC_SERIAL_MAX ? pc_serial_receive(m->pc, port, bytes, count) : count;
}

static void on_break(void *ctx, unsigned port)
{
    struct machine *m = ctx;
    if (port < PC_SERIAL_MAX)
        pc_serial_break(m->pc, port);
}

static void on_quit(void *ctx)
{
    machine_end(ctx, STATUS_QUIT);
}

static void on_uncongested(void *ctx)
{
    struct machine *m = ctx;
    pthread_cond_signal(&m->wake);
}

static gboolean open_backends(struct machine *m, GError **error)
{
    static const char *const label[] = { "COM1", "COM2", "COM3", "COM4" };
    const struct backend_owner owner = {
        .receive = on_receive,
        .send_break = on_break,
        .quit = on_quit,
        .uncongested = on_uncongested,
        .ctx = m,
        .lock = &m->lock,
    };
    GError *failed = NULL;
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX && !failed; i++)
        m->serial[i] = backend_open(m->options->serial[i], label[i], i, &owner, &failed);
    if (!failed)
        m->debugcon = backend_open(m->options->debugcon, "the debug console", DEBUGCON_PORT, &owner, &failed);
    if (failed)
        g_propagate_error(error, failed);
    return !failed && ports_open(m, &owner, error);
}

static gboolean open_sound(struct machine *m, GError **error)
{
    const struct options *options = m->options;
    m->first_frame = device_sound_frame(m->began);
    if (options->sound == OPTIONS_SOUND_NONE)
        return TRUE;
    if (options->sound == OPTIONS_SOUND_WAV)
        m->sound = sound_open_wav(options->sound_file, error);
    else
        m->sound = sound_open_sdl(options->sound == OPTIONS_SOUND_SDL, error);
    return m->sound != NULL;
}

/* ---- Files ---- */

static bool kernel_takes_modules(const struct machine *m)
{
    enum kernel_format format = loader_detect(m->kernel.data, m->kernel.size);
    return format == KERNEL_MULTIBOOT || format == KERNEL_MULTIBOOT2;
}

/*
 * The file of an --initrd. A Multiboot module's arguments follow the file's name after a blank; for Linux the
 * whole text is the name. Empty files are made by mistake or to fill a place: they are taken, with a word.
 */
static gboolean read_initrd(struct image *image, const char *text, bool is_module, GError **error)
{
    char *path = is_module ? g_strndup(text, strcspn(text, " ")) : g_strdup(text);
    gboolean ok = image_read_any(image, "initrd", path, error);
    if (ok && image->size == 0)
        g_printerr("duplex86: the initrd '%s' is empty: the kernel gets %s\n", path,
                   is_module ? "an empty module" : "none");
    g_free(path);
    return ok;
}

static gboolean read_kernel(struct machine *m, GError **error)
{
    char **texts = m->options->initrds;
    if (!image_read(&m->kernel, "kernel", m->options->kernel, error))
        return FALSE;
    bool modules = kernel_takes_modules(m);
    m->initrds = g_new0(struct image, g_strv_length(texts) + 1);
    for (; texts[m->initrd_count]; m->initrd_count++) {
        if (!read_initrd(&m->initrds[m->initrd_count], texts[m->initrd_count], modules, error))
            return FALSE;
    }
    firmware_direct_boot(&m->rom);
    return TRUE;
}

static gboolean read_bios(struct machine *m, GError **error)
{
    const char *path = m->options->bios ? m->options->bios : firmware_find_seabios();
    if (!path)
        return fail_with(
            error, FRONTEND_ERROR_IMAGE,
            "there is no SeaBIOS on this host: install the package seabios, or give --bios FILE");
    return firmware_read(&m->rom, path, error);
}

/* Somebody looks at the screen, or may. */
static bool screen_is_seen(const struct options *options)
{
    return options->display != OPTIONS_DISPLAY_NONE || options->screendump || options->control;
}

/* The display adapter's, with which a BIOS begins to use it. Kernels that are started directly do without
   where nobody sees the screen. */
static gboolean read_video_bios(struct machine *m, GError **error)
{
    const char *path = firmware_find_vgabios();
    if ((m->options->kernel && !screen_is_seen(m->options)) || m->options->chipset != PC_CHIPSET_I440FX)
        return TRUE;
    if (!path) {
        g_printerr(
            "duplex86: there is no VGA BIOS on this host, so the screen may stay dark: install the package "
            "seabios\n");
        return TRUE;
    }
    return firmware_read_option_rom(&m->video_rom, path, VIDEO_ROM_MAX, error);
}

static gboolean read_files(struct machine *m, GError **error)
{
    return (m->options->kernel ? read_kernel(m, error) : read_bios(m, error)) && read_video_bios(m, error);
}

/* ---- Life ---- */

static void configure(struct machine *m)
{
    const struct options *options = m->options;
    m->config.ram_size = options->ram_size;
    m->config.bios_size = m->rom.size;
    m->config.chipset = options->chipset;
    m->config.apic = options->apic;
    m->config.rng = options->rng;
    m->config.tablet = options->tablet;
    m->config.keyboard = options->keyboard;
    m->config.balloon = options->balloon;
    m->config.firmware_log = options->chipset == PC_CHIPSET_I440FX && strcmp(options->debugcon, "none") != 0;
    m->config.exit_port = options->exit_port;
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++) {
        if (strcmp(options->serial[i], "none"))
            m->config.serial_ports |= 1u << i;
    }
    ports_configure(m);
    memory_map_init(&m->map, &m->config);
}

static void init_locks(struct machine *m)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->wake, &attr);
    pthread_cond_init(&m->still, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
}

/* The guest's memory is complete before a terminal changes: what fails, fails on a sane terminal. */
static gboolean build(struct machine *m, GError **error)
{
    if (!drives_open(m, error) || !nets_open(m, error) || !shares_open(m, error) || !read_files(m, error))
        return FALSE;
    configure(m);
    const char *snapshot = m->options->restore;
    if (!power_build(m, error))
        return FALSE;
    if (!(snapshot ? power_restore(m, snapshot, error) : power_start(m, error)))
        return FALSE;
    return open_sound(m, error) && open_backends(m, error);
}

struct machine *machine_new(const struct options *options, GError **error)
{
    struct machine *m = g_new0(struct machine, 1);
    m->options = options;
    m->pending_vector = -1;
    m->deadline = DEVICE_NEVER;
    m->loop = g_main_loop_new(NULL, FALSE);
    if (options->trace)
        m->trace = trace_new(options->trace);
    clock_init_host(&m->clock, options->local_time);
    m->began = m->clock.now(&m->clock);
    init_locks(m);
    if (build(m, error))
        return m;
    machine_free(m);
    return NULL;
}

/* From the main loop, which therefore exists when the guest ends it. */
static gboolean start_vcpu(gpointer data)
{
    struct machine *m = data;
    int err = pthread_create(&m->vcpu_thread, NULL, run_vcpu, m);
    if (err) {
        pthread_mutex_lock(&m->lock);
        fail_errno(&m->failure, -err, NULL, "cannot start a thread for the virtual processor");
        machine_end(m, STATUS_HOST_ERROR);
        pthread_mutex_unlock(&m->lock);
    }
    m->running = !err;
    return G_SOURCE_REMOVE;
}

/* What the user should know about how the guest is going to be run. */
static void announce(const struct machine *m)
{
    if (m->engine_note)
        g_printerr("duplex86: using the interpreter: %s\n", m->engine_note);
    else if (m->options->split == D86_SPLIT_NONE)
        g_printerr(
            "duplex86: --split none: in pages with code the guest reads INT3s instead of its own bytes; "
            "programs that do so fail, those of Linux among them (C libraries read the vDSO)\n");
}

/* What went wrong before matters more. */
static void close_sound(struct machine *m)
{
    GError *failed = NULL;
    sound_close(m->sound, &failed);
    m->sound = NULL;
    if (failed && m->failure)
        g_error_free(failed);
    else if (failed)
        m->failure = failed;
}

gboolean machine_run(struct machine *m, int *status, GError **error)
{
    announce(m);
    if (!screen_open(m, error))
        return FALSE;
    g_idle_add(start_vcpu, m);
    if (!screen_run(m, &m->failure))
        m->stopping = true; /* before anything has begun */
    screen_close(m);
    if (m->running)
        pthread_join(m->vcpu_thread, NULL);
    m->running = false;
    *status = m->status;
    machine_drain(m);
    if (m->options->stats)
        statistics_report(m);
    if (!m->failure && m->options->screendump)
        screen_dump(m, m->options->screendump, &m->failure);
    close_sound(m);
    if (!m->failure)
        return TRUE;
    g_propagate_error(error, m->failure);
    m->failure = NULL;
    return FALSE;
}

void machine_drain(struct machine *m)
{
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++)
        backend_drain(m->serial[i]);
    backend_drain(m->debugcon);
    ports_drain(m);
}

void machine_end(struct machine *m, int status)
{
    if (m->stopping)
        return; /* the first reason counts */
    m->stopping = true;
    m->status = status;
    if (m->in_guest)
        d86_vcpu_kick(m->vcpu);
    pthread_cond_broadcast(&m->wake);
    pthread_cond_broadcast(&m->still);
    machine_tell(m, MACHINE_ENDING);
    g_main_loop_quit(m->loop);
}

void machine_stop(struct machine *m, int status)
{
    pthread_mutex_lock(&m->lock);
    machine_end(m, status);
    pthread_mutex_unlock(&m->lock);
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    screen_close(m);
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++)
        backend_close(m->serial[i]);
    backend_close(m->debugcon);
    ports_close(m);
    sound_close(m->sound, NULL);
    drives_close(m);
    shares_close(m);
    nets_close(m);
    g_free(m->pc);
    d86_vm_destroy(m->vm);
    firmware_clear(&m->rom);
    firmware_clear(&m->video_rom);
    image_clear(&m->kernel);
    for (size_t i = 0; i < m->initrd_count; i++)
        image_clear(&m->initrds[i]);
    g_free(m->initrds);
    g_free(m->engine_note);
    trace_free(m->trace);
    g_main_loop_unref(m->loop);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->still);
    pthread_mutex_destroy(&m->lock);
    g_free(m);
}
