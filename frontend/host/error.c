/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors of the frontend as GError: built here, reported once, by main().
 */
#include "error.h"

#include <stdarg.h>

GQuark frontend_error_quark(void)
{
    return g_quark_from_static_string("duplex86-frontend-error");
}

gboolean fail_errno(GError **error, int err, const char *detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *what = g_strdup_vprintf(format, args);
    va_end(args);
    const char *why = detail && *detail ? detail : g_strerror(err < 0 ? -err : err);
    g_set_error(error, FRONTEND_ERROR, FRONTEND_ERROR_HOST, "%s: %s", what, why);
    g_free(what);
    return FALSE;
}

gboolean fail_with(GError **error, enum frontend_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    GError *made = g_error_new_valist(FRONTEND_ERROR, (gint)code, format, args);
    va_end(args);
    g_propagate_error(error, made);
    return FALSE;
}
