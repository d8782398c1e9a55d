/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How guest code is run, by which processor, and what is counted: --engine and what goes with it, --cpu,
 * --stats.
 */
#include "options_private.h"

#include <string.h>

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
        engine = options_name_index(raw->engine, engine_names, G_N_ELEMENTS(engine_names));
    if (engine < 0)
        return options_fail(error, "--engine '%s' is unknown: give auto, interp, sbe or lockstep",
                            raw->engine);
    if (raw->split)
        split = options_name_index(raw->split, split_names, G_N_ELEMENTS(split_names));
    if (split < 0)
        return options_fail(error, "--split '%s' is unknown: give auto, segment, pku, tlb or none",
                            raw->split);
    if (raw->split && engine == D86_ENGINE_INTERP)
        return options_fail(error, "--split goes with the engines sbe and lockstep, not with interp");
    if (raw->in_process && engine != D86_ENGINE_INTERP)
        return options_fail(error, "--in-process goes with --engine interp only");
    options->engine = (enum d86_engine)engine;
    options->split = (enum d86_split)split;
    return TRUE;
}

static gboolean take_translate(struct options *options, const char *text, GError **error)
{
    int translate = D86_TRANSLATE_ON;
    if (text)
        translate = options_name_index(text, translate_names, G_N_ELEMENTS(translate_names));
    if (translate < 0)
        return options_fail(error, "--translate '%s' is unknown: give on, off or only", text);
    if (text && options->engine != D86_ENGINE_SBE && options->engine != D86_ENGINE_LOCKSTEP)
        return options_fail(error, "--translate goes with the engines sbe and lockstep only");
    options->translate = (enum d86_translate)translate;
    return TRUE;
}

static gboolean take_translated_memory(struct options *options, const char *text, GError **error)
{
    enum { MIN = 8 << 20, MAX = 64 << 20 };
    if (!text)
        return TRUE;
    if (!options_parse_size(text, &options->translation_size))
        return options_fail(error, "--translated-memory '%s' is not a size: give a number and M, as in 16M",
                            text);
    if (options->translation_size < MIN || options->translation_size > MAX)
        return options_fail(error, "--translated-memory '%s' is out of range: give 8M to 64M", text);
    if (options->engine != D86_ENGINE_SBE || options->translate == D86_TRANSLATE_OFF)
        return options_fail(
            error, "--translated-memory goes with the engine sbe only, and not with --translate off");
    return TRUE;
}

static gboolean take_spaces(struct options *options, const char *text, GError **error)
{
    guint64 spaces;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 1, D86_SPACES_MAX, &spaces, NULL))
        return options_fail(error, "--spaces '%s' is no number of address spaces: give 1 to %d", text,
                            D86_SPACES_MAX);
    if (options->engine != D86_ENGINE_SBE)
        return options_fail(error, "--spaces goes with the engine sbe only");
    if (options->split == D86_SPLIT_TLB && spaces > 1)
        return options_fail(error, "--spaces %s and --split tlb contradict each other: it has one", text);
    options->spaces = (unsigned)spaces;
    return TRUE;
}

static gboolean take_audit(struct options *options, const char *text, GError **error)
{
    guint64 entries;
    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 1, UINT32_MAX, &entries, NULL))
        return options_fail(error, "--audit '%s' is no number of entries: give 1 or more, as in 1000", text);
    if (options->engine == D86_ENGINE_INTERP)
        return options_fail(error, "--audit goes with the engines sbe and lockstep, not with interp");
    options->audit = (uint32_t)entries;
    return TRUE;
}

static gboolean take_keys(struct options *options, gboolean simulate, GError **error)
{
    if (simulate && options->engine != D86_ENGINE_LOCKSTEP)
        return options_fail(error, "--simulate-keys goes with --engine lockstep only");
    if (simulate && options->split >= D86_SPLIT_NONE)
        return options_fail(error, "--simulate-keys and --split %s contradict each other: %s uses no keys",
                            split_names[options->split], split_names[options->split]);
    options->simulate_keys = simulate;
    return TRUE;
}

static gboolean take_stats(struct options *options, const char *text, GError **error)
{
    if (!text)
        return TRUE;
    if (*text && strcmp(text, "text") && strcmp(text, "json"))
        return options_fail(error, "--stats '%s' is unknown: give --stats or --stats=json", text);
    options->stats = strcmp(text, "json") ? OPTIONS_STATS_TEXT : OPTIONS_STATS_JSON;
    return TRUE;
}

static gboolean take_cpu(struct options *options, const char *name, GError **error)
{
    if (name && !strcmp(name, "help"))
        options->action = OPTIONS_SHOW_CPUS;
    else if (name && !cpu_is_known(name))
        return options_fail(error, "--cpu '%s' is unknown: --cpu help lists the models", name);
    options->cpu = g_strdup(name);
    return TRUE;
}

gboolean options_take_engine(struct options *options, const struct raw_options *raw, GError **error)
{
    return take_engine(options, raw, error) && take_translate(options, raw->translate, error) &&
           take_translated_memory(options, raw->translated_memory, error) &&
           take_spaces(options, raw->spaces, error) && take_audit(options, raw->audit, error) &&
           take_keys(options, raw->simulate_keys, error) && take_stats(options, raw->stats, error) &&
           take_cpu(options, raw->cpu, error);
}
