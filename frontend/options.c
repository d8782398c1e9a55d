/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options by GLib's GOption. Texts are taken as file names are, byte for byte, whatever the locale.
 */
#include "options_private.h"

#include "error.h"
#include "options_file.h"

#include <stdlib.h>
#include <string.h>

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
    "--virtio-console takes all but none.\n"
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

gboolean options_fail(GError **error, const char *format, ...)
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

int options_name_index(const char *text, const char *const *names, size_t count)
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
        return options_fail(error, "--ram '%s' is not a size: give a number and K, M or G, as in 256M", text);
    if (options->ram_size % 4096)
        return options_fail(error, "--ram '%s' is not a multiple of 4K", text);
    if (options->ram_size < RAM_MIN || options->ram_size > RAM_MAX)
        return options_fail(error, "--ram '%s' is out of range: give 1M to 60G", text);
    return TRUE;
}

static gboolean take_port(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    char *end;
    guint64 port = g_ascii_strtoull(text, &end, 0);
    if (!g_ascii_isdigit(*text) || port == 0 || port > 0xffff || *end)
        return options_fail(error, "--exit-port '%s' is not an I/O port: give 1 to 0xffff, as in 0xf4", text);
    options->exit_port = (uint16_t)port;
    return TRUE;
}

static const char *const machine_names[] = {
    [PC_CHIPSET_ISA] = "isa",
    [PC_CHIPSET_I440FX] = "pc",
};

const char *options_machine_name(enum pc_chipset chipset)
{
    return machine_names[chipset];
}

static bool wants_virtio(const struct raw_options *raw)
{
    return raw->share || raw->rng || raw->tablet || raw->keyboard || raw->balloon || raw->virtio_console;
}

/* A BIOS is written for a chipset, and disks are part of it; a kernel starts sooner where it has less to look
 * for. */
static gboolean take_chipset(struct options *options, const struct raw_options *raw, GError **error)
{
    bool media = options_media_given(&raw->media);
    int chipset = raw->bios || media || wants_virtio(raw) || options_net_needs_pci(raw->net)
                      ? PC_CHIPSET_I440FX
                      : PC_CHIPSET_ISA;
    if (raw->machine)
        chipset = options_name_index(raw->machine, machine_names, G_N_ELEMENTS(machine_names));
    if (chipset < 0)
        return options_fail(error, "--machine '%s' is unknown: give isa or pc", raw->machine);
    if (media && chipset == PC_CHIPSET_ISA)
        return options_fail(error, "disks, CDs and floppies need --machine pc");
    if (wants_virtio(raw) && chipset == PC_CHIPSET_ISA)
        return options_fail(
            error,
            "--share, --rng, --balloon, --tablet, --virtio-keyboard and --virtio-console need --machine pc");
    options->rng = raw->rng;
    options->tablet = raw->tablet;
    options->keyboard = raw->keyboard;
    options->balloon = raw->balloon;
    options->chipset = (enum pc_chipset)chipset;
    return options_share_take(&options->share, raw->share, error) &&
           options_net_take(&options->net, raw->net, chipset == PC_CHIPSET_ISA, error);
}

static gboolean take_apic(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    if (strcmp(text, "on") && strcmp(text, "off"))
        return options_fail(error, "--apic '%s' is unknown: give on or off", text);
    options->apic = !strcmp(text, "on");
    if (options->apic && options->chipset == PC_CHIPSET_ISA)
        return options_fail(error, "--apic on goes with --machine pc only");
    return TRUE;
}

static gboolean take_machine(struct options *options, const struct raw_options *raw, GError **error)
{
    if (!take_apic(options, raw->apic, error))
        return FALSE;
    if (!options_take_engine(options, raw, error))
        return FALSE;
    if (raw->reboot && raw->no_reboot)
        return options_fail(error, "--reboot and --no-reboot contradict each other: give one");
    options->restart = raw->reboot;
    if (raw->rtc && strcmp(raw->rtc, "utc") && strcmp(raw->rtc, "local"))
        return options_fail(error, "--rtc '%s' is unknown: give utc or local", raw->rtc);
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
    options->restore = g_strdup(raw->restore);
    options->append = g_strdup(raw->append ? raw->append : "");
    options->initrds = g_strdupv(raw->initrds ? raw->initrds : none);
    if (options->action != OPTIONS_RUN)
        return TRUE;
    if (!raw->kernel && !raw->bios && !raw->machine && !options_media_given(&raw->media))
        return options_fail(
            error, "nothing to run: give an image, --kernel FILE or --bios FILE (see duplex86 --help)");
    if (!raw->kernel && !raw->bios && options->chipset != PC_CHIPSET_I440FX)
        return options_fail(error, "nothing to run: with --machine isa give --kernel FILE or --bios FILE");
    if (raw->kernel && raw->bios)
        return options_fail(error, "--kernel and --bios exclude each other: give one");
    if (!raw->kernel && raw->initrds)
        return options_fail(error, "--initrd goes with --kernel, not with a BIOS");
    if (!raw->kernel && raw->append)
        return options_fail(error, "--append goes with --kernel, not with a BIOS");
    return TRUE;
}

static gboolean convert(struct options *options, const struct raw_options *raw, GError **error)
{
    *options = (struct options){ .action = raw->version ? OPTIONS_SHOW_VERSION : OPTIONS_RUN };
    if (!options_media_take(&options->media, &raw->media, error))
        return FALSE;
    return take_ram(options, raw->ram, error) && take_port(options, raw->exit_port, error) &&
           take_chipset(options, raw, error) && options_take_console(options, raw, error) &&
           take_machine(options, raw, error) && take_boot(options, raw, error);
}

/* GOption's own complaints begin with a capital letter, in the middle of our sentence. */
static gboolean adopt_error(GError *theirs, GError **error)
{
    char *text = g_strdup(theirs->message);
    text[0] = g_ascii_tolower(text[0]);
    g_error_free(theirs);
    options_fail(error, "%s (see duplex86 --help)", text);
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
        { "balloon", 0, 0, G_OPTION_ARG_NONE, &raw->balloon,
          "Have the guest give memory back that it does not use, by virtio; see 'duplex86 ctl balloon'", NULL },
        { "tablet", 0, 0, G_OPTION_ARG_NONE, &raw->tablet,
          "Give the guest the pointer where it is, by virtio: a window need not grab it", NULL },
        { "virtio-keyboard", 0, 0, G_OPTION_ARG_NONE, &raw->keyboard,
          "Give the guest a keyboard by virtio, too, which has the keys once there is a driver", NULL },
        { "net", 'n', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->net,
          "Put in a network adapter: user (NAT), tap or socket; the manual page has the keys (none); repeatable",
          "KIND[,KEY=VALUE]..." },
        { "apic", 0, 0, G_OPTION_ARG_FILENAME, &raw->apic,
          "With --machine pc: on for a local APIC and an I/O APIC besides the 8259s (off)", "on|off" },
        { "serial", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->serial,
          "Connect the next serial port (stdio)", "BACKEND" },
        { "virtio-console", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->virtio_console,
          "Connect the next console of virtio (hvc0), or with a name a port for programs; repeatable",
          "BACKEND[,name=NAME]" },
        { "restore", 0, 0, G_OPTION_ARG_FILENAME, &raw->restore,
          "Go on from a snapshot of a machine that was started with these options (see 'duplex86 ctl snapshot')", "FILE" },
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
    g_free(raw->restore);
    g_strfreev(raw->initrds);
    g_strfreev(raw->serial);
    g_strfreev(raw->virtio_console);
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
    g_free(options->restore);
    g_strfreev(options->initrds);
    g_free(options->append);
    options_media_clear(&options->media);
    options_net_clear(&options->net);
    options_share_clear(&options->share);
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX; i++)
        g_free(options->serial[i]);
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        g_free(options->ports[i].backend);
        g_free(options->ports[i].name);
    }
    g_free(options->debugcon);
    g_free(options->control);
    g_free(options->cpu);
    g_free(options->sound_file);
    g_free(options->screendump);
    g_strfreev(options->trace);
    *options = (struct options){ 0 };
}
