/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options of duplex86-scan by GLib's GOption.
 */
#include "options.h"

#include "error.h"

#include "translator/decode.h"

#include <string.h>

static const char SUMMARY[] =
    "Shows what the scanner makes of 32-bit x86 code: the original beside the private page\n"
    "that would run natively, and for each patched site why it is patched.";

static const char DESCRIPTION[] =
    "FILE is an ELF program for i386, or raw code: a page, or a dump of guest memory.\n"
    "\n"
    "Guards, each including those before it (what may stand inside of instructions):\n"
    "  none    anything: shows what the others cost\n"
    "  escape  nothing that leaves 32-bit guest code (the default)\n"
    "  state   nothing that loads a segment register\n"
    "  strict  nothing sensitive: every visible byte is an entry\n"
    "\n"
    "Processors: atom (the default), pentium2, pentium3, pentium-m, core, max.\n"
    "State for --with, a list with commas: io, flags, tsc, mp, em, ts, tsd, no-osfxsr, data-apart.\n"
    "\n"
    "Examples:\n"
    "  duplex86-scan --sweep --summary program\n"
    "  duplex86-scan --raw --address 0xc0100000 --entry 0xc0100040 --mode cpl0 page.bin";

struct raw_options {
    char *address, *mode, *cpu, *guard, *format, *with;
    char **entries, **rest;
    gboolean raw, elf, code16, strict, sweep, link, promote, data_apart, summary, check, version;
};

/* ---- Names --------------------------------------------------------------------------------------- */

#define ISA(name) (1u << X86_ISA_##name)

static const uint32_t ISA_PENTIUM2 =
    ISA(X87) | ISA(TSC) | ISA(MSR) | ISA(CX8) | ISA(SEP) | ISA(CMOV) | ISA(FXSR) | ISA(MMX);
static const uint32_t ISA_SINCE_CORE = ISA(SSE3) | ISA(SSSE3) | ISA(SSE41) | ISA(SSE42) | ISA(POPCNT);

struct cpu {
    const char *name;
    uint32_t isa;
};

static const struct cpu cpus[] = {
    { "atom", ISA_PENTIUM2 | ISA(SSE) | ISA(SSE2) | ISA(CLFSH) },
    { "pentium-m", ISA_PENTIUM2 | ISA(SSE) | ISA(SSE2) | ISA(CLFSH) },
    { "pentium2", ISA_PENTIUM2 },
    { "pentium3", ISA_PENTIUM2 | ISA(SSE) },
    { "core", ISA_PENTIUM2 | ISA(SSE) | ISA(SSE2) | ISA(CLFSH) | ISA(SSE3) },
    { "max", ISA_PENTIUM2 | ISA(SSE) | ISA(SSE2) | ISA(CLFSH) | ISA_SINCE_CORE },
};

static const char *const guards[] = {
    [SCAN_GUARD_NONE] = "none",
    [SCAN_GUARD_ESCAPE] = "escape",
    [SCAN_GUARD_STATE] = "state",
    [SCAN_GUARD_STRICT] = "strict",
};

static const struct {
    const char *name;
    uint32_t bit;
    bool clears;
} states[] = {
    { "io", SCAN_IO_ALLOWED, false },
    { "flags", SCAN_FLAGS_DIFFER, false },
    { "tsc", SCAN_TSC_NATIVE, false },
    { "mp", SCAN_CR0_MP, false },
    { "em", SCAN_CR0_EM, false },
    { "ts", SCAN_CR0_TS, false },
    { "tsd", SCAN_CR4_TSD, false },
    { "no-osfxsr", SCAN_CR4_OSFXSR, true },
    { "data-apart", SCAN_DATA_APART, false },
};

/* ---- From texts to values ------------------------------------------------------------------------ */

static gboolean fail_usage(GError **error, const char *option, const char *text, const char *give)
{
    return fail_with(error, FRONTEND_ERROR_USAGE, "%s '%s' is unknown: give %s", option, text, give);
}

static gboolean take_address(const char *option, const char *text, uint32_t *address, GError **error)
{
    char *end;
    guint64 value = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 0) : UINT64_MAX;

    if (value > UINT32_MAX || *end)
        return fail_usage(error, option, text, "a linear address, as in 0xc0100000");
    *address = (uint32_t)value;
    return TRUE;
}

static gboolean take_cpu(struct options *options, const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cpus); i++) {
        if (!name || !strcmp(cpus[i].name, name)) {
            options->cpu = cpus[i].name;
            options->mode.isa = cpus[i].isa;
            return TRUE;
        }
    }
    return fail_usage(error, "--cpu", name, "atom, pentium2, pentium3, pentium-m, core or max");
}

static gboolean take_guard(struct options *options, const char *name, GError **error)
{
    for (uint32_t i = 0; i < G_N_ELEMENTS(guards); i++) {
        if (!strcmp(guards[i], name)) {
            options->mode.bits |= i << SCAN_GUARD_SHIFT;
            return TRUE;
        }
    }
    return fail_usage(error, "--guard", name, "none, escape, state or strict");
}

static gboolean take_state(struct options *options, const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        if (!strcmp(states[i].name, name)) {
            options->mode.bits |= states[i].bit;
            if (states[i].clears)
                options->mode.bits &= ~states[i].bit;
            return TRUE;
        }
    }
    return fail_usage(error, "--with", name,
                      "a list of io, flags, tsc, mp, em, ts, tsd, no-osfxsr, data-apart");
}

static gboolean take_states(struct options *options, const char *list, GError **error)
{
    char **names = g_strsplit(list ? list : "", ",", -1);
    gboolean ok = TRUE;

    for (char **name = names; ok && *name; name++)
        ok = take_state(options, *name, error);
    g_strfreev(names);
    return ok;
}

static gboolean take_mode(struct options *options, const struct raw_options *raw, GError **error)
{
    options->mode.bits = SCAN_CR4_OSFXSR | (raw->code16 ? 0 : SCAN_CODE32);
    if (raw->data_apart)
        options->mode.bits |= SCAN_DATA_APART;
    if (raw->mode && !strcmp(raw->mode, "cpl0"))
        options->mode.bits |= SCAN_CPL0;
    else if (raw->mode && strcmp(raw->mode, "cpl3"))
        return fail_usage(error, "--mode", raw->mode, "cpl3 or cpl0");
    if (raw->strict && raw->guard && strcmp(raw->guard, "strict"))
        return fail_with(error, FRONTEND_ERROR_USAGE, "--strict and --guard contradict each other: give one");
    return take_cpu(options, raw->cpu, error) && take_states(options, raw->with, error) &&
           take_guard(options,
                      raw->strict  ? "strict"
                      : raw->guard ? raw->guard
                                   : "escape",
                      error);
}

static gboolean take_input(struct options *options, const struct raw_options *raw, GError **error)
{
    if (raw->raw && raw->elf)
        return fail_with(error, FRONTEND_ERROR_USAGE, "--raw and --elf contradict each other: give one");
    options->input = raw->raw ? INPUT_RAW : raw->elf ? INPUT_ELF : INPUT_AUTO;
    if (raw->address && !take_address("--address", raw->address, &options->address, error))
        return FALSE;
    for (char **text = raw->entries; text && *text; text++) {
        uint32_t entry;

        if (!take_address("--entry", *text, &entry, error))
            return FALSE;
        g_array_append_val(options->entries, entry);
    }
    return TRUE;
}

static gboolean take_format(struct options *options, const char *name, GError **error)
{
    options->format = name && !strcmp(name, "tsv") ? FORMAT_TSV : FORMAT_TEXT;
    if (name && strcmp(name, "tsv") && strcmp(name, "text"))
        return fail_usage(error, "--format", name, "text or tsv");
    return TRUE;
}

static gboolean convert(struct options *options, const struct raw_options *raw, GError **error)
{
    options->entries = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    options->sweep = raw->sweep;
    options->link = raw->link;
    options->promote = raw->promote;
    options->summary = raw->summary;
    options->check = raw->check;
    if (raw->version)
        return TRUE;
    if (!raw->rest || !raw->rest[0] || raw->rest[1])
        return fail_with(error, FRONTEND_ERROR_USAGE, "give one file to scan (see duplex86-scan --help)");
    options->file = g_strdup(raw->rest[0]);
    return take_input(options, raw, error) && take_mode(options, raw, error) &&
           take_format(options, raw->format, error);
}

/* ---- GOption ------------------------------------------------------------------------------------- */

/* GLib's messages begin with a capital; ours stand in the middle of a sentence. */
static gboolean adopt_error(GError *theirs, GError **error)
{
    char *text = g_strdup(theirs->message);

    text[0] = g_ascii_tolower(text[0]);
    g_error_free(theirs);
    fail_with(error, FRONTEND_ERROR_USAGE, "%s (see duplex86-scan --help)", text);
    g_free(text);
    return FALSE;
}

static gboolean parse(struct raw_options *raw, int argc, char **argv, GError **error)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "raw", 'r', 0, G_OPTION_ARG_NONE, &raw->raw, "FILE is raw code or a memory dump", NULL },
        { "elf", 0, 0, G_OPTION_ARG_NONE, &raw->elf, "FILE is an ELF program", NULL },
        { "address", 'a', 0, G_OPTION_ARG_FILENAME, &raw->address,
          "Linear address of a raw file's first byte (0)", "ADDRESS" },
        { "entry", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->entries,
          "Scan from here; repeatable (the file's entry and functions, or its first byte)", "ADDRESS" },
        { "sweep", 's', 0, G_OPTION_ARG_NONE, &raw->sweep, "Then scan what no branch reached", NULL },
        { "link", 'l', 0, G_OPTION_ARG_NONE, &raw->link, "Keep instructions across page boundaries", NULL },
        { "mode", 'm', 0, G_OPTION_ARG_FILENAME, &raw->mode,
          "The guest's privilege: cpl3 or cpl0 (cpl3)", "CPL" },
        { "code16", 0, 0, G_OPTION_ARG_NONE, &raw->code16, "A 16-bit code segment", NULL },
        { "cpu", 'c', 0, G_OPTION_ARG_FILENAME, &raw->cpu, "The guest's processor (atom)", "MODEL" },
        { "with", 'w', 0, G_OPTION_ARG_FILENAME, &raw->with, "Control state of the guest", "LIST" },
        { "guard", 'g', 0, G_OPTION_ARG_FILENAME, &raw->guard,
          "What may stand inside of instructions (escape)", "LEVEL" },
        { "strict", 0, 0, G_OPTION_ARG_NONE, &raw->strict, "The same as --guard=strict", NULL },
        { "data-apart", 0, 0, G_OPTION_ARG_NONE, &raw->data_apart,
          "Data segments have another base than CS; the same as --with=data-apart", NULL },
        { "promote", 'p', 0, G_OPTION_ARG_NONE, &raw->promote,
          "Give sites faster forms, as if each had been hit often", NULL },
        { "format", 'f', 0, G_OPTION_ARG_FILENAME, &raw->format, "text or tsv (text)", "NAME" },
        { "summary", 0, 0, G_OPTION_ARG_NONE, &raw->summary, "Show the figures only", NULL },
        { "check", 0, 0, G_OPTION_ARG_NONE, &raw->check,
          "Audit every page; one that fails is an error", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Show the version", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->rest, NULL, NULL },
        { 0 },
    };
    /* clang-format on */
    GOptionContext *context = g_option_context_new("FILE");
    GError *theirs = NULL;
    /* GOption moves what it has used out of the array, and main()'s is not ours to change. */
    char **copy = g_memdup2(argv, ((size_t)argc + 1) * sizeof(*argv));
    gboolean ok;

    g_option_context_set_summary(context, SUMMARY);
    g_option_context_set_description(context, DESCRIPTION);
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &copy, &theirs);
    g_free(copy);
    g_option_context_free(context);
    return ok || adopt_error(theirs, error);
}

static void raw_clear(struct raw_options *raw)
{
    char *texts[] = { raw->address, raw->mode, raw->cpu, raw->guard, raw->format, raw->with };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_strfreev(raw->entries);
    g_strfreev(raw->rest);
}

gboolean options_parse(struct options *options, int argc, char **argv, GError **error)
{
    struct raw_options raw = { 0 };
    gboolean ok;

    *options = (struct options){ 0 };
    ok = parse(&raw, argc, argv, error) && convert(options, &raw, error);
    raw_clear(&raw);
    if (!ok)
        options_clear(options);
    return ok;
}

void options_clear(struct options *options)
{
    g_free(options->file);
    if (options->entries)
        g_array_unref(options->entries);
    *options = (struct options){ 0 };
}

char *options_describe_mode(const struct options *options)
{
    uint32_t bits = options->mode.bits;
    GString *text = g_string_new(bits & SCAN_CPL0 ? "cpl0" : "cpl3");

    g_string_append_printf(text, " %s guard %s cpu %s", bits & SCAN_CODE32 ? "code32" : "code16",
                           guards[scan_mode_guard(&options->mode)], options->cpu);
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        if (!(bits & states[i].bit) == states[i].clears)
            g_string_append_printf(text, " %s", states[i].name);
    return g_string_free(text, FALSE);
}
