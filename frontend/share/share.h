/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A folder of the host's that a guest has by 9P2000.L. The guest is hostile: it reaches what is below the
 * folder and nothing else, whatever names, links and renames it comes up with.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct share;

enum {
    SHARE_MESSAGE_MAX = 128 << 10, /* bytes of a message either way */
    SHARE_MESSAGE_MIN = 4096,      /* ... that an answer has room for */
};

struct share_choice {
    const char *folder;
    bool read_only;
    uint32_t uid, gid; /* whose the guest takes files to be that are this process's user's, and group's */
};

/* NULL: with a sentence. */
struct share *share_open(const struct share_choice *choice, GError **error);
/* NULL is allowed. */
void share_close(struct share *share);

/* Has the guest anything open there, the folder itself included? Not while a message is answered. */
bool share_is_in_use(const struct share *share);

/*
 * Answer a message. `answer` has room for `room` bytes; returns how many there are, or 0: there is too little
 * room, or the message is none. One thread at a time. What this waits for are the host's disks.
 */
uint32_t share_answer(struct share *share, const uint8_t *message, uint32_t size, uint8_t *answer,
                      uint32_t room);
