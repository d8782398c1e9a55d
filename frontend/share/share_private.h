/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A share from inside. A file of the guest's (a "fid") is a descriptor by which nothing can be read or
 * written (O_PATH): wherever it is moved, it stays the same file. Names are looked up one at a time in such a
 * descriptor, links never followed, "..", which alone leads out, never looked up. So there is no path that a
 * race could change.
 */
#pragma once

#include "message.h"
#include "share.h"

#include <sys/stat.h>

struct fid {
    int path; /* O_PATH */
    int file; /* opened; -1: not */
};

struct share {
    int root;
    bool read_only;
    uint32_t uid, gid;
    uint32_t own_uid, own_gid; /* the host's */
    uint32_t message_max;
    GHashTable *fids; /* by number */
    unsigned fids_max;
};

/* An operation, of what it is asked and with its answer; 0 or an errno value. */
struct p9_call {
    struct share *share;
    struct p9_reader in;
    struct p9_writer out;
};

/* share_path.c: -1 and errno, like the system's. `name` is one component. */
bool path_is_name(const char *name);
int path_look_up(int folder, const char *name);
int path_create(int folder, const char *name, int flags, mode_t mode);
/* The file itself for reading or writing, of a regular file or a folder. */
int path_reopen(int path, int flags);
/* A name of the file for calls that take only names; of a link's it would be what it leads to. */
enum { PATH_NAME_SIZE = 32 };
void path_name(int path, char name[PATH_NAME_SIZE]);

/* share.c */
struct fid *share_fid(const struct share *share, uint32_t number);
/* The new fid's; the descriptor belongs to it, or is closed. 0 or an errno value. */
int share_add_fid(struct share *share, uint32_t number, int path);
void share_put_qid(struct p9_call *call, const struct stat *st);

/* share_files.c, share_names.c: operations */
int share_getattr(struct p9_call *call);
int share_setattr(struct p9_call *call);
int share_statfs(struct p9_call *call);
int share_lopen(struct p9_call *call);
int share_lcreate(struct p9_call *call);
int share_read(struct p9_call *call);
int share_write(struct p9_call *call);
int share_readdir(struct p9_call *call);
int share_fsync(struct p9_call *call);
int share_symlink(struct p9_call *call);
int share_mknod(struct p9_call *call);
int share_readlink(struct p9_call *call);
int share_link(struct p9_call *call);
int share_mkdir(struct p9_call *call);
int share_renameat(struct p9_call *call);
int share_unlinkat(struct p9_call *call);
