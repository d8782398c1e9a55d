/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Images as media: kinds, sizes, locks, snapshots, transfers in their order, and what becomes of the host's
 * errors.
 */
#include "medium.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 300 * 1024 };

static char folder[] = "/tmp/duplex86-medium-XXXXXX";
static char image[sizeof folder + 16];
static uint8_t contents[SIZE + 100];

static void write_image(const char *name, size_t size)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, contents, MIN(size, sizeof contents)), (ssize_t)MIN(size, sizeof contents));
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void setup(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    g_snprintf(image, sizeof image, "%s/image", folder);
    for (size_t i = 0; i < sizeof contents; i++)
        contents[i] = (uint8_t)(i * 31 + (i >> 8));
    write_image(image, sizeof contents);
}

static void teardown(void)
{
    transfers_finish();
    unlink(image);
    rmdir(folder);
}

static struct medium *try_open(enum device_drive drive, bool read_only, bool snapshot, GError **error)
{
    const struct medium_choice choice = {
        .path = image, .drive = drive, .read_only = read_only, .snapshot = snapshot
    };
    return medium_open(&choice, error);
}

static gboolean find_drive(enum device_drive *drive, GError **error)
{
    return medium_find_drive(&(struct medium_choice){ .path = image }, drive, error);
}

static struct medium *open_image(bool read_only, bool snapshot)
{
    GError *error = NULL;
    struct medium *m = try_open(DEVICE_DRIVE_DISK, read_only, snapshot, &error);
    ck_assert_msg(m != NULL, "%s", error ? error->message : "");
    return m;
}

/* ---- Transfers ---- */

static GMutex lock;
static GCond news;
static unsigned finished;
static unsigned order[64];

static void on_done(struct transfer *t)
{
    g_mutex_lock(&lock);
    order[finished++ % 64] = t->result.tag;
    g_cond_signal(&news);
    g_mutex_unlock(&lock);
}

static struct transfer *begin(struct medium *m, enum device_transfer what, uint64_t offset, const void *data,
                              uint32_t size, uint32_t tag)
{
    struct transfer *t = transfer_new(size);
    t->what = what;
    t->offset = offset;
    t->result.tag = tag;
    t->done = on_done;
    if (data)
        memcpy(t->data, data, size);
    if (transfer_start(m, t))
        on_done(t);
    return t;
}

static void await(unsigned count)
{
    g_mutex_lock(&lock);
    while (finished < count)
        g_cond_wait(&news, &lock);
    finished = 0;
    g_mutex_unlock(&lock);
}

/* One transfer from start to end; true: it has failed. */
static bool transfer(struct medium *m, enum device_transfer what, uint64_t offset, void *data, uint32_t size)
{
    struct transfer *t = begin(m, what, offset, data, size, 0);
    await(1);
    bool failed = t->result.failed;
    if (what == DEVICE_TRANSFER_READ && !failed) {
        ck_assert_uint_eq(t->result.done, size);
        memcpy(data, t->result.data, size);
    }
    g_free(t);
    return failed;
}

static void check_read(struct medium *m, uint64_t offset, const uint8_t *expected, uint32_t size)
{
    uint8_t *data = g_malloc0(size);
    ck_assert(!transfer(m, DEVICE_TRANSFER_READ, offset, data, size));
    ck_assert_int_eq(memcmp(data, expected, size), 0);
    g_free(data);
}

static void check_file(const uint8_t *expected)
{
    gchar *data;
    gsize size;
    ck_assert(g_file_get_contents(image, &data, &size, NULL));
    ck_assert_uint_eq(size, sizeof contents);
    ck_assert_int_eq(memcmp(data, expected, size), 0);
    g_free(data);
}

START_TEST(writes_reach_the_file_and_never_make_it_longer)
{
    uint8_t data[1024];
    struct medium *m = open_image(false, false);
    struct device_medium facts = { 0 };
    medium_describe(m, &facts);
    ck_assert(facts.present && !facts.read_only);
    ck_assert_uint_eq(facts.size, SIZE); /* whole sectors */
    memset(data, 0x5a, sizeof data);
    ck_assert(!transfer(m, DEVICE_TRANSFER_WRITE, SIZE - sizeof data, data, sizeof data));
    ck_assert(!transfer(m, DEVICE_TRANSFER_FLUSH, 0, NULL, 0));
    memcpy(contents + SIZE - sizeof data, data, sizeof data);
    check_read(m, 0, contents, 65536);
    check_file(contents);
    medium_unref(m);
}
END_TEST

START_TEST(transfers_keep_their_order)
{
    uint8_t data[512];
    struct transfer *t[60];
    struct medium *m = open_image(false, false);
    for (unsigned i = 0; i < 60; i++) {
        memset(data, (int)i, sizeof data);
        t[i] = i % 3 == 2 ? begin(m, DEVICE_TRANSFER_READ, 512, NULL, sizeof data, i)
                          : begin(m, DEVICE_TRANSFER_WRITE, 512, data, sizeof data, i);
    }
    await(60);
    for (unsigned i = 0; i < 60; i++) {
        ck_assert_uint_eq(order[i], i);
        if (i % 3 == 2)
            ck_assert_uint_eq(t[i]->data[0], i - 1);
        g_free(t[i]);
    }
    medium_unref(m);
}
END_TEST

/* ---- Snapshots ---- */

/* Random pieces; a copy in memory is the second opinion. */
START_TEST(snapshot_leaves_the_image_alone)
{
    struct medium *m = open_image(false, true);
    uint8_t *now = g_memdup2(contents, sizeof contents), data[20000];
    GRand *random = g_rand_new_with_seed((guint32)_i);
    for (unsigned i = 0; i < 300; i++) {
        uint32_t size = (uint32_t)g_rand_int_range(random, 1, 39) * 512;
        uint32_t offset = (uint32_t)g_rand_int_range(random, 0, (SIZE - (int)size) / 512 + 1) * 512;
        if (i % 2) {
            check_read(m, offset, now + offset, size);
            continue;
        }
        for (uint32_t k = 0; k < size; k++)
            data[k] = (uint8_t)g_rand_int(random);
        ck_assert(!transfer(m, DEVICE_TRANSFER_WRITE, offset, data, size));
        memcpy(now + offset, data, size);
    }
    for (uint32_t offset = 0; offset < SIZE; offset += 51200)
        check_read(m, offset, now + offset, 51200);
    ck_assert(!transfer(m, DEVICE_TRANSFER_FLUSH, 0, NULL, 0));
    check_file(contents);
    medium_unref(m);
    g_rand_free(random);
    g_free(now);
}
END_TEST

/* ---- Locks ---- */

/* Does another process get such a lock, of the POSIX kind, on a byte of the image? */
static bool other_can_lock(short type)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct flock byte = { .l_type = type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1 };
        int fd = open(image, O_RDWR);
        _exit(fcntl(fd, F_SETLK, &byte) ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status == 0;
}

START_TEST(others_see_the_lock)
{
    struct medium *m = open_image(false, false);
    ck_assert(!other_can_lock(F_WRLCK));
    ck_assert(!other_can_lock(F_RDLCK));
    medium_unref(m);
    ck_assert(other_can_lock(F_WRLCK));
    m = open_image(true, false);
    ck_assert(!other_can_lock(F_WRLCK));
    ck_assert(other_can_lock(F_RDLCK));
    medium_unref(m);
    m = open_image(false, true);
    ck_assert(!other_can_lock(F_WRLCK));
    ck_assert(other_can_lock(F_RDLCK));
    medium_unref(m);
}
END_TEST

START_TEST(the_lock_of_others_is_respected)
{
    GError *error = NULL;
    int ready[2], status;
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 200, .l_len = 1 };
        int fd = open(image, O_RDWR);
        ck_assert_int_eq(fcntl(fd, F_SETLK, &whole), 0);
        ck_assert_int_eq(write(ready[1], "x", 1), 1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ptr_null(try_open(DEVICE_DRIVE_DISK, i == 1, i == 2, &error));
        ck_assert_ptr_nonnull(strstr(error->message, "in use by another program"));
        g_clear_error(&error);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    medium_unref(open_image(false, false));
}
END_TEST

/* As QEMU does: read locks on bytes that have meanings. */
START_TEST(whoever_writes_with_read_locks_is_seen)
{
    int status;
    for (unsigned byte = 100; byte <= 101; byte++) {
        pid_t child = fork();
        if (child == 0) {
            struct flock shared = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
            int fd = open(image, O_RDWR);
            if (fcntl(fd, F_SETLK, &shared) || kill(getpid(), SIGSTOP))
                _exit(1);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
        struct medium *m = try_open(DEVICE_DRIVE_DISK, true, false, NULL);
        ck_assert_int_eq(m != NULL, byte == 100);
        medium_unref(m);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
}
END_TEST

START_TEST(two_may_read_one_image)
{
    GError *error = NULL;
    struct medium *a = open_image(true, false), *b = open_image(false, true);
    ck_assert_ptr_null(try_open(DEVICE_DRIVE_DISK, false, false, &error));
    g_clear_error(&error);
    medium_unref(a);
    medium_unref(b);
}
END_TEST

/* ---- Errors ---- */

START_TEST(an_image_that_gets_shorter_is_an_error)
{
    struct medium *m = open_image(false, false);
    ck_assert_int_eq(truncate(image, 8192), 0);
    struct transfer *t = begin(m, DEVICE_TRANSFER_READ, 4096, NULL, 8192, 0);
    await(1);
    ck_assert(t->result.failed);
    ck_assert_uint_eq(t->result.done, 4096);
    ck_assert_int_eq(memcmp(t->result.data, contents + 4096, 4096), 0);
    g_free(t);
    medium_unref(m);
}
END_TEST

/* A limit to the size of files is a disk that is full. */
START_TEST(a_full_disk_is_an_error)
{
    static uint8_t data[8192];
    struct rlimit limit = { 8192, 8192 };
    write_image(image, 65536);
    struct medium *m = open_image(false, false);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct transfer *t = begin(m, DEVICE_TRANSFER_WRITE, 4096, data, sizeof data, 0);
    await(1);
    ck_assert(t->result.failed);
    ck_assert_uint_eq(t->result.done, 4096);
    g_free(t);
    medium_unref(m);
}
END_TEST

START_TEST(read_only_media_take_nothing)
{
    uint8_t data[512] = { 0 };
    struct medium *m = open_image(true, false);
    ck_assert(transfer(m, DEVICE_TRANSFER_WRITE, 0, data, sizeof data));
    check_file(contents);
    medium_unref(m);
}
END_TEST

/* ---- Kinds ---- */

static const struct {
    const char *name;
    size_t size;
    enum device_drive drive;
} kinds[] = {
    { "1.44M", 1440 * 1024, DEVICE_DRIVE_FLOPPY }, { "1.2M", 1200 * 1024, DEVICE_DRIVE_FLOPPY },
    { "720K", 720 * 1024, DEVICE_DRIVE_FLOPPY },   { "360K", 360 * 1024, DEVICE_DRIVE_FLOPPY },
    { "160K", 160 * 1024, DEVICE_DRIVE_FLOPPY },   { "nearly 1.44M", 1440 * 1024 + 512, DEVICE_DRIVE_DISK },
    { "disk", 20 << 20, DEVICE_DRIVE_DISK },       { "a sector", 512, DEVICE_DRIVE_DISK },
};

START_TEST(kind_is_found_by_size)
{
    enum device_drive drive;
    write_image(image, kinds[_i].size);
    ck_assert(find_drive(&drive, NULL));
    ck_assert_msg(drive == kinds[_i].drive, "%s", kinds[_i].name);
}
END_TEST

START_TEST(kind_is_found_by_contents)
{
    GError *error = NULL;
    enum device_drive drive;
    memcpy(contents + 32769, "CD001", 5);
    write_image(image, 1440 * 1024);
    ck_assert(find_drive(&drive, NULL));
    ck_assert_int_eq(drive, DEVICE_DRIVE_CDROM);
    memset(contents + 32769, 0, 5);
    memcpy(contents, "\177ELF", 4);
    write_image(image, 100000);
    ck_assert(!find_drive(&drive, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "--kernel"));
    g_error_free(error);
}
END_TEST

START_TEST(cds_have_sectors_of_2048)
{
    struct device_medium facts = { 0 };
    write_image(image, 2048 * 10 + 1024);
    struct medium *m = try_open(DEVICE_DRIVE_CDROM, false, false, NULL);
    medium_describe(m, &facts);
    ck_assert(facts.read_only);
    ck_assert_uint_eq(facts.size, 20480);
    medium_unref(m);
}
END_TEST

/* Images of floppies are cut off behind their contents: the rest is there, empty, and cannot be written. */
static const struct {
    size_t image, floppy;
} cut_off[] = {
    { 512, 1474560 },           { 1000, 1474560 },          { SIZE, 1474560 },  { 1296384, 1474560 },
    { 1474560 - 512, 1474560 }, { 1474560 + 512, 2949120 }, { 737280, 737280 },
};

START_TEST(a_floppy_goes_on_behind_its_image)
{
    struct device_medium facts = { 0 };
    struct stat st;
    static uint8_t seen[2949120];
    size_t held = cut_off[_i].image / 512 * 512, floppy = cut_off[_i].floppy;
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        write_image(image, cut_off[_i].image);
        struct medium *m = try_open(DEVICE_DRIVE_FLOPPY, false, snapshot, NULL);
        ck_assert_ptr_nonnull(m);
        medium_describe(m, &facts);
        ck_assert_uint_eq(facts.size, floppy);
        ck_assert(!transfer(m, DEVICE_TRANSFER_READ, 0, seen, (uint32_t)floppy));
        ck_assert_mem_eq(seen, contents, MIN(held, (size_t)SIZE));
        for (size_t i = held; i < floppy; i++)
            ck_assert_uint_eq(seen[i], 0);
        if (held < floppy) {
            ck_assert(transfer(m, DEVICE_TRANSFER_WRITE, held, contents, 512) == !snapshot);
            ck_assert(!transfer(m, DEVICE_TRANSFER_READ, held, seen, 512));
            ck_assert(!memcmp(seen, contents, 512) == !!snapshot);
        }
        medium_unref(m);
        ck_assert_int_eq(stat(image, &st), 0);
        ck_assert_uint_eq((size_t)st.st_size, cut_off[_i].image);
    }
}
END_TEST

START_TEST(more_than_a_floppy_is_none)
{
    GError *error = NULL;
    write_image(image, 2949120 + 512);
    ck_assert_ptr_null(try_open(DEVICE_DRIVE_FLOPPY, false, false, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "larger than any floppy"));
    g_error_free(error);
}
END_TEST

START_TEST(protected_floppy_has_its_tab)
{
    struct device_medium facts = { 0 };
    if (geteuid() == 0)
        return; /* nothing is protected from root */
    chmod(image, 0400);
    ck_assert_ptr_null(try_open(DEVICE_DRIVE_DISK, false, false, NULL));
    struct medium *m = try_open(DEVICE_DRIVE_FLOPPY, false, false, NULL);
    medium_describe(m, &facts);
    ck_assert(facts.read_only);
    medium_unref(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("medium");
    TCase *t = tcase_create("medium");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, writes_reach_the_file_and_never_make_it_longer);
    tcase_add_test(t, transfers_keep_their_order);
    tcase_add_loop_test(t, snapshot_leaves_the_image_alone, 0, 4);
    tcase_add_test(t, others_see_the_lock);
    tcase_add_test(t, the_lock_of_others_is_respected);
    tcase_add_test(t, whoever_writes_with_read_locks_is_seen);
    tcase_add_test(t, two_may_read_one_image);
    tcase_add_test(t, an_image_that_gets_shorter_is_an_error);
    tcase_add_test(t, a_full_disk_is_an_error);
    tcase_add_test(t, read_only_media_take_nothing);
    tcase_add_loop_test(t, kind_is_found_by_size, 0, G_N_ELEMENTS(kinds));
    tcase_add_test(t, kind_is_found_by_contents);
    tcase_add_test(t, cds_have_sectors_of_2048);
    tcase_add_loop_test(t, a_floppy_goes_on_behind_its_image, 0, G_N_ELEMENTS(cut_off));
    tcase_add_test(t, more_than_a_floppy_is_none);
    tcase_add_test(t, protected_floppy_has_its_tab);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
