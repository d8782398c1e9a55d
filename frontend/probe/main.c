/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86-probe, the program: what this host offers to Duplex86, found out by trying, and what it costs.
 */
#include "probe.h"

#include "error.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    gboolean json, version;
};

static gboolean parse(struct options *options, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options->json, "Print one JSON object, for machines", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Show the version", NULL },
        { 0 },
    };
    GOptionContext *context = g_option_context_new(NULL);
    GError *theirs = NULL;
    gboolean ok;
    g_option_context_set_summary(
        context, "Shows what this host offers for running 32-bit guests natively, and what it costs.");
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, &theirs);
    g_option_context_free(context);
    if (!ok) {
        theirs->message[0] = g_ascii_tolower(theirs->message[0]);
        fail_with(error, FRONTEND_ERROR_USAGE, "%s (see duplex86-probe --help)", theirs->message);
        g_error_free(theirs);
        return FALSE;
    }
    if (argc > 1)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "there is nothing to be done with '%s' (see duplex86-probe --help)", argv[1]);
    return TRUE;
}

static gboolean flush_output(GError **error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TRUE;
    return fail_errno(error, errno, NULL, "cannot write what was found");
}

static gboolean run(const struct options *options, GError **error)
{
    struct facts facts;
    if (options->version) {
        printf("duplex86-probe %s\n", D86_VERSION);
        return flush_output(error);
    }
    facts_init(&facts);
    probe_host(&facts);
    probe_features(&facts);
    probe_splits(&facts);
    probe_costs(&facts);
    probe_tlb_helper(&facts);
    if (options->json)
        facts_print_json(&facts, D86_VERSION);
    else
        facts_print(&facts);
    facts_clear(&facts);
    return flush_output(error);
}

int main(int argc, char **argv)
{
    struct options options = { 0 };
    GError *error = NULL;
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    if (parse(&options, argc, argv, &error) && run(&options, &error))
        return EXIT_SUCCESS;
    fprintf(stderr, "duplex86-probe: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILURE;
}
