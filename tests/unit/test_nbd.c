/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Media that servers have: nbdkit, by a URI, and qemu-nbd, which is started for images in qcow2 and other
 * formats. Random transfers, several at once, are compared with a copy in memory; servers that die, hang or
 * refuse.
 */
#include "medium.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECTORS = 4096, SIZE = SECTORS * 512, AT_ONCE = 16 };

static char folder[] = "/tmp/duplex86-nbd-XXXXXX";
static char image[sizeof folder + 32], uri[2 * sizeof folder + 64];
static uint8_t contents[SIZE];
static GPid server;

static bool have(const char *tool)
{
    char *path = g_find_program_in_path(tool);
    bool found = path != NULL;
    g_free(path);
    return found;
}

static int run(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *command = g_strdup_vprintf(format, args);
    va_end(args);
    int status = system(command);
    g_free(command);
    return status;
}

static void setup(void)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    g_snprintf(image, sizeof image, "%s/image", folder);
    g_snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s/socket", folder);
    memset(contents, 0, sizeof contents);
    server = 0;
}

static void end_server(int number)
{
    if (!server)
        return;
    kill(server, SIGCONT);
    kill(server, number);
    waitpid(server, NULL, 0);
    server = 0;
}

static void teardown(void)
{
    transfers_finish();
    end_server(SIGTERM);
    run("rm -rf %s", folder);
}

/* nbdkit with these words; it listens when this returns. */
static void serve(const char *words)
{
    char *text =
        g_strdup_printf("nbdkit --foreground --unix %s/socket --pidfile %s/pid %s", folder, folder, words);
    char **argv = NULL, *pid = g_strdup_printf("%s/pid", folder);
    ck_assert(g_shell_parse_argv(text, NULL, &argv, NULL));
    ck_assert(g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                            &server, NULL));
    for (unsigned i = 0; access(pid, F_OK) && i < 3000; i++)
        g_usleep(10000);
    ck_assert(!access(pid, F_OK));
    unlink(pid);
    g_strfreev(argv);
    g_free(pid);
    g_free(text);
}

static struct medium *open_choice(const struct medium_choice *choice)
{
    GError *error = NULL;
    struct medium *m = medium_open(choice, &error);
    ck_assert_msg(m != NULL, "%s", error ? error->message : "");
    return m;
}

static struct medium *open_uri(void)
{
    return open_choice(&(struct medium_choice){ .path = uri, .drive = DEVICE_DRIVE_DISK });
}

static struct medium *open_image(bool snapshot)
{
    return open_choice(
        &(struct medium_choice){ .path = image, .drive = DEVICE_DRIVE_DISK, .snapshot = snapshot });
}

/* The thread of a transfer that is over may hold the medium for a moment longer. */
static void close_medium(struct medium *m)
{
    transfers_finish();
    medium_unref(m);
}

/* The sentence of an opening that fails; to be freed. */
static char *refusal(const struct medium_choice *choice)
{
    GError *error = NULL;
    ck_assert_ptr_null(medium_open(choice, &error));
    char *text = g_strdup(error->message);
    g_error_free(error);
    return text;
}

/* ---- Transfers ---- */

static GMutex lock;
static GCond news;
static unsigned finished;

static void on_done(struct transfer *t)
{
    (void)t;
    g_mutex_lock(&lock);
    finished++;
    g_cond_signal(&news);
    g_mutex_unlock(&lock);
}

static struct transfer *begin(enum device_transfer what, uint64_t offset, uint32_t size)
{
    struct transfer *t =
        transfer_new(what == DEVICE_TRANSFER_READ || what == DEVICE_TRANSFER_WRITE ? size : 0);
    t->what = what;
    t->offset = offset;
    t->size = size;
    t->done = on_done;
    if (what == DEVICE_TRANSFER_WRITE)
        memcpy(t->data, contents + offset, size);
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

/* One of them, from start to end; true: it has failed. */
static bool transfer(struct medium *m, enum device_transfer what, uint64_t offset, uint32_t size)
{
    struct transfer *t = begin(what, offset, size);
    if (transfer_start(m, t))
        on_done(t);
    await(1);
    bool failed = t->result.failed;
    if (!failed && what == DEVICE_TRANSFER_READ)
        ck_assert_int_eq(memcmp(t->data, contents + offset, size), 0);
    g_free(t);
    return failed;
}

static void fill(GRand *random, uint64_t offset, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        contents[offset + i] = (uint8_t)g_rand_int(random);
}

/*
 * Sixteen at once on places of their own, a sixteenth of the medium each: what is written is in `contents` at
 * once, what is read is compared when all are over. What is discarded is written before anybody reads it.
 */
static void many(struct medium *m, GRand *random, struct transfer **t)
{
    enum { PART = SECTORS / AT_ONCE };
    for (unsigned i = 0; i < AT_ONCE; i++) {
        uint32_t sectors = (uint32_t)g_rand_int_range(random, 1, 129);
        uint64_t offset =
            (i * PART + (uint32_t)g_rand_int_range(random, 0, (int)(PART - sectors) + 1)) * 512ull;
        unsigned dice = (unsigned)g_rand_int_range(random, 0, 8);
        enum device_transfer what = dice < 3   ? DEVICE_TRANSFER_READ
                                    : dice < 6 ? DEVICE_TRANSFER_WRITE
                                    : dice < 7 ? DEVICE_TRANSFER_ZERO
                                               : DEVICE_TRANSFER_FLUSH;
        if (what == DEVICE_TRANSFER_WRITE)
            fill(random, offset, sectors * 512);
        if (what == DEVICE_TRANSFER_ZERO)
            memset(contents + offset, 0, sectors * 512);
        t[i] = begin(what, offset, sectors * 512);
        if (transfer_start(m, t[i]))
            on_done(t[i]);
    }
    await(AT_ONCE);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ck_assert(!t[i]->result.failed);
        if (t[i]->what == DEVICE_TRANSFER_READ)
            ck_assert_int_eq(memcmp(t[i]->data, contents + t[i]->offset, t[i]->size), 0);
        g_free(t[i]);
    }
}

static void exercise(struct medium *m, unsigned seed, unsigned rounds)
{
    GRand *random = g_rand_new_with_seed(seed);
    struct transfer *t[AT_ONCE];
    for (unsigned i = 0; i < rounds; i++) {
        many(m, random, t);
        uint64_t offset = (uint64_t)g_rand_int_range(random, 0, SECTORS - 64) * 512;
        ck_assert(!transfer(m, DEVICE_TRANSFER_DISCARD, offset, 64 * 512));
        fill(random, offset, 64 * 512);
        ck_assert(!transfer(m, DEVICE_TRANSFER_WRITE, offset, 64 * 512));
    }
    for (uint32_t offset = 0; offset < SIZE; offset += 65536)
        ck_assert(!transfer(m, DEVICE_TRANSFER_READ, offset, 65536));
    ck_assert(!transfer(m, DEVICE_TRANSFER_FLUSH, 0, 0));
    g_rand_free(random);
}

static void check_file(const char *name)
{
    gchar *data;
    gsize size;
    ck_assert(g_file_get_contents(name, &data, &size, NULL));
    ck_assert_uint_ge(size, SIZE);
    ck_assert_int_eq(memcmp(data, contents, SIZE), 0);
    g_free(data);
}

/* ---- By a URI ---- */

static const char *const servers[] = {
    "memory 2M",
    "memory 2M --filter=blocksize-policy blocksize-minimum=512 blocksize-maximum=4096 "
    "blocksize-error-policy=error",
    "memory 2M --filter=delay rdelay=1ms wdelay=1ms",
    "memory 2M --filter=nozero --filter=noextents",
};

START_TEST(servers_have_what_was_written)
{
    if (!have("nbdkit"))
        return;
    serve(servers[_i]);
    struct medium *m = open_uri();
    exercise(m, (unsigned)_i, _i == 2 ? 10 : 40);
    close_medium(m);
    m = open_uri();
    exercise(m, 100, 2); /* the next connection finds the same */
    close_medium(m);
}
END_TEST

START_TEST(snapshots_leave_servers_alone)
{
    if (!have("nbdkit"))
        return;
    serve("memory 2M");
    struct medium *m =
        open_choice(&(struct medium_choice){ .path = uri, .drive = DEVICE_DRIVE_DISK, .snapshot = true });
    exercise(m, 1, 10);
    close_medium(m);
    memset(contents, 0, sizeof contents);
    m = open_uri();
    exercise(m, 2, 1);
    close_medium(m);
}
END_TEST

START_TEST(no_whole_sector_at_the_end_is_left_alone)
{
    struct device_medium facts = { 0 };
    if (!have("nbdkit"))
        return;
    serve("memory 2097252");
    struct medium *m = open_uri();
    medium_describe(m, &facts);
    ck_assert_uint_eq(facts.size, SIZE);
    exercise(m, 3, 3);
    close_medium(m);
}
END_TEST

/* The server's errors are those of the drive, and nothing more. */
START_TEST(errors_of_the_server_are_errors)
{
    if (!have("nbdkit"))
        return;
    serve("memory 2M --filter=error error-pwrite=ENOSPC error-pwrite-rate=100%");
    struct medium *m = open_uri();
    ck_assert(transfer(m, DEVICE_TRANSFER_WRITE, 0, 512));
    ck_assert(!transfer(m, DEVICE_TRANSFER_READ, 0, 512));
    close_medium(m);
}
END_TEST

START_TEST(a_server_that_dies_is_an_error)
{
    struct transfer *t[AT_ONCE];
    if (!have("nbdkit"))
        return;
    serve("memory 2M --filter=delay rdelay=20");
    struct medium *m = open_uri();
    for (unsigned i = 0; i < AT_ONCE; i++) {
        t[i] = begin(DEVICE_TRANSFER_READ, i * 4096, 4096);
        ck_assert(!transfer_start(m, t[i]));
    }
    g_usleep(100000);
    end_server(SIGKILL);
    await(AT_ONCE);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ck_assert(t[i]->result.failed);
        g_free(t[i]);
    }
    ck_assert(transfer(m, DEVICE_TRANSFER_READ, 0, 4096));
    ck_assert(transfer(m, DEVICE_TRANSFER_FLUSH, 0, 0));
    close_medium(m);
}
END_TEST

/* At the end of the program nobody waits for good. */
START_TEST(a_server_that_hangs_is_given_up)
{
    if (!have("nbdkit"))
        return;
    serve("memory 2M");
    struct medium *m = open_uri();
    ck_assert_int_eq(kill(server, SIGSTOP), 0);
    struct transfer *t = begin(DEVICE_TRANSFER_READ, 0, 4096);
    ck_assert(!transfer_start(m, t));
    medium_hurry(m);
    transfers_finish();
    await(1);
    ck_assert(t->result.failed);
    g_free(t);
    close_medium(m);
}
END_TEST

static const struct {
    const char *words, *refused;
} refusals[] = {
    { "-r memory 2M", "add ',ro'" },
    { "memory 2M --filter=blocksize-policy blocksize-minimum=4096 blocksize-preferred=4096",
      "blocks of 4096 bytes" },
    { "memory 0", "is empty" },
    { "memory 511", "smaller than a sector" },
};

START_TEST(what_cannot_be_used_is_refused)
{
    const struct medium_choice choice = { .path = uri, .drive = DEVICE_DRIVE_DISK };
    if (!have("nbdkit"))
        return;
    serve(refusals[_i].words);
    char *text = refusal(&choice);
    ck_assert_msg(strstr(text, refusals[_i].refused) != NULL, "%s", text);
    g_free(text);
}
END_TEST

/* ---- Images in other formats ---- */

static const char *const formats[] = { "qcow2", "vmdk", "vdi", "vpc -o force_size=on", "vhdx" };

static void create(const char *words)
{
    ck_assert_int_eq(run("qemu-img create -q -f %s %s 2M", words, image), 0);
}

/* qemu-img's opinion about what is in it. */
static void check_image(const char *words)
{
    char *format = g_strndup(words, strcspn(words, " ")), *raw = g_strdup_printf("%s/raw", folder);
    ck_assert_int_eq(run("qemu-img convert -f %s -O raw %s %s", format, image, raw), 0);
    check_file(raw);
    ck_assert_int_eq(run("qemu-img compare -q -f %s -F raw %s %s", format, image, raw), 0);
    if (strcmp(format, "vpc"))
        ck_assert_int_eq(run("qemu-img check -q -f %s %s", format, image), 0);
    g_free(format);
    g_free(raw);
}

START_TEST(images_of_all_formats_have_what_was_written)
{
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    create(formats[_i]);
    struct medium *m = open_image(false);
    exercise(m, (unsigned)_i, 20);
    close_medium(m);
    check_image(formats[_i]);
    m = open_image(true);
    exercise(m, 7, 3);
    close_medium(m);
}
END_TEST

/* With our lock nobody else can write the image, nor can we use what QEMU's programs write; no server stays.
 */
START_TEST(images_are_locked)
{
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    create("qcow2");
    struct medium *m = open_image(false);
    ck_assert_int_ne(run("qemu-img resize -q %s 4M 2>/dev/null", image), 0);
    ck_assert_int_ne(run("qemu-img info %s >/dev/null 2>&1", image), 0);
    char *text =
        refusal(&(struct medium_choice){ .path = image, .drive = DEVICE_DRIVE_DISK, .read_only = true });
    ck_assert_ptr_nonnull(strstr(text, "in use by another program"));
    g_free(text);
    close_medium(m);
    struct medium *a = open_image(true), *b = open_image(true);
    ck_assert_int_eq(run("qemu-img info -U %s >/dev/null", image), 0);
    ck_assert_int_ne(run("qemu-img resize -q %s 4M 2>/dev/null", image), 0);
    close_medium(a);
    close_medium(b);
    ck_assert_int_eq(run("qemu-img resize -q %s 4M", image), 0);
}
END_TEST

START_TEST(the_lock_lasts_as_long_as_the_server)
{
    int ready[2];
    char byte;
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    create("qcow2");
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct medium *m = open_image(false);
        ck_assert(!transfer(m, DEVICE_TRANSFER_WRITE, 0, 65536));
        ck_assert_int_eq(run("pgrep -P %d qemu-nbd | xargs kill -STOP", (int)getpid()), 0);
        ck_assert_int_eq(write(ready[1], "x", 1), 1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    char *find = g_strdup_printf("pgrep -P %d qemu-nbd", (int)child), *pid = NULL;
    ck_assert(g_spawn_command_line_sync(find, &pid, NULL, NULL, NULL));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    char *text = refusal(&(struct medium_choice){ .path = image, .drive = DEVICE_DRIVE_DISK });
    ck_assert_ptr_nonnull(strstr(text, "in use by another program"));
    kill(atoi(pid), SIGCONT);
    for (unsigned i = 0; !kill(atoi(pid), 0) && i < 3000; i++)
        g_usleep(10000); /* it notices that we are gone, writes all and ends */
    close_medium(open_image(false));
    g_free(text);
    g_free(find);
    g_free(pid);
}
END_TEST

START_TEST(overlays_take_what_is_written)
{
    char above[sizeof folder + 32];
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    g_snprintf(above, sizeof above, "%s/above", folder);
    ck_assert_int_eq(run("head -c 2M /dev/urandom >%s", image), 0);
    ck_assert_int_eq(run("cp %s %s.kept", image, image), 0);
    gchar *data;
    ck_assert(g_file_get_contents(image, &data, NULL, NULL));
    memcpy(contents, data, SIZE);
    g_free(data);
    const struct medium_choice choice = { .path = image, .drive = DEVICE_DRIVE_DISK, .overlay = above };
    for (unsigned i = 0; i < 2; i++) { /* made, and used again */
        struct medium *m = open_choice(&choice);
        exercise(m, i, 5);
        /* What is below is read by others, and written by nobody. */
        close_medium(open_choice(
            &(struct medium_choice){ .path = image, .drive = DEVICE_DRIVE_DISK, .read_only = true }));
        g_free(refusal(&(struct medium_choice){ .path = image, .drive = DEVICE_DRIVE_DISK }));
        close_medium(m);
    }
    ck_assert_int_eq(run("cmp %s %s.kept", image, image), 0);
    ck_assert_int_eq(run("qemu-img commit -q %s", above), 0);
    check_file(image);
    char *other = g_strdup_printf("%s.kept", image);
    char *text =
        refusal(&(struct medium_choice){ .path = other, .drive = DEVICE_DRIVE_DISK, .overlay = above });
    ck_assert_ptr_nonnull(strstr(text, "is no overlay of"));
    g_free(text);
    g_free(other);
}
END_TEST

START_TEST(the_server_of_an_image_may_die)
{
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    create("qcow2");
    struct medium *m = open_image(false);
    memset(contents, 0x5a, 65536);
    ck_assert(!transfer(m, DEVICE_TRANSFER_WRITE, 0, 65536));
    ck_assert(!transfer(m, DEVICE_TRANSFER_FLUSH, 0, 0));
    ck_assert_int_eq(run("pgrep -P %d qemu-nbd | xargs kill -KILL", (int)getpid()), 0);
    while (!transfer(m, DEVICE_TRANSFER_READ, 65536, 512))
        g_usleep(10000); /* the signal is under way */
    ck_assert(transfer(m, DEVICE_TRANSFER_WRITE, 0, 512));
    close_medium(m);
    m = open_image(false); /* what was flushed is there */
    ck_assert(!transfer(m, DEVICE_TRANSFER_READ, 0, 65536));
    close_medium(m);
}
END_TEST

START_TEST(broken_images_are_refused)
{
    const struct medium_choice choice = { .path = image, .drive = DEVICE_DRIVE_DISK };
    if (!have("qemu-img") || !have("qemu-nbd"))
        return;
    create("qcow2");
    ck_assert_int_eq(run("printf '\\377\\377\\377' | dd of=%s bs=1 seek=20 conv=notrunc 2>/dev/null", image),
                     0);
    char *text = refusal(&choice);
    ck_assert_ptr_nonnull(strstr(text, image));
    ck_assert_ptr_null(strchr(text, '\n'));
    g_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nbd");
    TCase *t = tcase_create("nbd");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, servers_have_what_was_written, 0, (int)G_N_ELEMENTS(servers));
    tcase_add_test(t, snapshots_leave_servers_alone);
    tcase_add_test(t, no_whole_sector_at_the_end_is_left_alone);
    tcase_add_test(t, errors_of_the_server_are_errors);
    tcase_add_test(t, a_server_that_dies_is_an_error);
    tcase_add_test(t, a_server_that_hangs_is_given_up);
    tcase_add_loop_test(t, what_cannot_be_used_is_refused, 0, (int)G_N_ELEMENTS(refusals));
    tcase_add_loop_test(t, images_of_all_formats_have_what_was_written, 0, (int)G_N_ELEMENTS(formats));
    tcase_add_test(t, images_are_locked);
    tcase_add_test(t, the_lock_lasts_as_long_as_the_server);
    tcase_add_test(t, overlays_take_what_is_written);
    tcase_add_test(t, the_server_of_an_image_may_die);
    tcase_add_test(t, broken_images_are_refused);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
