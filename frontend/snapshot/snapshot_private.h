/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A snapshot from inside, and its file: a header, then records, each with what it has packed behind it. All
 * numbers are little-endian.
 */
#pragma once

#include "snapshot.h"

#include <stdbool.h>

/* A piece of memory, as it was copied from a machine, or packed in a file. */
struct snapshot_memory {
    char name[SNAPSHOT_NAME];
    uint64_t size;
    uint8_t *copy;         /* NULL: it is in a file; pages of it come into being when they are used */
    const uint8_t *packed; /* struct snapshot_packed and its bytes, again and again */
    uint64_t packed_size;
};

struct snapshot {
    GArray *sections; /* struct snapshot_section */
    GArray *memories; /* struct snapshot_memory */
    GMappedFile *file;
    char *path;
};

#define SNAPSHOT_MAGIC "D86SNAP"

enum { SNAPSHOT_VERSION = 1 };

struct snapshot_header {
    char magic[8];
    uint32_t version, unused;
};

enum snapshot_kind { SNAPSHOT_SECTION = 1, SNAPSHOT_MEMORY = 2, SNAPSHOT_END = 3 };

struct snapshot_record {
    char name[SNAPSHOT_NAME];
    uint32_t kind, version;
    uint64_t size;   /* bytes unpacked */
    uint64_t packed; /* ... in the file behind this */
    uint64_t check;  /* of what is above */
};

struct snapshot_packed {
    uint32_t number; /* of the chunk, from 0 */
    uint32_t size;   /* bytes in the file behind this */
};

const struct snapshot_memory *snapshot_memory_of(const struct snapshot *snapshot, const char *name);
uint64_t snapshot_record_check(const struct snapshot_record *record);
