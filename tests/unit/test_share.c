/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shared folder's server by its messages: what leads out of the folder, links and renames while names are
 * looked up, messages that are none. What lies beside the folder must never be seen or changed.
 */
#include "message.h"
#include "share.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TLOPEN = 12,
    TLCREATE = 14,
    TSYMLINK = 16,
    TMKNOD = 18,
    TLINK = 70,
    TMKDIR = 72,
    TRENAMEAT = 74,
    TUNLINKAT = 76,
    TVERSION = 100,
    TATTACH = 104,
    TWALK = 110,
    TREAD = 116,
    TCLUNK = 120,
    RLERROR = 7,
};

static char place[] = "/tmp/duplex86-share-XXXXXX";
static char shared[sizeof place + 16], outside[sizeof place + 16];
static struct share *share;
static uint8_t message[SHARE_MESSAGE_MAX], answer[SHARE_MESSAGE_MAX];
static struct p9_writer out;

static void write_file(const char *path, const char *text)
{
    ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static void run(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *command = g_strdup_vprintf(format, args);
    va_end(args);
    ck_assert_int_eq(system(command), 0);
    g_free(command);
}

static void begin(uint8_t type)
{
    out = (struct p9_writer){ .start = message, .at = message, .end = message + sizeof message };
    p9_put(&out, 4, 0);
    p9_put(&out, 1, type);
    p9_put(&out, 2, 1);
}

/* Send what was put together: 0 or the error. */
static int send(void)
{
    uint32_t size = (uint32_t)(out.at - message);
    struct p9_writer header = { .start = message, .at = message, .end = message + 4 };
    p9_put(&header, 4, size);
    uint8_t type = message[4];
    uint32_t n = share_answer(share, message, size, answer, sizeof answer);
    struct p9_reader in = { .at = answer, .end = answer + n };
    ck_assert_uint_ge(n, 7);
    ck_assert_uint_eq(p9_get(&in, 4), n);
    uint8_t got = (uint8_t)p9_get(&in, 1);
    p9_get(&in, 2);
    if (got == RLERROR)
        return (int)p9_get(&in, 4);
    ck_assert_uint_eq(got, type + 1);
    return 0;
}

static int version(void)
{
    begin(TVERSION);
    p9_put(&out, 4, SHARE_MESSAGE_MAX);
    p9_put_text(&out, "9P2000.L");
    return send();
}

static int attach(uint32_t fid)
{
    begin(TATTACH);
    p9_put(&out, 4, fid);
    p9_put(&out, 4, UINT32_MAX);
    p9_put_text(&out, "root");
    p9_put_text(&out, "");
    p9_put(&out, 4, 0);
    return send();
}

/* By names with blanks between them; how far it got is in the answer. */
static int walk(uint32_t from, uint32_t to, const char *names)
{
    char **list = g_strsplit(names, " ", -1);
    begin(TWALK);
    p9_put(&out, 4, from);
    p9_put(&out, 4, to);
    p9_put(&out, 2, g_strv_length(list));
    for (char **name = list; *name; name++)
        p9_put_text(&out, *name);
    g_strfreev(list);
    return send();
}

static unsigned steps(void)
{
    return answer[7] | answer[8] << 8;
}

static int clunk(uint32_t fid)
{
    begin(TCLUNK);
    p9_put(&out, 4, fid);
    return send();
}

static int lopen(uint32_t fid, uint32_t flags)
{
    begin(TLOPEN);
    p9_put(&out, 4, fid);
    p9_put(&out, 4, flags);
    return send();
}

static int create(uint32_t fid, const char *name)
{
    begin(TLCREATE);
    p9_put(&out, 4, fid);
    p9_put_text(&out, name);
    p9_put(&out, 4, O_RDWR);
    p9_put(&out, 4, 06755);
    p9_put(&out, 4, 0);
    return send();
}

static int in_folder(uint8_t type, uint32_t fid, const char *name, const char *more)
{
    begin(type);
    p9_put(&out, 4, fid);
    p9_put_text(&out, name);
    if (more)
        p9_put_text(&out, more);
    p9_put(&out, 4, type == TMKNOD ? S_IFCHR | 0666 : 0755);
    p9_put(&out, 8, 0);
    p9_put(&out, 4, 0);
    return send();
}

static int rename_to(uint32_t from, const char *old, uint32_t to, const char *new)
{
    begin(TRENAMEAT);
    p9_put(&out, 4, from);
    p9_put_text(&out, old);
    p9_put(&out, 4, to);
    p9_put_text(&out, new);
    return send();
}

static void open_share(bool read_only)
{
    GError *error = NULL;
    const struct share_choice choice = { .folder = shared, .read_only = read_only };
    share = share_open(&choice, &error);
    ck_assert_msg(share != NULL, "%s", error ? error->message : "");
    ck_assert_int_eq(version(), 0);
    ck_assert_int_eq(attach(0), 0);
}

static void setup(void)
{
    memcpy(place + sizeof place - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(place));
    g_snprintf(shared, sizeof shared, "%s/shared", place);
    g_snprintf(outside, sizeof outside, "%s/outside", place);
    run("mkdir %s %s && cd %s && mkdir d e && echo inside >d/f && ln -s ../outside/secret rel && ln -s "
        "%s/secret abs && "
        "ln -s .. up && ln -s ../outside out && mkfifo fifo",
        shared, outside, shared, outside);
    char *secret = g_strdup_printf("%s/secret", outside);
    write_file(secret, "secret");
    g_free(secret);
    open_share(false);
}

/* Beside the folder all is as it was. */
static void teardown(void)
{
    char *secret = g_strdup_printf("%s/secret", outside), *text = NULL;
    share_close(share);
    ck_assert(g_file_get_contents(secret, &text, NULL, NULL));
    ck_assert_str_eq(text, "secret");
    run("test \"$(ls %s)\" = 'outside\nshared' && test \"$(ls %s)\" = secret", place, outside);
    g_free(text);
    g_free(secret);
    run("rm -rf %s", place);
}

/* ---- Ways out ---- */

static const struct {
    const char *names;
    unsigned steps; /* that succeed */
} ways[] = {
    { "..", 0 },     { "d .. .. outside", 1 }, { "../outside", 0 }, { "/etc", 0 },       { ".", 0 },
    { "d ../f", 1 }, { "rel secret", 1 },      { "out secret", 1 }, { "up outside", 1 }, { "d/f", 0 },
    { "none", 0 },   { "d none f", 1 },
};

START_TEST(names_lead_down_only)
{
    int err = walk(0, 1, ways[_i].names);
    ck_assert_msg(err == (ways[_i].steps ? 0 : ENOENT), "%s: %d", ways[_i].names, err);
    if (!err)
        ck_assert_uint_eq(steps(), ways[_i].steps);
    ck_assert_int_eq(clunk(1), EBADF); /* no such fid */
}
END_TEST

START_TEST(links_are_not_followed)
{
    static const char *const links[] = { "rel", "abs", "up", "out" };
    for (unsigned i = 0; i < G_N_ELEMENTS(links); i++) {
        ck_assert_int_eq(walk(0, 1, links[i]), 0);
        ck_assert_int_eq(lopen(1, O_RDONLY), ELOOP);
        ck_assert_int_eq(lopen(1, O_RDWR | O_TRUNC), ELOOP);
        ck_assert_int_ne(create(1, "x"), 0);
        ck_assert_int_ne(in_folder(TMKDIR, 1, "x", NULL), 0);
        ck_assert_int_ne(in_folder(TUNLINKAT, 1, "secret", NULL), 0);
        ck_assert_int_ne(rename_to(1, "secret", 0, "mine"), 0);
        ck_assert_int_eq(clunk(1), 0);
        ck_assert_int_eq(walk(0, 1, "d"), 0);
        ck_assert_int_eq(rename_to(1, "f", 0, "f"), 0);
        ck_assert_int_eq(rename_to(0, "f", 1, "f"), 0);
        ck_assert_int_eq(clunk(1), 0);
        ck_assert_int_eq(walk(0, 2, ""), 0);      /* the same again */
        ck_assert_int_ne(create(2, links[i]), 0); /* not through what is there */
        ck_assert_int_eq(clunk(2), 0);
    }
}
END_TEST

START_TEST(names_are_one_component)
{
    static const char *const names[] = { "", ".", "..", "a/b", "/x", "../outside/x" };
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        ck_assert_int_ne(create(0, names[i]), 0);
        ck_assert_int_ne(in_folder(TMKDIR, 0, names[i], NULL), 0);
        ck_assert_int_ne(in_folder(TSYMLINK, 0, names[i], "target"), 0);
        ck_assert_int_ne(in_folder(TUNLINKAT, 0, names[i], NULL), 0);
        ck_assert_int_ne(rename_to(0, "d", 0, names[i]), 0);
        ck_assert_int_ne(rename_to(0, names[i], 0, "x"), 0);
    }
}
END_TEST

START_TEST(nobody_gets_rights_or_waits)
{
    struct stat st;
    ck_assert_int_eq(in_folder(TMKNOD, 0, "device", NULL), EPERM);
    ck_assert_int_eq(walk(0, 1, "fifo"), 0);
    ck_assert_int_eq(lopen(1, O_RDONLY), EOPNOTSUPP);
    ck_assert_int_eq(create(0, "new"), 0);
    char *path = g_strdup_printf("%s/new", shared);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07000, 0);
    g_free(path);
    ck_assert_int_eq(attach(5), 0);
    ck_assert_int_ne(create(5, "fifo"), 0); /* which is there already */
}
END_TEST

START_TEST(read_only_is_read_only)
{
    share_close(share);
    open_share(true);
    ck_assert_int_eq(create(0, "new"), EROFS);
    ck_assert_int_eq(in_folder(TMKDIR, 0, "new", NULL), EROFS);
    ck_assert_int_eq(in_folder(TSYMLINK, 0, "new", "x"), EROFS);
    ck_assert_int_eq(in_folder(TMKNOD, 0, "new", NULL), EROFS);
    ck_assert_int_eq(in_folder(TUNLINKAT, 0, "rel", NULL), EROFS);
    ck_assert_int_eq(rename_to(0, "rel", 0, "new"), EROFS);
    ck_assert_int_eq(walk(0, 1, "d f"), 0);
    ck_assert_int_eq(lopen(1, O_RDWR), EROFS);
    ck_assert_int_eq(lopen(1, O_RDONLY | O_TRUNC), EROFS);
    ck_assert_int_eq(lopen(1, O_RDONLY), 0);
}
END_TEST

/* ---- Races ---- */

static bool stop_racing;

/* A folder is a link to the outside, by turns. */
static void *race(void *unused)
{
    char *d = g_strdup_printf("%s/d", shared), *e = g_strdup_printf("%s/out", shared);
    char *spare = g_strdup_printf("%s/spare", shared);
    (void)unused;
    while (!__atomic_load_n(&stop_racing, __ATOMIC_SEQ_CST)) {
        rename(d, spare);
        rename(e, d);
        rename(d, e);
        rename(spare, d);
    }
    g_free(d);
    g_free(e);
    g_free(spare);
    return NULL;
}

/* Fids stay what they are; what is found under a name is inside, or a link. */
START_TEST(renames_meanwhile_lead_nowhere)
{
    pthread_t thread;
    unsigned found = 0;
    stop_racing = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, race, NULL), 0);
    for (unsigned i = 0; i < 20000; i++) {
        if (walk(0, 1, "d secret") == 0)
            ck_assert_uint_lt(steps(), 2);
        clunk(1);
        if (walk(0, 1, "d") == 0 && steps() == 1 && create(1, "made") == 0)
            found++;
        clunk(1);
        if (walk(0, 1, "d") == 0 && steps() == 1)
            in_folder(TUNLINKAT, 1, i & 1 ? "made" : "secret", NULL);
        clunk(1);
    }
    __atomic_store_n(&stop_racing, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(found, 0);
}
END_TEST

/* A folder that is open is moved out by somebody on the host: its names are still its own, and ".." is none.
 */
START_TEST(a_folder_that_is_moved_is_no_way_out)
{
    ck_assert_int_eq(walk(0, 1, "d"), 0);
    run("mv %s/d %s/moved", shared, outside);
    ck_assert_int_eq(walk(1, 2, ".."), ENOENT);
    ck_assert_int_eq(walk(1, 2, ".. secret"), ENOENT);
    ck_assert_int_eq(walk(1, 2, "f"), 0);
    run("mv %s/moved %s/d", outside, shared);
}
END_TEST

/* ---- Messages that are none ---- */

START_TEST(fids_are_bounded)
{
    uint32_t fid = 1;
    while (attach(fid) == 0)
        fid++;
    ck_assert_uint_gt(fid, 50);
    ck_assert_int_eq(version(), 0);
    ck_assert_int_eq(attach(0), 0);
}
END_TEST

START_TEST(small_answers_are_no_answers)
{
    begin(TREAD);
    ck_assert_uint_eq(share_answer(share, message, 3, answer, sizeof answer), 0);
    ck_assert_uint_eq(share_answer(share, message, 7, answer, sizeof answer), 0); /* its size is 0 */
    message[0] = 7;
    ck_assert_uint_eq(share_answer(share, message, 7, answer, 10), 0);
    ck_assert_uint_eq(share_answer(share, message, 7, answer, 11), 11);
}
END_TEST

/* Messages by chance, of bytes and fids that often make sense. */
START_TEST(whatever_a_guest_sends)
{
    static const char *const names[] = { "d", "..", "f",  "out", "secret",
                                         "/", "x",  "up", "e",   "../outside/secret" };
    GRand *random = g_rand_new_with_seed((guint32)_i);
    for (unsigned i = 0; i < 20000; i++) {
        begin((uint8_t)(g_rand_int_range(random, 0, 64) * 2));
        for (int n = g_rand_int_range(random, 0, 8); n > 0; n--) {
            unsigned dice = g_rand_int(random) % 4;
            if (dice == 0)
                p9_put_text(&out, names[g_rand_int(random) % G_N_ELEMENTS(names)]);
            else if (dice == 1)
                p9_put(&out, 1 + g_rand_int(random) % 8, g_rand_int(random));
            else
                p9_put(&out, 2 + 2 * (g_rand_int(random) & 1), g_rand_int(random) % 8);
        }
        uint32_t size = (uint32_t)(out.at - message);
        memcpy(message, &size, 4);
        uint32_t room = g_rand_int(random) % 8 ? 4096 : g_rand_int(random) % 64;
        uint8_t *place_for_it = g_malloc(room + 1);
        ck_assert_uint_le(share_answer(share, message, size, place_for_it, room), room);
        g_free(place_for_it);
    }
    g_rand_free(random);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("share");
    TCase *t = tcase_create("share");
    tcase_set_timeout(t, 0);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, names_lead_down_only, 0, (int)G_N_ELEMENTS(ways));
    tcase_add_test(t, links_are_not_followed);
    tcase_add_test(t, names_are_one_component);
    tcase_add_test(t, nobody_gets_rights_or_waits);
    tcase_add_test(t, read_only_is_read_only);
    tcase_add_test(t, renames_meanwhile_lead_nowhere);
    tcase_add_test(t, a_folder_that_is_moved_is_no_way_out);
    tcase_add_test(t, fids_are_bounded);
    tcase_add_test(t, small_answers_are_no_answers);
    tcase_add_loop_test(t, whatever_a_guest_sends, 0, argc > 1 ? atoi(argv[1]) : 8);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
