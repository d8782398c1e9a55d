/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What went wrong on the host's side: options, files, the host environment. Messages are one sentence
 * without a full stop, fit to follow "duplex86: ", and name what to do where that is not plain.
 */
#pragma once

#include <glib.h>

#define FRONTEND_ERROR (frontend_error_quark())

enum frontend_error {
    FRONTEND_ERROR_USAGE, /* the command line */
    FRONTEND_ERROR_IMAGE, /* a kernel, ROM or initrd that cannot be used */
    FRONTEND_ERROR_HOST,  /* the host refused: files, memory, terminals */
};

GQuark frontend_error_quark(void);

/*
 * The one place where a negative errno value becomes a GError. The message is the formatted text, a colon
 * and `detail` or, where that is NULL or empty, the system's words for `err`. Returns false, so that a
 * caller may `return fail_errno(...)`.
 */
gboolean fail_errno(GError **error, int err, const char *detail, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* As g_set_error() for this domain; returns false. */
gboolean fail_with(GError **error, enum frontend_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);
