/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options by GLib's GOption. Texts are taken as file names are, byte for byte, whatever the locale.
 */
#include "options.h"

#include "error.h"
#include "options_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAM_DEFAULT (UINT64_C(256) << 20)
#define RAM_MIN     (UINT64_C(1) << 20)
#define RAM_MAX     (UINT64_C(60) << 30) /* with the hole below 4 GiB this stays inside 36 address bits */

static const char SUMMARY[] =
    "Runs a 32-bit x86 PC operating system, from the image of a disk, a CD or a floppy,\n"
    "from a kernel file or from a BIOS ROM, on any x86-64 Linux host: no hardware virtualisation, no driver, "
    "no privilege.";

static const char DESCRIPTION[] =
    "Where BACKEND is one of:\n"
    "  stdio       this terminal; on a terminal, keys after Ctrl-A are for this program\n"
    "  file:FILE   write to FILE (emptied first)\n"
    "  pty         a new pseudo-terminal; its name is printed at start\n"
    "  unix:PATH   listen on a Unix socket; one client at a time, which may come back\n"
    "  none        nothing there\n"
    "The first --serial is COM1, the second COM2, up to COM4. Without --serial, COM1 is\n"
    "stdio, or nothing if the screen is shown. --debugcon takes stdio, file:FILE and none.\n"
    "\n"
    "Keys in a window:\n"
    "  Ctrl+Alt+G  grab or release mouse and keyboard; a click grabs them, too\n"
    "  Ctrl+Alt+F  full screen\n"
    "\n"
    "Keys, when stdio is a terminal:\n"
    "  Ctrl-A x    quit             Ctrl-A h       list these keys\n"
    "  Ctrl-A b    send a break     Ctrl-A Ctrl-A  send Ctrl-A\n"
    "\n"
    "Exit status:\n"
    "  0   the guest powered off, or halted with interrupts off\n"
    "  1   wrong usage, a file that cannot be used, or a host error\n"
    "  2   the guest rebooted (unless --reboot)\n"
    "  4   the guest died of a triple fault\n"
    "  6   the virtual machine cannot go on; the guest's state is on stderr\n"
    "  8   Ctrl-A x\n"
    "  2v+1  the guest wrote v to the --exit-port\n"
    "\n"
    "Examples:\n"
    "  duplex86 disk.img\n"
    "  duplex86 --cdrom installer.iso --disk disk.img --boot order=d\n"
    "  duplex86 --kernel vmlinuz --initrd initrd.gz --append 'console=ttyS0'\n"
    "  duplex86 --ram 64M --kernel mykernel.elf --initrd 'module.bin its arguments'\n"
    "  duplex86 --bios bios.bin --serial file:com1.log --debugcon stdio\n"
    "  duplex86 --machine pc";

/* What GOption fills; turned into struct options by the functions below. */
struct raw_options {
    char *machine, *ram, *kernel, *append, *bios, *debugcon, *control, *engine, *split, *translate, *cpu,
        *exit_port, *rtc, *stats, *audit, *screendump, *display, *translated_memory, *apic, *config, *sound;
    char **initrds, **serial, **trace, **net, **share;
    char *spaces;
    struct raw_media media;
    gboolean rng, tablet;
    gboolean reboot, no_reboot, keep_halted, in_process, eager, simulate_keys, version;
};

static gboolean fail_usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean fail_usage(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fail_with(error, FRONTEND_ERROR_USAGE, "%s", text);
    g_free(text);
    return FALSE;
}

gboolean options_parse_size(const char *text, uint64_t *bytes)
{
    char *end;
    guint64 value;
    if (!g_ascii_isdigit(*text))
        return FALSE;
    value = g_ascii_strtoull(text, &end, 10);
    unsigned shift;
    switch (g_ascii_toupper(*end)) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    default:
        return FALSE;
    }
    if (end[1] != '\0' || value > (UINT64_MAX >> shift))
        return FALSE;
    *bytes = value << shift;
    return TRUE;
}

/* Index of `text` among `count` names, or -1. */
static int name_index(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(text, names[i]))
            return (int)i;
    }
    return -1;
}

static gboolean take_ram(struct options *options, const char *text, GError **error)
{
    options->ram_size = RAM_DEFAULT;
    if (!text)
        return TRUE;
    if (!options_parse_size(text, &options->ram_size))
        return fail_usage(error, "--ram '%s' is not a size: give a number and K, M or G, as in 256M", text);
    if (options->ram_size % 4096)
        return fail_usage(error, "--ram '%s' is not a multiple of 4K", text);
    if (options->ram_size < RAM_MIN || options->ram_size > RAM_MAX)
        return fail_usage(error, "--ram '%s' is out of range: give 1M to 60G", text);
    return TRUE;
}

static gboolean take_port(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    char *end;
    guint64 port = g_ascii_strtoull(text, &end, 0);
    if (!g_ascii_isdigit(*text) || port == 0 || port > 0xffff || *end)
        return fail_usage(error, "--exit-port '%s' is not an I/O port: give 1 to 0xffff, as in 0xf4", text);
    options->exit_port = (uint16_t)port;
    return TRUE;
}

static gboolean backend_is_known(const char *spec, bool input_too)
{
    if (!strcmp(spec, "stdio") || !strcmp(spec, "none") || (g_str_has_prefix(spec, "file:") && spec[5]))
        return TRUE;
    return input_too && (!strcmp(spec, "pty") || (g_str_has_prefix(spec, "unix:") && spec[5]));
}

static const char *const machine_names[] = {
    [PC_CHIPSET_ISA] = "isa",
    [PC_CHIPSET_I440FX] = "pc",
};

const char *options_machine_name(enum pc_chipset chipset)
{
    return machine_names[chipset];
}

/* A BIOS is written for a chipset, and disks are part of it; a kernel starts sooner where it has less to look
 * for. */
static gboolean take_chipset(struct options *options, const struct raw_options *raw, GError **error)
{
    bool media = options_media_given(&raw->media);
    int chipset =
        raw->bios || media || raw->share || raw->rng || raw->tablet || options_net_needs_pci(raw->net)
            ? PC_CHIPSET_I440FX
            : PC_CHIPSET_ISA;
    if (raw->machine)
        chipset = name_index(raw->machine, machine_names, G_N_ELEMENTS(machine_names));
    if (chipset < 0)
        return fail_usage(error, "--machine '%s' is unknown: give isa or pc", raw->machine);
    if (media && chipset == PC_CHIPSET_ISA)
        return fail_usage(error, "disks, CDs and floppies need --machine pc");
    if ((raw->share || raw->rng || raw->tablet) && chipset == PC_CHIPSET_ISA)
        return fail_usage(error, "--share, --rng and --tablet need --machine pc");
    options->rng = raw->rng;
    options->tablet = raw->tablet;
    options->chipset = (enum pc_chipset)chipset;
    return options_share_take(&options->share, raw->share, error) &&
           options_net_take(&options->net, raw->net, chipset == PC_CHIPSET_ISA, error);
}

static bool names_stdio(char **specs)
{
    return specs && g_strv_contains((const char *const *)specs, "stdio");
}

/* Who else has standard input and output, or NULL. */
static const char *user_of_stdio(const struct raw_options *raw)
{
    if (names_stdio(raw->serial))
        return "--serial stdio";
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
        display = name_index(raw->display, display_names, G_N_ELEMENTS(display_names));
    if (display < 0)
        return fail_usage(error, "--display '%s' is unknown: give sdl, terminal or none", raw->display);
    if (display == OPTIONS_DISPLAY_SDL && !D86_SDL)
        return fail_usage(error,
                          "this duplex86 was built without SDL (-DD86_SDL=OFF), so it has no window: give "
                          "--display terminal or none");
    options->display = (enum options_display)display;
    options->screendump = g_strdup(raw->screendump);
    if (options->display == OPTIONS_DISPLAY_TERMINAL && user_of_stdio(raw))
        return fail_usage(error, "--display terminal and %s both want the terminal: give one of them",
                          user_of_stdio(raw));
    if (options->chipset == PC_CHIPSET_I440FX)
        return TRUE;
    if (raw->screendump || options->display != OPTIONS_DISPLAY_NONE)
        return fail_usage(error, "the machine isa has no display adapter: give --machine pc for --%s",
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
        return fail_usage(error, "--sound '%s' is unknown: give sdl, wav:FILE or none", text);
    }
    if (options->sound == OPTIONS_SOUND_SDL && !D86_SDL)
        return fail_usage(error,
                          "this duplex86 was built without SDL (-DD86_SDL=OFF), so it has no sound: give "
                          "--sound wav:FILE or none");
    return TRUE;
}

static gboolean take_serial(struct options *options, const struct raw_options *raw, GError **error)
{
    static char *standard[] = { (char *)"stdio", NULL }, *none[] = { NULL };
    char **specs = raw->serial;
    if (!specs && (options->display == OPTIONS_DISPLAY_NONE ||
                   (options->display == OPTIONS_DISPLAY_SDL && raw->kernel)))
        specs = standard;
    else if (!specs)
        specs = none; /* there is a screen to talk to, or the terminal is one */
    if (g_strv_length(specs) > OPTIONS_SERIAL_MAX)
        return fail_usage(error, "there are four serial ports, so --serial can be given four times at most");
    bool stdio = false;
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++) {
        const char *spec = i < g_strv_length(specs) ? specs[i] : "none";
        if (!backend_is_known(spec, true))
            return fail_usage(
                error, "--serial '%s' is unknown: give stdio, file:FILE, pty, unix:PATH or none", spec);
        if (!strcmp(spec, "stdio") && stdio)
            return fail_usage(error, "only one serial port can be on stdio: give the other another --serial");
        stdio = stdio || !strcmp(spec, "stdio");
        options->serial[i] = g_strdup(spec);
    }
    return TRUE;
}

static gboolean take_debugcon(struct options *options, const char *spec, GError **error)
{
    options->debugcon = g_strdup(spec ? spec : "none");
    if (!backend_is_known(options->debugcon, false))
        return fail_usage(error, "--debugcon '%s' is unknown: give stdio, file:FILE or none", spec);
    return TRUE;
}

static gboolean take_control(struct options *options, const char *spec, GError **error)
{
    if (spec && (!g_str_has_prefix(spec, "unix:") || !spec[5]))
        return fail_usage(error, "--control '%s' is unknown: give unix:PATH", spec);
    options->control = g_strdup(spec);
    return TRUE;
}

static gboolean cpu_is_known(const char *name)
{
    for (const char *const *model = d86_cpu_models(); *model; model++) {
        if (!strcmp(*model, name))
            return TRUE;
    }
    return FALSE;
}

static const char *const engine_names[] = {
    [D86_ENGINE_INTERP] = "interp",
    [D86_ENGINE_SBE] = "sbe",
    [D86_ENGINE_LOCKSTEP] = "lockstep",
};

static const char *const split_names[] = {
    [D86_SPLIT_AUTO] = "auto", [D86_SPLIT_SEGMENT] = "segment", [D86_SPLIT_PKU] = "pku",
    [D86_SPLIT_NONE] = "none", [D86_SPLIT_TLB] = "tlb",
};

static const char *const translate_names[] = {
    [D86_TRANSLATE_ON] = "on",
    [D86_TRANSLATE_OFF] = "off",
    [D86_TRANSLATE_ONLY] = "only",
};

const char *options_engine_name(enum d86_engine engine)
{
    return engine_names[engine];
}

const char *options_split_name(enum d86_split split)
{
    return split_names[split];
}

static gboolean take_engine(struct options *options, const struct raw_options *raw, GError **error)
{
    int engine = -1, split = D86_SPLIT_AUTO;
    options->engine_auto = !raw->engine || !strcmp(raw->engine, "auto");
    if (options->engine_auto)
        engine = D86_ENGINE_SBE;
    else
        engine = name_index(raw->engine, engine_names, G_N_ELEMENTS(engine_names));
    if (engine < 0)
        return fail_usage(error, "--engine '%s' is unknown: give auto, interp, sbe or lockstep", raw->engine);
    if (raw->split)
        split = name_index(raw->split, split_names, G_N_ELEMENTS(split_names));
    if (split < 0)
        return fail_usage(error, "--split '%s' is unknown: give auto, segment, pku, tlb or none", raw->split);
    if (raw->split && engine == D86_ENGINE_INTERP)
        return fail_usage(error, "--split goes with the engines sbe and lockstep, not with interp");
    if (raw->in_process && engine != D86_ENGINE_INTERP)
        return fail_usage(error, "--in-process goes with --engine interp only");
    options->engine = (enum d86_engine)engine;
    options->split = (enum d86_split)split;
    return TRUE;
}

static gboolean take_translate(struct options *options, const char *text, GError **error)
{
    int translate = D86_TRANSLATE_ON;
    if (text)
        translate = name_index(text, translate_names, G_N_ELEMENTS(translate_names));
    if (translate < 0)
        return fail_usage(error, "--translate '%s' is unknown: give on, off or only", text);
    if (text && options->engine != D86_ENGINE_SBE && options->engine != D86_ENGINE_LOCKSTEP)
        return fail_usage(error, "--translate goes with the engines sbe and lockstep only");
    options->translate = (enum d86_translate)translate;
    return TRUE;
}

static gboolean take_translated_memory(struct options *options, const char *text, GError **error)
{
    enum { MIN = 8 << 20, MAX = 64 << 20 };
    if (!text)
        return TRUE;
    if (!options_parse_size(text, &options->translation_size))
        return fail_usage(error, "--translated-memory '%s' is not a size: give a number and M, as in 16M",
                          text);
    if (options->translation_size < MIN || options->translation_size > MAX)
        return fail_usage(error, "--translated-memory '%s' is out of range: give 8M to 64M", text);
    if (options->engine != D86_ENGINE_SBE || options->translate == D86_TRANSLATE_OFF)
        return fail_usage(error,
                          "--translated-memory goes with the engine sbe only, and not with --translate off");
    return TRUE;
}

static gboolean take_spaces(struct options *options, const char *text, GError **error)
{
    guint64 spaces;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 1, D86_SPACES_MAX, &spaces, NULL))
        return fail_usage(error, "--spaces '%s' is no number of address spaces: give 1 to %d", text,
                          D86_SPACES_MAX);
    if (options->engine != D86_ENGINE_SBE)
        return fail_usage(error, "--spaces goes with the engine sbe only");
    if (options->split == D86_SPLIT_TLB && spaces > 1)
        return fail_usage(error, "--spaces %s and --split tlb contradict each other: it has one", text);
    options->spaces = (unsigned)spaces;
    return TRUE;
}

static gboolean take_audit(struct options *options, const char *text, GError **error)
{
    guint64 entries;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 1, UINT32_MAX, &entries, NULL))
        return fail_usage(error, "--audit '%s' is no number of entries: give 1 or more, as in 1000", text);
    if (options->engine == D86_ENGINE_INTERP)
        return fail_usage(error, "--audit goes with the engines sbe and lockstep, not with interp");
    options->audit = (uint32_t)entries;
    return TRUE;
}

static gboolean take_keys(struct options *options, gboolean simulate, GError **error)
{
    if (simulate && options->engine != D86_ENGINE_LOCKSTEP)
        return fail_usage(error, "--simulate-keys goes with --engine lockstep only");
    if (simulate && options->split >= D86_SPLIT_NONE)
        return fail_usage(error, "--simulate-keys and --split %s contradict each other: %s uses no keys",
                          split_names[options->split], split_names[options->split]);
    options->simulate_keys = simulate;
    return TRUE;
}

static gboolean take_stats(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    if (*text && strcmp(text, "text") && strcmp(text, "json"))
        return fail_usage(error, "--stats '%s' is unknown: give --stats or --stats=json", text);
    options->stats = strcmp(text, "json") ? OPTIONS_STATS_TEXT : OPTIONS_STATS_JSON;
    return TRUE;
}

static gboolean take_apic(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    if (strcmp(text, "on") && strcmp(text, "off"))
        return fail_usage(error, "--apic '%s' is unknown: give on or off", text);
    options->apic = !strcmp(text, "on");
    if (options->apic && options->chipset == PC_CHIPSET_ISA)
        return fail_usage(error, "--apic on goes with --machine pc only");
    return TRUE;
}

static gboolean take_machine(struct options *options, const struct raw_options *raw, GError **error)
{
    if (!take_apic(options, raw->apic, error))
        return FALSE;
    if (!take_engine(options, raw, error) || !take_translate(options, raw->translate, error) ||
        !take_translated_memory(options, raw->translated_memory, error) ||
        !take_spaces(options, raw->spaces, error) || !take_audit(options, raw->audit, error) ||
        !take_keys(options, raw->simulate_keys, error) || !take_stats(options, raw->stats, error))
        return FALSE;
    if (raw->cpu && !strcmp(raw->cpu, "help"))
        options->action = OPTIONS_SHOW_CPUS;
    else if (raw->cpu && !cpu_is_known(raw->cpu))
        return fail_usage(error, "--cpu '%s' is unknown: --cpu help lists the models", raw->cpu);
    options->cpu = g_strdup(raw->cpu);
    if (raw->reboot && raw->no_reboot)
        return fail_usage(error, "--reboot and --no-reboot contradict each other: give one");
    options->restart = raw->reboot;
    if (raw->rtc && strcmp(raw->rtc, "utc") && strcmp(raw->rtc, "local"))
        return fail_usage(error, "--rtc '%s' is unknown: give utc or local", raw->rtc);
    options->local_time = raw->rtc && !strcmp(raw->rtc, "local");
    options->keep_halted = raw->keep_halted;
    options->in_process = raw->in_process;
    options->eager = raw->eager;
    options->trace = g_strdupv(raw->trace);
    return TRUE;
}

static gboolean take_boot(struct options *options, const struct raw_options *raw, GError **error)
{
    static char *none[] = { NULL };
    options->kernel = g_strdup(raw->kernel);
    options->bios = g_strdup(raw->bios);
    options->append = g_strdup(raw->append ? raw->append : "");
    options->initrds = g_strdupv(raw->initrds ? raw->initrds : none);
    if (options->action != OPTIONS_RUN)
        return TRUE;
    if (!raw->kernel && !raw->bios && !raw->machine && !options_media_given(&raw->media))
        return fail_usage(
            error, "nothing to run: give an image, --kernel FILE or --bios FILE (see duplex86 --help)");
    if (!raw->kernel && !raw->bios && options->chipset != PC_CHIPSET_I440FX)
        return fail_usage(error, "nothing to run: with --machine isa give --kernel FILE or --bios FILE");
    if (raw->kernel && raw->bios)
        return fail_usage(error, "--kernel and --bios exclude each other: give one");
    if (!raw->kernel && raw->initrds)
        return fail_usage(error, "--initrd goes with --kernel, not with a BIOS");
    if (!raw->kernel && raw->append)
        return fail_usage(error, "--append goes with --kernel, not with a BIOS");
    return TRUE;
}

static gboolean convert(struct options *options, const struct raw_options *raw, GError **error)
{
    *options = (struct options){ .action = raw->version ? OPTIONS_SHOW_VERSION : OPTIONS_RUN };
    if (!options_media_take(&options->media, &raw->media, error))
        return FALSE;
    return take_ram(options, raw->ram, error) && take_port(options, raw->exit_port, error) &&
           take_chipset(options, raw, error) && take_display(options, raw, error) &&
           take_sound(options, raw->sound, error) && take_serial(options, raw, error) &&
           take_debugcon(options, raw->debugcon, error) && take_control(options, raw->control, error) &&
           take_machine(options, raw, error) && take_boot(options, raw, error);
}

/* GOption's own complaints begin with a capital letter, in the middle of our sentence. */
static gboolean adopt_error(GError *theirs, GError **error)
{
    char *text = g_strdup(theirs->message);
    text[0] = g_ascii_tolower(text[0]);
    g_error_free(theirs);
    fail_usage(error, "%s (see duplex86 --help)", text);
    g_free(text);
    return FALSE;
}

/* The one option whose value may be left out: "" then. The first one counts: what a file says comes last. */
static gboolean on_stats(const char *name, const char *value, gpointer data, GError **error)
{
    struct raw_options *raw = data;
    (void)name, (void)error;
    if (!raw->stats)
        raw->stats = g_strdup(value ? value : "");
    return TRUE;
}

/* `file` is what else there was to read, or NULL. */
static gboolean parse(struct raw_options *raw, int argc, char **argv, struct options_file **file,
                      GError **error)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "machine", 'M', 0, G_OPTION_ARG_FILENAME, &raw->machine,
          "pc: with a PCI bus (i440FX); isa: without; else pc, but isa with --kernel and no images", "isa|pc" },
        { "ram", 'm', 0, G_OPTION_ARG_FILENAME, &raw->ram,
          "Guest memory: a number and K, M or G (256M)", "SIZE" },
        { "kernel", 'k', 0, G_OPTION_ARG_FILENAME, &raw->kernel,
          "Start this Linux bzImage, vmlinux (ELF) or Multiboot kernel", "FILE" },
        { "initrd", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->initrds,
          "Initial RAM disk; for Multiboot a module, 'FILE ARGS', repeatable", "FILE" },
        { "append", 'a', 0, G_OPTION_ARG_FILENAME, &raw->append, "The kernel's command line", "TEXT" },
        { "bios", 'b', 0, G_OPTION_ARG_FILENAME, &raw->bios,
          "Start this ROM (2 MiB at most) instead of a kernel (with --machine pc SeaBIOS)", "FILE" },
        OPTIONS_MEDIA_ENTRIES(&raw->media),
        { "share", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->share,
          "Share a folder with the guest, by 9P over virtio; repeatable", "NAME=DIR[,ro][,uid=N][,gid=N]" },
        { "rng", 0, 0, G_OPTION_ARG_NONE, &raw->rng, "Give the guest entropy of the host's, by virtio", NULL },
        { "tablet", 0, 0, G_OPTION_ARG_NONE, &raw->tablet,
          "Give the guest the pointer where it is, by virtio: a window need not grab it", NULL },
        { "net", 'n', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->net,
          "Put in a network adapter: user (NAT), tap or socket; the manual page has the keys (none); repeatable",
          "KIND[,KEY=VALUE]..." },
        { "apic", 0, 0, G_OPTION_ARG_FILENAME, &raw->apic,
          "With --machine pc: on for a local APIC and an I/O APIC besides the 8259s (off)", "on|off" },
        { "serial", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->serial,
          "Connect the next serial port (stdio)", "BACKEND" },
        { "debugcon", 'd', 0, G_OPTION_ARG_FILENAME, &raw->debugcon,
          "Connect the debug console, port 0xe9, and SeaBIOS's log (none)", "BACKEND" },
        { "control", 0, 0, G_OPTION_ARG_FILENAME, &raw->control,
          "Listen for 'duplex86 ctl' and other programs that control the machine", "unix:PATH" },
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &raw->config,
          "Take options from this file, too: 'ram = 64M' in [duplex86] (see the manual page)", "FILE" },
        { "engine", 0, 0, G_OPTION_ARG_FILENAME, &raw->engine,
          "How guest code is run: sbe, interp, lockstep or auto, sbe where the host can (auto)", "NAME" },
        { "split", 0, 0, G_OPTION_ARG_FILENAME, &raw->split,
          "How sbe hides its changes from the guest: segment, pku, tlb, none or auto (auto)", "NAME" },
        { "translate", 0, 0, G_OPTION_ARG_FILENAME, &raw->translate,
          "With sbe: on to translate the guest's kernel, off to interpret it, only for programs, too (on)", "on|off|only" },
        { "translated-memory", 0, 0, G_OPTION_ARG_FILENAME, &raw->translated_memory,
          "With sbe: the most that the guest's translated kernel may take, 8M to 64M (64M)", "SIZE" },
        { "spaces", 0, 0, G_OPTION_ARG_FILENAME, &raw->spaces,
          "With sbe: how many of the guest's programs stay mapped, each in a process of its own, 1 to 8 (4)", "N" },
        { "eager", 0, 0, G_OPTION_ARG_NONE, &raw->eager,
          "With sbe: run natively even what is faster interpreted (to test and to study it)", NULL },
        { "audit", 0, 0, G_OPTION_ARG_FILENAME, &raw->audit,
          "With sbe: check all its mappings before every N entries into native code (to test it)", "N" },
        { "simulate-keys", 0, 0, G_OPTION_ARG_NONE, &raw->simulate_keys,
          "With lockstep: do as a host with protection keys does (to test the engine)", NULL },
        { "in-process", 0, 0, G_OPTION_ARG_NONE, &raw->in_process,
          "With interp: no confined process of its own for it (for debuggers)", NULL },
        { "cpu", 0, 0, G_OPTION_ARG_FILENAME, &raw->cpu, "Processor model; 'help' lists them", "MODEL" },
        { "rtc", 0, 0, G_OPTION_ARG_FILENAME, &raw->rtc, "Clock of the guest: utc or local (utc)", "ZONE" },
        { "display", 0, 0, G_OPTION_ARG_FILENAME, &raw->display,
          "Show the screen: sdl (a window), terminal (text only) or none; see the manual page for what is unless said",
          "KIND" },
        { "sound", 0, 0, G_OPTION_ARG_FILENAME, &raw->sound,
          "Where sound goes: sdl (the host's audio), wav:FILE or none (sdl with a window, else none)", "KIND" },
        { "screendump", 0, 0, G_OPTION_ARG_FILENAME, &raw->screendump,
          "Write the screen as it is at the end: a PNG picture, or text if FILE ends in .txt", "FILE" },
        { "exit-port", 0, 0, G_OPTION_ARG_FILENAME, &raw->exit_port,
          "A write of v to this I/O port ends the program with status 2v+1", "PORT" },
        { "reboot", 0, 0, G_OPTION_ARG_NONE, &raw->reboot, "Start again when the guest reboots", NULL },
        { "no-reboot", 0, 0, G_OPTION_ARG_NONE, &raw->no_reboot,
          "End with status 2 when the guest reboots (the default)", NULL },
        { "keep-halted", 0, 0, G_OPTION_ARG_NONE, &raw->keep_halted,
          "Stay when the guest halts for good", NULL },
        { "trace", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->trace,
          "Show events whose name matches, e.g. 'i8259_*', 'shadow_*', on stderr; repeatable", "GLOB" },
        { "stats", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, (gpointer)(uintptr_t)on_stats,
          "Show counters and times on stderr at the end; json: as one line for machines", "json" },
        { "version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Show the version", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->media.rest, NULL, NULL },
        { 0 },
    };
    /* clang-format on */
    GOptionContext *context = g_option_context_new("IMAGE | --kernel FILE | --bios FILE | --machine pc");
    GOptionGroup *group = g_option_group_new(NULL, NULL, NULL, raw, NULL);
    g_option_group_add_entries(group, entries);
    g_option_context_set_main_group(context, group);
    g_option_context_set_summary(context, SUMMARY);
    g_option_context_set_description(context, DESCRIPTION);
    GError *theirs = NULL;
    /* GOption moves what it has used out of the array, and main()'s is not ours to change. */
    char **copy = g_memdup2(argv, ((size_t)argc + 1) * sizeof *argv);
    gboolean ok = g_option_context_parse(context, &argc, &copy, &theirs);
    g_free(copy);
    g_option_context_free(context);
    if (!ok)
        return adopt_error(theirs, error);
    if (raw->config)
        *file = options_file_apply(raw->config, entries, raw, error);
    return !raw->config || *file;
}

static void raw_clear(struct raw_options *raw)
{
    char *texts[] = {
        raw->machine, raw->ram,    raw->kernel,    raw->append,     raw->bios,      raw->debugcon,
        raw->engine,  raw->split,  raw->translate, raw->cpu,        raw->exit_port, raw->rtc,
        raw->stats,   raw->audit,  raw->control,   raw->screendump, raw->display,   raw->translated_memory,
        raw->apic,    raw->config, raw->sound
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(raw->spaces);
    g_strfreev(raw->initrds);
    g_strfreev(raw->serial);
    g_strfreev(raw->trace);
    g_strfreev(raw->net);
    g_strfreev(raw->share);
    raw_media_clear(&raw->media);
}

gboolean options_parse(struct options *options, int argc, char **argv, GError **error)
{
    struct raw_options raw = { 0 };
    struct options_file *file = NULL;
    GError *wrong = NULL;
    *options = (struct options){ 0 };
    gboolean ok = parse(&raw, argc, argv, &file, &wrong) && convert(options, &raw, &wrong);
    if (!ok)
        g_propagate_error(error, options_file_blame(file, wrong));
    options_file_free(file);
    raw_clear(&raw);
    if (!ok)
        options_clear(options);
    return ok;
}

void options_clear(struct options *options)
{
    g_free(options->kernel);
    g_free(options->bios);
    g_strfreev(options->initrds);
    g_free(options->append);
    options_media_clear(&options->media);
    options_net_clear(&options->net);
    options_share_clear(&options->share);
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++)
        g_free(options->serial[i]);
    g_free(options->debugcon);
    g_free(options->control);
    g_free(options->cpu);
    g_free(options->sound_file);
    g_free(options->screendump);
    g_strfreev(options->trace);
    *options = (struct options){ 0 };
}
