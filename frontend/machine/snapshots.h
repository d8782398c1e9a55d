/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine into a snapshot and out of one: which sections there are, and what each has to be
 * (docs/snapshots.md).
 */
#pragma once

#include "snapshot.h"

#include <stdbool.h>

struct machine;

/* What a snapshot is of, in words, a line each: two machines with the same lines have the same chips. */
#define SNAPSHOTS_MACHINE "machine"
char *snapshots_describe(const struct machine *m); /* to be freed */

/* What is not the processor's, the chips' or memory. */
#define SNAPSHOTS_RUN "run"
enum { SNAPSHOTS_RUN_VERSION = 1 };

struct snapshots_run {
    uint64_t time;            /* machine time */
    uint64_t elapsed;         /* ... since the machine began */
    int32_t pending_vector;   /* -1: none */
    uint8_t nmi_wanted, ferr; /* of struct machine */
    uint8_t unused[2];
};

#define SNAPSHOTS_PROCESSOR "processor"

/* snapshot_save.c: all of it, with the machine settled, which stands still as long as that takes. */
gboolean snapshots_capture(struct machine *m, struct snapshot *snapshot, GError **error);
/*
 * snapshot_load.c: have the machine go on from there, with the machine settled, or before it first runs. If
 * it does not fit nothing is changed and `*spoilt` is false; if it fails later the machine is good for
 * nothing.
 */
gboolean snapshots_apply(struct machine *m, const struct snapshot *snapshot, bool *spoilt, GError **error);

/* What there is to be said of a file without a machine: `machine` is to be freed. */
struct snapshots_facts {
    char *machine;    /* snapshots_describe() */
    uint64_t elapsed; /* ns of machine time since it began */
    int64_t saved;    /* when, seconds since 1970 */
    uint64_t size;    /* bytes of the file */
};
gboolean snapshots_look(const char *file, struct snapshots_facts *facts, GError **error);

/* snapshot_memory.c: RAM, ROM and the display adapter's memory. */
gboolean snapshots_save_memory(struct machine *m, struct snapshot *snapshot, GError **error);
gboolean snapshots_check_memory(const struct machine *m, const struct snapshot *snapshot, GError **error);
gboolean snapshots_load_memory(struct machine *m, const struct snapshot *snapshot, GError **error);

/* snapshot_drives.c: which media are in the drives, and what was written over those that are to stay as they
 * are. */
gboolean snapshots_save_drives(struct machine *m, struct snapshot *snapshot, GError **error);
gboolean snapshots_check_drives(const struct machine *m, const struct snapshot *snapshot, GError **error);
gboolean snapshots_load_drives(struct machine *m, const struct snapshot *snapshot, GError **error);
