/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What POSIX asks of files, folders and links, tried in a folder, which is given: "sharefs [native] FOLDER".
 * It must say the same in a folder of the host's and in that folder shared with a guest
 * (tests/tools/virtio_session.py). Nothing printed depends on time, inode numbers or the order of names.
 */
#include "user.h"

enum {
    NR_LINK = 9,
    NR_UNLINK = 10,
    NR_CHDIR = 12,
    NR_CHMOD = 15,
    NR_RENAME = 38,
    NR_RMDIR = 40,
    NR_FCNTL = 55,
    NR_SYMLINK = 83,
    NR_READLINK = 85,
    NR_FSYNC = 118,
    NR_LLSEEK = 140,
    NR_TRUNCATE64 = 193,
    NR_FTRUNCATE64 = 194,
    NR_STAT64 = 195,
    NR_LSTAT64 = 196,
    NR_GETDENTS64 = 220,
    NR_UTIMENSAT = 320,

    RDONLY = 0,
    WRONLY = 1,
    RDWR = 2,
    CREAT = 0100,
    EXCL = 0200,
    TRUNC = 01000,
    APPEND = 02000,
    DIRECTORY = 0200000,
    NOFOLLOW = 0400000,
};

/* struct stat64 of i386. */
struct stat64 {
    uint64_t dev;
    uint8_t pad0[4];
    uint32_t short_ino, mode, nlink, uid, gid;
    uint64_t rdev;
    uint8_t pad3[4];
    int64_t size;
    uint32_t blksize;
    uint64_t blocks;
    uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    uint64_t ino;
} __attribute__((packed));

static void say(const char *what, long result)
{
    print("%s: %d\n", what, (int)(result < 0 ? result : 0));
}

static long open_file(const char *name, int flags, int mode)
{
    return linux_call(NR_OPEN, name, flags, mode);
}

static void close_file(long file)
{
    if (file >= 0)
        linux_call(NR_CLOSE, file);
}

/* Kind and rights, how large and how many names; a folder's are its file system's business. */
static void describe(const char *name)
{
    struct stat64 st;
    long result = linux_call(NR_LSTAT64, name, &st);
    bool folder = result == 0 && (st.mode & 0170000) == 0040000;

    if (result < 0)
        print("%s: %d\n", name, (int)result);
    else
        print("%s: mode %x size %u links %u\n", name, st.mode, folder ? 0u : (uint32_t)st.size,
              folder ? 0u : st.nlink);
}

static void try_files(void)
{
    char data[64];
    long file = open_file("a", RDWR | CREAT | EXCL, 0644);

    say("create", file);
    say("write", linux_call(NR_WRITE, file, "hello, world", 12));
    print("read back %d\n", (int)linux_call(NR_PREAD64, file, data, 64, 7, 0));
    print("%d\n", memcmp(data, "world", 5));
    say("extend", linux_call(NR_FTRUNCATE64, file, 100000, 0));
    print("read of a hole %d\n", (int)linux_call(NR_PREAD64, file, data, 64, 50000, 0));
    print("read behind the end %d\n", (int)linux_call(NR_PREAD64, file, data, 64, 100000, 0));
    say("fsync", linux_call(NR_FSYNC, file));
    close_file(file);
    describe("a");
    say("create again", open_file("a", RDWR | CREAT | EXCL, 0644));
    file = open_file("a", WRONLY | TRUNC, 0);
    say("truncate by open", file);
    say("read of one for writing", linux_call(NR_READ, file, data, 1));
    close_file(file);
    describe("a");
    file = open_file("a", WRONLY | APPEND, 0);
    linux_call(NR_WRITE, file, "one", 3);
    linux_call(NR_WRITE, file, "two", 3);
    close_file(file);
    file = open_file("a", RDONLY, 0);
    say("read what was appended", linux_call(NR_READ, file, data, 64));
    print("%d\n", memcmp(data, "onetwo", 6));
    say("write to one for reading", linux_call(NR_WRITE, file, data, 1));
    close_file(file);
    say("chmod", linux_call(NR_CHMOD, "a", 0600));
    describe("a");
    say("not there", open_file("none", RDONLY, 0));
    say("a file as a folder", open_file("a/b", RDONLY, 0));
}

static void try_large(void)
{
    static uint8_t block[65536];
    uint32_t state = 1, sum = 0;
    long file = open_file("large", RDWR | CREAT | EXCL, 0644);

    for (unsigned i = 0; i < 48; i++) {
        for (unsigned k = 0; k < sizeof(block); k += 4)
            *(uint32_t *)(block + k) = next_random(&state);
        if (linux_call(NR_WRITE, file, block, (long)sizeof(block)) != (long)sizeof(block))
            print("short write\n");
    }
    for (unsigned i = 0; i < 48; i++) {
        linux_call(NR_PREAD64, file, block, (long)sizeof(block), i * (uint32_t)sizeof(block), 0);
        for (unsigned k = 0; k < sizeof(block); k++)
            sum = sum * 31 + block[k];
    }
    print("large %x\n", sum);
    close_file(file);
    describe("large");
    say("unlink large", linux_call(NR_UNLINK, "large"));
}

static void try_links(void)
{
    char target[64];

    say("link", linux_call(NR_LINK, "a", "hard"));
    describe("hard");
    say("unlink", linux_call(NR_UNLINK, "a"));
    describe("hard");
    say("rename", linux_call(NR_RENAME, "hard", "a"));
    describe("hard");
    say("symlink", linux_call(NR_SYMLINK, "a", "soft"));
    print("readlink %d\n", (int)linux_call(NR_READLINK, "soft", target, 64));
    say("open by it", open_file("soft", RDONLY, 0));
    say("open it", open_file("soft", RDONLY | NOFOLLOW, 0));
    say("symlink to nothing", linux_call(NR_SYMLINK, "nothing", "dangling"));
    say("open it", open_file("dangling", RDONLY, 0));
    describe("dangling");
    say("symlink to itself", linux_call(NR_SYMLINK, "loop", "loop"));
    say("open it", open_file("loop", RDONLY, 0));
    say("symlink again", linux_call(NR_SYMLINK, "a", "soft"));
    say("link to a link", linux_call(NR_LINK, "soft", "soft2"));
    describe("soft2");
    for (unsigned i = 0; i < 4; i++) {
        static const char *const names[] = { "soft", "soft2", "dangling", "loop" };
        say(names[i], linux_call(NR_UNLINK, names[i]));
    }
}

static void try_folders(void)
{
    say("mkdir", linux_call(NR_MKDIR, "d", 0755));
    say("mkdir again", linux_call(NR_MKDIR, "d", 0755));
    describe("d");
    close_file(open_file("d/x", WRONLY | CREAT, 0640));
    describe("d/x");
    say("rmdir of one that is not empty", linux_call(NR_RMDIR, "d"));
    say("unlink of a folder", linux_call(NR_UNLINK, "d"));
    say("rmdir of a file", linux_call(NR_RMDIR, "d/x"));
    say("rename of a folder", linux_call(NR_RENAME, "d", "e"));
    describe("e/x");
    say("rename into itself", linux_call(NR_RENAME, "e", "e/e"));
    say("rename over a file", linux_call(NR_RENAME, "a", "e/x"));
    describe("e/x");
    describe("a");
    say("open a folder for writing", open_file("e", WRONLY, 0));
    say("open a folder", open_file("e", RDONLY | DIRECTORY, 0));
    say("unlink", linux_call(NR_UNLINK, "e/x"));
    say("rmdir", linux_call(NR_RMDIR, "e"));
    describe("e");
}

/* A file that is open goes on without a name. */
static void try_nameless(void)
{
    char data[8];
    long file = open_file("gone", RDWR | CREAT, 0600);

    linux_call(NR_WRITE, file, "still", 5);
    say("unlink an open file", linux_call(NR_UNLINK, "gone"));
    print("it has %d\n", (int)linux_call(NR_PREAD64, file, data, 8, 0, 0));
    say("write to it", linux_call(NR_PWRITE64, file, "there", 5, 5, 0));
    close_file(file);
    describe("gone");
}

/* Many names: how many there are, and each once. */
static void try_names(void)
{
    static uint8_t buffer[4096];
    static uint8_t seen[300];
    char name[] = "n/name000";
    unsigned count = 0, others = 0;
    long folder, n;

    linux_call(NR_MKDIR, "n", 0755);
    for (unsigned i = 0; i < 300; i++) {
        name[6] = (char)('0' + i / 100);
        name[7] = (char)('0' + i / 10 % 10);
        name[8] = (char)('0' + i % 10);
        close_file(open_file(name, WRONLY | CREAT, 0644));
    }
    folder = open_file("n", RDONLY | DIRECTORY, 0);
    while ((n = linux_call(NR_GETDENTS64, folder, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < n; at += *(uint16_t *)(buffer + at + 16)) {
            const char *entry = (const char *)buffer + at + 19;
            unsigned number = (unsigned)((entry[4] - '0') * 100 + (entry[5] - '0') * 10 + entry[6] - '0');

            if (entry[0] == 'n' && number < 300)
                count += !seen[number]++;
            else
                others++;
        }
    }
    print("names %u, others %u, end %d\n", count, others, (int)n);
    close_file(folder);
    for (unsigned i = 0; i < 300; i++) {
        name[6] = (char)('0' + i / 100);
        name[7] = (char)('0' + i / 10 % 10);
        name[8] = (char)('0' + i % 10);
        linux_call(NR_UNLINK, name);
    }
    say("rmdir", linux_call(NR_RMDIR, "n"));
}

static void try_times(void)
{
    const struct linux_time times[2] = { { 1000000, 0 }, { 2000000, 5 } };
    struct stat64 st;

    close_file(open_file("t", WRONLY | CREAT, 0644));
    say("utimensat", linux_call(NR_UTIMENSAT, -100, "t", times, 0));
    linux_call(NR_LSTAT64, "t", &st);
    print("times %u %u\n", st.atime, st.mtime);
    say("truncate", linux_call(NR_TRUNCATE64, "t", 77, 0));
    describe("t");
    say("unlink", linux_call(NR_UNLINK, "t"));
}

int program(void)
{
    char **argument = program_arguments + 1 + on_host;

    if (!*argument || linux_call(NR_CHDIR, *argument) < 0)
        return 2;
    linux_call(60, 022); /* umask */
    try_files();
    try_large();
    try_links();
    try_folders();
    try_nameless();
    try_names();
    try_times();
    return 0;
}
