/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sentence behind d86_last_error(), one per thread. Library side.
 */
#include <stdarg.h>
#include <stdio.h>

#include "arena.h"

static _Thread_local char text[256];

int error_set(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error;
}

void error_clear(void)
{
    text[0] = 0;
}

const char *d86_last_error(void)
{
    return text;
}

const char *d86_version(void)
{
    return D86_VERSION;
}
