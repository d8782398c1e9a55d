/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86-scan, the program: a file in, what the scanner makes of it out. Errors are reported here and
 * nowhere else, as one sentence.
 */
#include "listing.h"
#include "summary.h"

#include "error.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static gboolean flush_output(GError **error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TRUE;
    return fail_errno(error, errno, NULL, "cannot write the listing");
}

static gboolean run(const struct options *options, GError **error)
{
    struct image image;
    struct program program;
    gboolean ok = TRUE;

    if (!image_open(&image, options, error))
        return FALSE;
    program_scan(&program, &image, options);
    if (options->check)
        ok = program_check(&program, error);
    if (ok && !options->summary)
        ok = listing_print(&program, options, error);
    if (ok) {
        summary_print(&program, options);
        ok = flush_output(error);
    }
    program_clear(&program);
    image_close(&image);
    return ok;
}

int main(int argc, char **argv)
{
    struct options options;
    GError *error = NULL;
    gboolean ok;

    setlocale(LC_ALL, "");
    ok = options_parse(&options, argc, argv, &error);
    if (ok && !options.file)
        printf("duplex86-scan %s\n", D86_VERSION);
    else if (ok)
        ok = run(&options, &error);
    options_clear(&options);
    if (ok)
        return EXIT_SUCCESS;
    fprintf(stderr, "duplex86-scan: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILURE;
}
