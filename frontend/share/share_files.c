/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations on what a fid is: attributes, contents, the names in a folder. 9P2000.L, diod's protocol.md.
 */
#include "share_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    GETATTR_BASIC = 0x7ff,

    SETATTR_MODE = 1 << 0,
    SETATTR_UID = 1 << 1,
    SETATTR_GID = 1 << 2,
    SETATTR_SIZE = 1 << 3,
    SETATTR_ATIME = 1 << 4,
    SETATTR_MTIME = 1 << 5,
    SETATTR_ATIME_SET = 1 << 7,
    SETATTR_MTIME_SET = 1 << 8,

    MODES = 01777,
    READ_HEADER = 11, /* of an answer, up to the bytes */

    /* Linux's for i386, which are those of x86-64. */
    OPEN_FLAGS = O_ACCMODE | O_TRUNC | O_APPEND | O_DIRECTORY | O_DSYNC | O_SYNC | O_NOATIME,
};

static int result_of(int result)
{
    return result < 0 ? errno : 0;
}

static struct fid *get_fid(struct p9_call *call)
{
    return share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
}

/* ---- Attributes ---- */

static uint32_t mapped(uint32_t id, uint32_t own, uint32_t guest)
{
    enum { NOBODY = 65534 };
    return id == own ? guest : NOBODY;
}

static void put_time(struct p9_call *call, const struct timespec *time)
{
    p9_put(&call->out, 8, (uint64_t)time->tv_sec);
    p9_put(&call->out, 8, (uint64_t)time->tv_nsec);
}

int share_getattr(struct p9_call *call)
{
    const struct share *s = call->share;
    const struct fid *fid = get_fid(call);
    struct stat st;
    if (!fid)
        return EBADF;
    if (fstat(fid->path, &st) < 0)
        return errno;
    p9_put(&call->out, 8, GETATTR_BASIC);
    share_put_qid(call, &st);
    p9_put(&call->out, 4, st.st_mode);
    p9_put(&call->out, 4, mapped(st.st_uid, s->own_uid, s->uid));
    p9_put(&call->out, 4, mapped(st.st_gid, s->own_gid, s->gid));
    p9_put(&call->out, 8, st.st_nlink);
    p9_put(&call->out, 8, 0); /* what device it is: there are none */
    p9_put(&call->out, 8, (uint64_t)st.st_size);
    p9_put(&call->out, 8, (uint64_t)st.st_blksize);
    p9_put(&call->out, 8, (uint64_t)st.st_blocks);
    put_time(call, &st.st_atim);
    put_time(call, &st.st_mtim);
    put_time(call, &st.st_ctim);
    for (unsigned i = 0; i < 4; i++)
        p9_put(&call->out, 8, 0); /* birth, generation, data version */
    return 0;
}

static struct timespec get_time(struct p9_call *call, uint32_t valid, uint32_t changes, uint32_t set)
{
    struct timespec time = { (time_t)p9_get(&call->in, 8), (long)p9_get(&call->in, 8) };
    if (!(valid & changes))
        time.tv_nsec = UTIME_OMIT;
    else if (!(valid & set))
        time.tv_nsec = UTIME_NOW;
    return time;
}

/* To be another's than the user's is a wish that cannot be granted. */
static bool keeps_owner(const struct share *s, uint32_t valid, uint32_t uid, uint32_t gid)
{
    return (!(valid & SETATTR_UID) || uid == s->uid) && (!(valid & SETATTR_GID) || gid == s->gid);
}

static int change(const struct fid *fid, uint32_t valid, mode_t mode, uint64_t size,
                  const struct timespec *times)
{
    char name[PATH_NAME_SIZE];
    struct stat st;
    if (fstat(fid->path, &st) < 0)
        return errno;
    if (S_ISLNK(st.st_mode))
        return EOPNOTSUPP;
    path_name(fid->path, name);
    int err = 0;
    if (valid & SETATTR_SIZE)
        err = !S_ISREG(st.st_mode) ? EINVAL
              : size > INT64_MAX   ? EFBIG
                                   : result_of(truncate(name, (off_t)size));
    if (!err && valid & SETATTR_MODE)
        err = result_of(chmod(name, mode & MODES));
    if (!err && valid & (SETATTR_ATIME | SETATTR_MTIME))
        err = result_of(utimensat(AT_FDCWD, name, times, 0));
    return err;
}

int share_setattr(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    uint32_t valid = (uint32_t)p9_get(&call->in, 4);
    mode_t mode = (mode_t)p9_get(&call->in, 4);
    uint32_t uid = (uint32_t)p9_get(&call->in, 4), gid = (uint32_t)p9_get(&call->in, 4);
    uint64_t size = p9_get(&call->in, 8);
    struct timespec times[2];
    times[0] = get_time(call, valid, SETATTR_ATIME, SETATTR_ATIME_SET);
    times[1] = get_time(call, valid, SETATTR_MTIME, SETATTR_MTIME_SET);
    if (!fid || call->in.bad)
        return fid ? EPROTO : EBADF;
    if (call->share->read_only)
        return EROFS;
    return keeps_owner(call->share, valid, uid, gid) ? change(fid, valid, mode, size, times) : EPERM;
}

int share_statfs(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    struct statfs fs;
    if (!fid)
        return EBADF;
    if (fstatfs(fid->path, &fs) < 0)
        return errno;
    p9_put(&call->out, 4, V9FS_MAGIC);
    p9_put(&call->out, 4, (uint64_t)fs.f_bsize);
    p9_put(&call->out, 8, fs.f_blocks);
    p9_put(&call->out, 8, fs.f_bfree);
    p9_put(&call->out, 8, fs.f_bavail);
    p9_put(&call->out, 8, fs.f_files);
    p9_put(&call->out, 8, fs.f_ffree);
    p9_put(&call->out, 8, 0); /* which file system it is, is the host's business */
    p9_put(&call->out, 4, (uint64_t)fs.f_namelen);
    return 0;
}

/* ---- Opening ---- */

static bool writes(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
}

/* The file's qid; the size of messages is the whole of one. */
static int put_open(struct p9_call *call, int file)
{
    struct stat st;
    if (fstat(file, &st) < 0)
        return errno;
    share_put_qid(call, &st);
    p9_put(&call->out, 4, 0);
    return 0;
}

int share_lopen(struct p9_call *call)
{
    struct fid *fid = get_fid(call);
    int flags = (int)p9_get(&call->in, 4) & OPEN_FLAGS;
    if (!fid || fid->file >= 0 || call->in.bad)
        return EBADF;
    if (call->share->read_only && writes(flags))
        return EROFS;
    int file = path_reopen(fid->path, flags);
    if (file < 0 && errno == EPERM && flags & O_NOATIME)
        file = path_reopen(fid->path, flags & ~O_NOATIME);
    if (file < 0)
        return errno;
    fid->file = file;
    return put_open(call, file);
}

/* The fid, which was the folder's, is the new file's then. */
int share_lcreate(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    struct fid *fid = get_fid(call);
    p9_get_text(&call->in, name);
    int flags = (int)p9_get(&call->in, 4) & (OPEN_FLAGS | O_EXCL) & ~(O_DIRECTORY | O_NOATIME);
    mode_t mode = (mode_t)p9_get(&call->in, 4) & MODES;
    if (!fid || fid->file >= 0 || call->in.bad)
        return EBADF;
    if (call->share->read_only)
        return EROFS;
    int file = path_create(fid->path, name, flags, mode);
    if (file < 0)
        return errno;
    char itself[PATH_NAME_SIZE];
    path_name(file, itself);
    int path = open(itself, O_PATH | O_CLOEXEC);
    if (path < 0) {
        close(file);
        return EMFILE;
    }
    close(fid->path);
    fid->path = path;
    fid->file = file;
    return put_open(call, file);
}

/* ---- Contents ---- */

static uint32_t at_most(const struct p9_call *call, uint64_t count)
{
    uint32_t room = p9_room(&call->out);
    return room < 4 ? 0 : (uint32_t)MIN(count, room - 4);
}

int share_read(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t count = at_most(call, p9_get(&call->in, 4));
    if (!fid || fid->file < 0 || call->in.bad)
        return EBADF;
    if (offset > INT64_MAX)
        return EINVAL;
    ssize_t n = pread(fid->file, call->out.at + 4, count, (off_t)offset);
    if (n < 0)
        return errno;
    p9_put(&call->out, 4, (uint64_t)n);
    p9_put_bytes(&call->out, (uint32_t)n);
    return 0;
}

int share_write(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t count = (uint32_t)p9_get(&call->in, 4);
    const uint8_t *bytes = p9_get_bytes(&call->in, count);
    if (!fid || fid->file < 0 || call->in.bad)
        return EBADF;
    if (call->share->read_only)
        return EROFS;
    if (offset > INT64_MAX)
        return EFBIG;
    ssize_t n = pwrite(fid->file, bytes, count, (off_t)offset);
    if (n < 0)
        return errno;
    p9_put(&call->out, 4, (uint64_t)n);
    return 0;
}

int share_fsync(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    bool data_only = p9_get(&call->in, 4) != 0;
    if (!fid || fid->file < 0)
        return EBADF;
    return result_of(data_only ? fdatasync(fid->file) : fsync(fid->file));
}

/* ---- The names in a folder ---- */

struct linux_dirent64 {
    uint64_t ino, next; /* where the next one begins, for lseek() */
    uint16_t size;
    uint8_t type;
    char name[];
};

/* False: no room. A folder's own number stands for "..", which is nobody's business. */
static bool put_entry(struct p9_call *call, const struct linux_dirent64 *entry, uint32_t limit,
                      const uint8_t *start)
{
    size_t size = 13 + 8 + 1 + 2 + strlen(entry->name);
    if ((size_t)(call->out.at - start) + size > limit)
        return false;
    p9_put(&call->out, 1, entry->type == DT_DIR ? 0x80 : entry->type == DT_LNK ? 0x02 : 0);
    p9_put(&call->out, 4, 0);
    p9_put(&call->out, 8, strcmp(entry->name, "..") ? entry->ino : 1);
    p9_put(&call->out, 8, entry->next);
    p9_put(&call->out, 1, entry->type);
    p9_put_text(&call->out, entry->name);
    return true;
}

/* As many as there is room for, and not more than one system call gives. */
static int put_entries(struct p9_call *call, int file, uint32_t limit)
{
    _Alignas(8) char buffer[16384];
    const uint8_t *start = call->out.at;
    long n = syscall(SYS_getdents64, file, buffer, sizeof buffer);
    if (n < 0)
        return errno;
    for (long at = 0; at < n;) {
        const struct linux_dirent64 *entry = (const void *)(buffer + at);
        if (!put_entry(call, entry, limit, start))
            return at ? 0 : EINVAL;
        at += entry->size;
    }
    return 0;
}

int share_readdir(struct p9_call *call)
{
    const struct fid *fid = get_fid(call);
    uint64_t offset = p9_get(&call->in, 8);
    uint32_t limit = at_most(call, p9_get(&call->in, 4));
    if (!fid || fid->file < 0 || call->in.bad)
        return EBADF;
    if (lseek(fid->file, (off_t)offset, SEEK_SET) < 0)
        return errno;
    uint8_t *size = p9_put_bytes(&call->out, 4);
    if (!size)
        return EINVAL;
    int err = put_entries(call, fid->file, limit);
    struct p9_writer w = { .start = size, .at = size, .end = size + 4 };
    p9_put(&w, 4, (uint64_t)(call->out.at - size - 4));
    return err;
}
