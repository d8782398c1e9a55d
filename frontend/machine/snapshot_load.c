/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine out of a snapshot. Everything is looked at first, so that what does not fit changes nothing.
 */
#include "snapshots.h"

#include "error.h"
#include "machine_private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* ---- Does it fit? ---- */

static gboolean refuse_version(GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_USAGE,
                     "the snapshot does not fit: its %s is of another version of this program", what);
}

/* The first line that is another one says enough. */
static gboolean compare_lines(const char *then, const char *now, GError **error)
{
    char **a = g_strsplit(then, "\n", -1), **b = g_strsplit(now, "\n", -1);
    unsigned i = 0;
    while (a[i] && b[i] && !strcmp(a[i], b[i]))
        i++;
    gboolean same = !a[i] && !b[i];
    if (!same)
        fail_with(
            error, FRONTEND_ERROR_USAGE,
            "the snapshot is of another machine (there '%s', here '%s'): start with the options that it "
            "was started with",
            a[i] && *a[i] ? a[i] : "nothing more", b[i] && *b[i] ? b[i] : "nothing more");
    g_strfreev(a);
    g_strfreev(b);
    return same;
}

static bool is_text(const struct snapshot_section *s)
{
    return s->version == 1 && s->bytes->len && !s->bytes->data[s->bytes->len - 1];
}

static gboolean check_machine(const struct machine *m, const struct snapshot *snapshot, GError **error)
{
    const struct snapshot_section *s = snapshot_find(snapshot, SNAPSHOTS_MACHINE);
    if (!s || !is_text(s))
        return refuse_version(error, "description");
    char *now = snapshots_describe(m);
    gboolean same = compare_lines((const char *)s->bytes->data, now, error);
    g_free(now);
    return same;
}

static gboolean take_run(const struct snapshot *snapshot, struct snapshots_run *run, GError **error)
{
    const struct snapshot_section *s = snapshot_find(snapshot, SNAPSHOTS_RUN);
    if (!s || s->version != SNAPSHOTS_RUN_VERSION || s->bytes->len != sizeof *run)
        return refuse_version(error, "time");
    memcpy(run, s->bytes->data, sizeof *run);
    return TRUE;
}

static void ignore_chunk(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size)
{
    (void)ctx, (void)offset, (void)data, (void)size;
}

/* A machine that runs is not given up for a file that turns out to be damaged half way. */
static gboolean check_bytes(const struct machine *m, const struct snapshot *snapshot, GError **error)
{
    static const char *const names[] = { "ram", "rom", "video" };
    for (unsigned i = 0; i < G_N_ELEMENTS(names) && m->running; i++) {
        if (snapshot_memory_size(snapshot, names[i]) &&
            !snapshot_unpack(snapshot, names[i], ignore_chunk, NULL, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- In ---- */

/* The sections that are the board's, all but those of the frontend's. */
static unsigned list_sections(const struct snapshot *snapshot, struct pc_section *list, unsigned max)
{
    const struct snapshot_section *s;
    unsigned count = 0;
    for (unsigned i = 0; (s = snapshot_section(snapshot, i)) && count < max; i++) {
        if (strcmp(s->name, "board") && strcmp(s->name, "near") && !g_str_has_prefix(s->name, "chip."))
            continue;
        list[count] =
            (struct pc_section){ .version = s->version, .data = s->bytes->data, .size = s->bytes->len };
        g_strlcpy(list[count++].name, s->name, sizeof list->name);
    }
    return count;
}

static gboolean load_board(struct machine *m, const struct snapshot *snapshot, GError **error)
{
    enum { SECTIONS_MAX = 128 };
    struct pc_section sections[SECTIONS_MAX];
    const char *name = "";
    unsigned count = list_sections(snapshot, sections, SECTIONS_MAX);
    switch (pc_restore(m->pc, sections, count, &name)) {
    case PC_RESTORED:
        return TRUE;
    case PC_RESTORED_MISSING:
        return fail_with(error, FRONTEND_ERROR_USAGE, "the snapshot does not fit: it has no %s", name);
    case PC_RESTORED_EXTRA:
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "the snapshot does not fit: it has a %s that this machine has not", name);
    case PC_RESTORED_VERSION:
        break;
    }
    return refuse_version(error, name);
}

static gboolean load_processor(struct machine *m, const struct snapshot *snapshot, GError **error)
{
    const struct snapshot_section *s = snapshot_find(snapshot, SNAPSHOTS_PROCESSOR);
    int ret = s ? d86_vcpu_restore(m->vcpu, s->bytes->data, s->bytes->len) : 0;
    return s ? ret == 0 || fail_errno(error, ret, d86_last_error(), "cannot restore the processor's state")
             : refuse_version(error, "processor");
}

/* Machine time goes on from where it was, and what is counted by it with it. */
static void set_time(struct machine *m, const struct snapshots_run *run)
{
    uint64_t played = device_sound_frame(m->clock.now(&m->clock)) - m->first_frame;
    statistics_spend(m, m->spending);
    clock_set(&m->clock, run->time);
    m->spending_since = m->options->stats == OPTIONS_STATS_NONE ? 0 : run->time;
    m->began = run->time - run->elapsed;
    m->first_frame = device_sound_frame(run->time) - played;
}

static void load_run(struct machine *m, const struct snapshots_run *run)
{
    m->pending_vector = run->pending_vector;
    m->nmi_wanted = run->nmi_wanted;
    m->ferr = run->ferr;
    m->reset_wanted = m->reset_pressed = false;
    m->exit->request_interrupt_window = 0;
    m->exit->ready_for_interrupt = 0;
    m->replaced = true;
    ports_tell_again(m);
    for (unsigned i = 0; i < m->nic_count; i++)
        m->nics[i].full = false;
}

gboolean snapshots_apply(struct machine *m, const struct snapshot *snapshot, bool *spoilt, GError **error)
{
    struct snapshots_run run;
    const uint64_t now = m->clock.now(&m->clock);
    *spoilt = false;
    if (!check_machine(m, snapshot, error) || !take_run(snapshot, &run, error) ||
        !snapshots_check_memory(m, snapshot, error) || !snapshots_check_drives(m, snapshot, error) ||
        !check_bytes(m, snapshot, error))
        return FALSE;
    set_time(m, &run);
    if (!load_board(m, snapshot, error)) {
        set_time(m, &(const struct snapshots_run){ .time = now, .elapsed = run.elapsed });
        return FALSE;
    }
    *spoilt = true;
    load_run(m, &run);
    gboolean ok = snapshots_load_memory(m, snapshot, error) && snapshots_load_drives(m, snapshot, error) &&
                  power_follow_chipset(m, error) && load_processor(m, snapshot, error);
    clock_set(&m->clock, run.time); /* what this took is no time of the guest's, by neither of its clocks */
    return ok;
}

gboolean snapshots_look(const char *file, struct snapshots_facts *facts, GError **error)
{
    struct snapshot *snapshot = snapshot_read(file, error);
    struct snapshots_run run;
    GStatBuf st;
    const struct snapshot_section *s = snapshot ? snapshot_find(snapshot, SNAPSHOTS_MACHINE) : NULL;
    gboolean ok = snapshot && ((s && is_text(s)) || refuse_version(error, "description")) &&
                  take_run(snapshot, &run, error);
    if (ok && g_stat(file, &st) < 0)
        ok = fail_errno(error, -errno, NULL, "cannot look at '%s'", file);
    if (ok)
        *facts = (struct snapshots_facts){ .machine = g_strdup((const char *)s->bytes->data),
                                           .elapsed = run.elapsed,
                                           .saved = st.st_mtime,
                                           .size = (uint64_t)st.st_size };
    snapshot_free(snapshot);
    return ok;
}

gboolean power_restore(struct machine *m, const char *file, GError **error)
{
    bool spoilt;
    struct snapshot *snapshot = snapshot_read(file, error);
    gboolean ok = snapshot && power_follow_chipset(m, error) && snapshots_apply(m, snapshot, &spoilt, error);
    snapshot_free(snapshot);
    return ok;
}

gboolean machine_load(struct machine *m, const char *file, GError **error)
{
    bool spoilt = false;
    struct snapshot *snapshot = snapshot_read(file, error);
    gboolean ok = snapshot && machine_settle(m, error);
    if (ok) {
        GError *failed = NULL;
        ok = snapshots_apply(m, snapshot, &spoilt, &failed);
        if (!ok && spoilt && !m->failure)
            m->failure = g_error_copy(failed);
        if (!ok && spoilt)
            machine_end(m, STATUS_HOST_ERROR);
        if (failed)
            g_propagate_error(error, failed);
        machine_unsettle(m);
    }
    snapshot_free(snapshot);
    return ok;
}
