/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 9P2000.L: which operation a message asks for, fids, and what becomes of errors. "Plan 9 from User Space",
 * section 9, and diod's protocol.md for Linux's part.
 */
#include "share_private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    RLERROR = 7,
    TSTATFS = 8,
    TLOPEN = 12,
    TLCREATE = 14,
    TSYMLINK = 16,
    TMKNOD = 18,
    TREADLINK = 22,
    TGETATTR = 24,
    TSETATTR = 26,
    TREADDIR = 40,
    TFSYNC = 50,
    TLOCK = 52,
    TGETLOCK = 54,
    TLINK = 70,
    TMKDIR = 72,
    TRENAMEAT = 74,
    TUNLINKAT = 76,
    TVERSION = 100,
    TATTACH = 104,
    TFLUSH = 108,
    TWALK = 110,
    TREAD = 116,
    TWRITE = 118,
    TCLUNK = 120,
    TREMOVE = 122,

    HEADER = 7,
    WALK_MAX = 16,
    NO_FID = -1,
};

/* ---- Fids ---- */

struct fid *share_fid(const struct share *share, uint32_t number)
{
    return g_hash_table_lookup(share->fids, GUINT_TO_POINTER(number));
}

static void free_fid(gpointer data)
{
    struct fid *fid = data;
    close(fid->path);
    if (fid->file >= 0)
        close(fid->file);
    g_free(fid);
}

int share_add_fid(struct share *share, uint32_t number, int path)
{
    if (path < 0)
        return errno;
    if (number == (uint32_t)NO_FID || share_fid(share, number) ||
        g_hash_table_size(share->fids) >= share->fids_max) {
        close(path);
        return number == (uint32_t)NO_FID || share_fid(share, number) ? EBADF : EMFILE;
    }
    struct fid *fid = g_new(struct fid, 1);
    *fid = (struct fid){ .path = path, .file = -1 };
    g_hash_table_insert(share->fids, GUINT_TO_POINTER(number), fid);
    return 0;
}

static int same_path(int path)
{
    return fcntl(path, F_DUPFD_CLOEXEC, 0);
}

void share_put_qid(struct p9_call *call, const struct stat *st)
{
    p9_put(&call->out, 1, S_ISDIR(st->st_mode) ? 0x80 : S_ISLNK(st->st_mode) ? 0x02 : 0);
    p9_put(&call->out, 4, 0);
    p9_put(&call->out, 8, st->st_ino);
}

/* ---- Sessions ---- */

/* All that was before is forgotten. */
static int version(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    uint32_t most = (uint32_t)p9_get(&call->in, 4);
    p9_get_text(&call->in, name);
    if (call->in.bad)
        return EPROTO;
    bool known = !strcmp(name, "9P2000.L") && most >= SHARE_MESSAGE_MIN;
    g_hash_table_remove_all(call->share->fids);
    call->share->message_max = CLAMP(most, (uint32_t)SHARE_MESSAGE_MIN, (uint32_t)SHARE_MESSAGE_MAX);
    p9_put(&call->out, 4, call->share->message_max);
    p9_put_text(&call->out, known ? "9P2000.L" : "unknown");
    return 0;
}

static int attach(struct p9_call *call)
{
    struct stat st;
    uint32_t number = (uint32_t)p9_get(&call->in, 4);
    int err = call->in.bad ? EPROTO : share_add_fid(call->share, number, same_path(call->share->root));
    if (!err && fstat(call->share->root, &st) < 0)
        err = errno;
    if (!err)
        share_put_qid(call, &st);
    return err;
}

static int clunk(struct p9_call *call)
{
    return g_hash_table_remove(call->share->fids, GUINT_TO_POINTER((uint32_t)p9_get(&call->in, 4))) ? 0
                                                                                                    : EBADF;
}

/* Which name it is, nobody knows: guests that hear so do it by its folder. */
static int remove_fid(struct p9_call *call)
{
    clunk(call);
    return EOPNOTSUPP;
}

/* ---- Walks ---- */

/* From `path`, which is closed; -1 and errno. */
static int one_step(struct p9_call *call, int path, const char *name)
{
    struct stat st;
    int next = path_look_up(path, name);
    int err = errno;
    close(path);
    errno = err;
    if (next >= 0 && !fstat(next, &st))
        share_put_qid(call, &st);
    return next;
}

/* A walk that does not get to its end says how far it got, and makes no fid; but for its first step, which is
   an error. (walk(9)) */
static int walk(struct p9_call *call)
{
    char name[P9_NAME_MAX + 1];
    const struct fid *fid = share_fid(call->share, (uint32_t)p9_get(&call->in, 4));
    uint32_t number = (uint32_t)p9_get(&call->in, 4), steps = (uint32_t)p9_get(&call->in, 2), done = 0;
    uint8_t *count = p9_put_bytes(&call->out, 2);
    if (!fid || call->in.bad || steps > WALK_MAX || !count)
        return fid ? EPROTO : EBADF;
    bool itself = share_fid(call->share, number) == fid;
    int path = same_path(fid->path);
    for (; done < steps && path >= 0; done += path >= 0) {
        p9_get_text(&call->in, name);
        path = one_step(call, path, call->in.bad ? "" : name);
    }
    int err = errno;
    count[0] = (uint8_t)done;
    count[1] = 0;
    if (path < 0)
        return done ? 0 : err;
    if (itself && fid->file < 0)
        g_hash_table_remove(call->share->fids, GUINT_TO_POINTER(number));
    return share_add_fid(call->share, number, path);
}

/* ---- Locks: one guest has the share, and its kernel keeps account of them ---- */

static int lock(struct p9_call *call)
{
    if (!share_fid(call->share, (uint32_t)p9_get(&call->in, 4)))
        return EBADF;
    p9_put(&call->out, 1, 0);
    return 0;
}

static int get_lock(struct p9_call *call)
{
    enum { UNLOCKED = 2 };
    char client[P9_NAME_MAX + 1];
    if (!share_fid(call->share, (uint32_t)p9_get(&call->in, 4)))
        return EBADF;
    p9_get(&call->in, 1);
    uint64_t start = p9_get(&call->in, 8), length = p9_get(&call->in, 8), process = p9_get(&call->in, 4);
    p9_get_text(&call->in, client);
    p9_put(&call->out, 1, UNLOCKED);
    p9_put(&call->out, 8, start);
    p9_put(&call->out, 8, length);
    p9_put(&call->out, 4, process);
    p9_put_text(&call->out, client);
    return 0;
}

/* Messages are answered one after the other: what was to be flushed is over. */
static int flush(struct p9_call *call)
{
    (void)call;
    return 0;
}

/* ---- Messages ---- */

static const struct {
    uint8_t type;
    int (*run)(struct p9_call *call);
} operations[] = {
    { TSTATFS, share_statfs },
    { TLOPEN, share_lopen },
    { TLCREATE, share_lcreate },
    { TSYMLINK, share_symlink },
    { TMKNOD, share_mknod },
    { TREADLINK, share_readlink },
    { TGETATTR, share_getattr },
    { TSETATTR, share_setattr },
    { TREADDIR, share_readdir },
    { TFSYNC, share_fsync },
    { TLOCK, lock },
    { TGETLOCK, get_lock },
    { TLINK, share_link },
    { TMKDIR, share_mkdir },
    { TRENAMEAT, share_renameat },
    { TUNLINKAT, share_unlinkat },
    { TVERSION, version },
    { TATTACH, attach },
    { TFLUSH, flush },
    { TWALK, walk },
    { TREAD, share_read },
    { TWRITE, share_write },
    { TCLUNK, clunk },
    { TREMOVE, remove_fid },
};

/* Others (extended attributes, authentication) are not supported, which guests live with. */
static int run(uint8_t type, struct p9_call *call)
{
    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (operations[i].type == type)
            return operations[i].run(call);
    }
    return EOPNOTSUPP;
}

static uint32_t finish(struct p9_writer *w, uint8_t type, uint16_t tag)
{
    uint32_t size = (uint32_t)(w->at - w->start);
    struct p9_writer header = { .start = w->start, .at = w->start, .end = w->start + HEADER };
    p9_put(&header, 4, size);
    p9_put(&header, 1, type);
    p9_put(&header, 2, tag);
    return size;
}

bool share_is_in_use(const struct share *share)
{
    return g_hash_table_size(share->fids) > 0;
}

uint32_t share_answer(struct share *share, const uint8_t *message, uint32_t size, uint8_t *answer,
                      uint32_t room)
{
    struct p9_call call = {
        .share = share,
        .in = { .at = message, .end = message + size },
        .out = { .start = answer, .at = answer, .end = answer + MIN(room, share->message_max) },
    };
    uint32_t length = (uint32_t)p9_get(&call.in, 4);
    uint8_t type = (uint8_t)p9_get(&call.in, 1);
    uint16_t tag = (uint16_t)p9_get(&call.in, 2);
    if (call.in.bad || length < HEADER || length > size || room < HEADER + 4)
        return 0;
    call.in.end = message + length;
    p9_put_bytes(&call.out, HEADER);
    int err = run(type, &call);
    if (!err && call.out.full)
        err = EMSGSIZE;
    if (!err)
        return finish(&call.out, type + 1, tag);
    call.out.at = answer + HEADER;
    call.out.full = false;
    p9_put(&call.out, 4, (uint64_t)err);
    return finish(&call.out, RLERROR, tag);
}

/* ---- Opening ---- */

/* Files of the guest's are descriptors of ours, of which others need some. */
static unsigned find_fids_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 128;
    limit.rlim_cur = MIN(limit.rlim_max, 65536);
    setrlimit(RLIMIT_NOFILE, &limit);
    return (unsigned)limit.rlim_cur / 8;
}

struct share *share_open(const struct share_choice *choice, GError **error)
{
    int root = open(choice->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        fail_errno(error, errno, NULL, "cannot share the folder '%s'", choice->folder);
        return NULL;
    }
    struct share *share = g_new0(struct share, 1);
    share->root = root;
    share->read_only = choice->read_only;
    share->uid = choice->uid;
    share->gid = choice->gid;
    share->own_uid = geteuid();
    share->own_gid = getegid();
    share->message_max = SHARE_MESSAGE_MAX;
    share->fids_max = find_fids_max();
    share->fids = g_hash_table_new_full(NULL, NULL, NULL, free_fid);
    return share;
}

void share_close(struct share *share)
{
    if (!share)
        return;
    g_hash_table_destroy(share->fids);
    close(share->root);
    g_free(share);
}
