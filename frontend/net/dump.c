/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All frames of a cable in a file that tcpdump and Wireshark read: the format of pcap-savefile(5), with
 * nanoseconds, link type Ethernet. It is written frame by frame, so that it is whole whatever ends us.
 */
#include "net_private.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SNAPSHOT = 262144, ETHERNET = 1, VERSION_MAJOR = 2, VERSION_MINOR = 4 };
#define MAGIC_NS 0xa1b23c4du

struct net_dump {
    FILE *file;
    char *path;
    bool failed;
};

static void check(struct net_dump *dump, bool ok)
{
    if (dump->failed || ok)
        return;
    dump->failed = true;
    g_printerr("duplex86: cannot write frames to '%s': %s; no more of them are written\n", dump->path,
               g_strerror(errno));
}

static void write_all(struct net_dump *dump, const void *data, size_t size)
{
    check(dump, fwrite(data, 1, size, dump->file) == size);
}

/* Whoever reads the file meanwhile finds whole frames; and a full disk is found out here. */
static void flush(struct net_dump *dump)
{
    check(dump, fflush(dump->file) == 0);
}

struct net_dump *net_dump_open(const char *path, GError **error)
{
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snapshot, link;
    } header = { MAGIC_NS, VERSION_MAJOR, VERSION_MINOR, 0, 0, SNAPSHOT, ETHERNET };
    FILE *file = fopen(path, "we");
    if (!file) {
        fail_errno(error, -errno, NULL, "cannot write frames to '%s'", path);
        return NULL;
    }
    struct net_dump *dump = g_new0(struct net_dump, 1);
    dump->file = file;
    dump->path = g_strdup(path);
    write_all(dump, &header, sizeof header);
    flush(dump);
    return dump;
}

void net_dump_close(struct net_dump *dump)
{
    if (!dump)
        return;
    fclose(dump->file);
    g_free(dump->path);
    g_free(dump);
}

void net_dump_frame(struct net_dump *dump, const uint8_t *frame, size_t size)
{
    struct timespec now;
    if (!dump || dump->failed)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint32_t record[4] = { (uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, (uint32_t)size,
                                 (uint32_t)size };
    write_all(dump, record, sizeof record);
    write_all(dump, frame, size);
    flush(dump);
}
