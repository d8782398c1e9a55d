/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations that make, move and remove names. Nothing gets rights by them that its maker has not: no
 * set-user-ID bits, no devices. 9P2000.L ("Protocol extensions for Linux"), diod's protocol.md.
 */
#include "share_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MODES = 01777, REMOVE_FOLDER = 0x200 };

static int result_of(int result)
{
    return result < 0 ? errno : 0;
}

/* A folder and a name in it, in which something is to change. */
static int get_place(struct p9_call *call, int *folder, char *name)
{
    const struct fid *fid = share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
    p9_get_text(&call->in, name);
    if (!fid || call->in.bad)
        return fid ? EPROTO : EBADF;
    if (call->share->read_only)
        return EROFS;
    *folder = fid->path;
    return path_is_name(name) ? 0 : EINVAL;
}

static int put_new(struct p9_call *call, int folder, const char *name)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    share_put_qid(call, &st);
    return 0;
}

int share_symlink(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1], target[P9_NAME_MAX + 1];
    int folder, err = get_place(call, &folder, name);
    p9_get_text(&call->in, target);
    if (!err)
        err = call->in.bad ? EPROTO : result_of(symlinkat(target, folder, name));
    return err ? err : put_new(call, folder, name);
}

int share_mkdir(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    int folder, err = get_place(call, &folder, name);
    mode_t mode = (mode_t)p9_get(&call->in, 4) & MODES;
    if (!err)
        err = call->in.bad ? EPROTO : result_of(mkdirat(folder, name, mode));
    return err ? err : put_new(call, folder, name);
}

int share_mknod(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    int folder, err = get_place(call, &folder, name);
    mode_t mode = (mode_t)p9_get(&call->in, 4), kind = mode & S_IFMT;
    if (!err && kind != S_IFREG && kind != S_IFIFO && kind != S_IFSOCK)
        err = EPERM;
    if (!err)
        err = call->in.bad ? EPROTO : result_of(mknodat(folder, name, kind | (mode & MODES), 0));
    return err ? err : put_new(call, folder, name);
}

int share_link(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1], from[PATH_NAME_SIZE];
    const struct fid *into = share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
    const struct fid *fid = share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
    p9_get_text(&call->in, name);
    if (!into || !fid || call->in.bad)
        return call->in.bad ? EPROTO : EBADF;
    if (call->share->read_only)
        return EROFS;
    if (!path_is_name(name))
        return EINVAL;
    path_name(fid->path, from);
    return result_of(linkat(AT_FDCWD, from, into->path, name, AT_SYMLINK_FOLLOW));
}

int share_renameat(struct p9_call *call)
{
    char from[P9_NAME_MAX + 1], to[P9_NAME_MAX + 1];
    int old, new, err = get_place(call, &old, from), second = get_place(call, &new, to);
    err = err ? err : second;
    return err ? err : result_of(renameat(old, from, new, to));
}

int share_unlinkat(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    int folder, err = get_place(call, &folder, name);
    uint32_t flags = (uint32_t)p9_get(&call->in, 4);
    if (!err)
        err = result_of(unlinkat(folder, name, flags & REMOVE_FOLDER ? AT_REMOVEDIR : 0));
    return err;
}

int share_readlink(struct p9_call *call)
{
    char target[P9_NAME_MAX + 1];
    const struct fid *fid = share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
    if (!fid)
        return EBADF;
    ssize_t n = readlinkat(fid->path, "", target, P9_NAME_MAX);
    if (n < 0)
        return errno == ENOENT ? EINVAL : errno; /* it is no link */
    target[n] = '\0';
    p9_put_text(&call->out, target);
    return 0;
}
