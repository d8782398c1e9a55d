/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A kernel that rewrites itself while it runs: function tracing is switched on and off, which patches a call
 * into each of its functions and out again, and probes are put into functions and taken away (INT3, or a
 * jump). What was traced and how often a probe was met must be what this program did. For guests alone.
 * Linux: Documentation/trace/ftrace.rst, kprobetrace.rst.
 */
#include "user.h"

#ifndef PATCHING_ROUNDS
#define PATCHING_ROUNDS 3
#endif

#define TRACING "/tracing/"

enum { WRITE_ONLY = 1, APPEND = 02000, CALLS = 200, TEXT_MAX = 8192 };

static char text[TEXT_MAX + 1];

static bool write_file(const char *name, int flags, const char *what)
{
    int file = (int)linux_call(NR_OPEN, name, WRITE_ONLY | flags, 0);
    if (file < 0)
        return false;
    bool good = linux_call(NR_WRITE, file, what, strlen(what)) == (long)strlen(what);
    linux_call(NR_CLOSE, file);
    return good;
}

/* The file's beginning, in `text`. */
static size_t read_file(const char *name)
{
    int file = (int)linux_call(NR_OPEN, name, 0, 0);
    long size = 0, more = 0;
    while (file >= 0 && size < TEXT_MAX &&
           (more = linux_call(NR_READ, file, text + size, TEXT_MAX - size)) > 0)
        size += more;
    if (file >= 0)
        linux_call(NR_CLOSE, file);
    text[size] = 0;
    return (size_t)size;
}

static bool contains(const char *what)
{
    size_t size = strlen(what);
    for (const char *at = text; *at; at++)
        if (!memcmp(at, what, size))
            return true;
    return false;
}

/* The first number behind a name in `text`. */
static uint32_t number_behind(const char *name)
{
    size_t size = strlen(name);
    uint32_t number = 0;
    const char *at = text;
    while (*at && memcmp(at, name, size))
        at++;
    for (at += *at ? size : 0; *at == ' '; at++)
        ;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint32_t)(*at - '0');
    return number;
}

/* Every function of the kernel calls the tracer, and then none does. */
static void trace_functions(uint32_t round)
{
    bool on = write_file(TRACING "current_tracer", 0, "function");
    for (unsigned i = 0; i < CALLS; i++)
        linux_call(NR_GETPPID);
    bool stopped = write_file(TRACING "tracing_on", 0, "0");
    read_file(TRACING "trace");
    bool traced = contains("<-");
    bool off = write_file(TRACING "current_tracer", 0, "nop") && write_file(TRACING "tracing_on", 0, "1");
    check(on && stopped && off, GUEST_ONLY "round %u: the tracer goes on and off", round);
    check(traced, GUEST_ONLY "round %u: functions were traced", round);
}

static const char *const probed[] = { "__do_sys_getppid", "ksys_read", "do_sys_openat2" };

/* A probe counts the calls of a function. */
static void probe(uint32_t round)
{
    char line[64] = "p:mine/met ";
    const char *function = probed[round % ARRAY_SIZE(probed)];
    memcpy(line + strlen(line), function, strlen(function) + 1);
    bool there = write_file(TRACING "kprobe_events", APPEND, line) &&
                 write_file(TRACING "events/mine/met/enable", 0, "1");
    for (unsigned i = 0; i < CALLS; i++) {
        linux_call(NR_GETPPID);
        linux_call(NR_READ, -1, text, 1);
        linux_call(NR_OPEN, "/none", 0, 0);
    }
    bool off = write_file(TRACING "events/mine/met/enable", 0, "0");
    read_file(TRACING "kprobe_profile");
    uint32_t met = number_behind("met");
    bool gone = write_file(TRACING "kprobe_events", APPEND, "-:mine/met");
    check(there && off && gone, GUEST_ONLY "round %u: a probe at %s comes and goes", round, function);
    /* Opening the file that switches it off is met, too; nobody else runs. */
    check(met >= CALLS && met <= CALLS + 2, GUEST_ONLY "round %u: it was met as often as called", round);
}

int program(void)
{
    if (on_host)
        return 0;
    linux_call(NR_MKDIR, "/tracing", 0755);
    check(linux_call(NR_MOUNT, "tracefs", "/tracing", "tracefs", 0, 0) == 0, GUEST_ONLY "tracefs is there");
    for (uint32_t round = 0; round < PATCHING_ROUNDS && !checks_failed; round++) {
        trace_functions(round);
        probe(round);
    }
    return 0;
}
