/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Serial back-ends against real descriptors: files, pseudo-terminals, sockets, and what happens when nobody
 * reads or everybody leaves.
 */
#include "backend.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char received[256];
static size_t received_count, room; /* the guest's port takes up to `room` bytes */
static unsigned uncongested;
static char *dir;

static size_t on_receive(void *ctx, unsigned port, const uint8_t *bytes, size_t count)
{
    (void)ctx;
    ck_assert_uint_eq(port, 1);
    size_t n = MIN(count, room);
    memcpy(received + received_count, bytes, n);
    received_count += n;
    room -= n;
    return n;
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_break(void *ctx, unsigned port)
{
    (void)ctx;
    (void)port;
}

static void on_uncongested(void *ctx)
{
    (void)ctx;
    uncongested++;
}

static const struct backend_owner owner = {
    .receive = on_receive,
    .send_break = on_break,
    .quit = on_nothing,
    .uncongested = on_uncongested,
    .lock = &lock,
};

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    dir = g_dir_make_tmp("duplex86-test-XXXXXX", NULL);
    received_count = uncongested = 0;
    room = sizeof received;
}

static void teardown(void)
{
    g_rmdir(dir);
    g_free(dir);
}

static struct backend *open_or_fail(const char *spec)
{
    GError *error = NULL;
    struct backend *b = backend_open(spec, "COM2", 1, &owner, &error);
    ck_assert_msg(b != NULL, "%s", error ? error->message : "no message");
    return b;
}

static void send_text(struct backend *b, const char *text)
{
    pthread_mutex_lock(&lock);
    backend_write(b, (const uint8_t *)text, strlen(text));
    pthread_mutex_unlock(&lock);
}

/* Let the main loop do what it has to. */
static void spin(void)
{
    for (unsigned i = 0; i < 20; i++) {
        while (g_main_context_iteration(NULL, FALSE))
            ;
        g_usleep(1000);
    }
}

static int connect_client(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    spin();
    return fd;
}

static void expect_read(int fd, const char *text)
{
    char data[256] = "";
    size_t done = 0;
    for (unsigned tries = 0; tries < 50 && done < strlen(text); tries++) {
        ssize_t n = read(fd, data + done, sizeof data - 1 - done);
        if (n > 0)
            done += (size_t)n;
        else
            spin();
    }
    ck_assert_str_eq(data, text);
}

START_TEST(none_is_no_backend)
{
    GError *error = NULL;
    ck_assert_ptr_null(backend_open("none", "COM2", 1, &owner, &error));
    ck_assert_ptr_null(error);
    backend_write(NULL, (const uint8_t *)"x", 1);
    ck_assert(!backend_congested(NULL));
    backend_close(NULL);
}
END_TEST

START_TEST(file_holds_what_was_sent)
{
    char *path = g_build_filename(dir, "log", NULL), *spec = g_strconcat("file:", path, NULL), *text = NULL;
    ck_assert(g_file_set_contents(path, "old text, longer than the new", -1, NULL));
    struct backend *b = open_or_fail(spec);
    send_text(b, "hello ");
    send_text(b, "world\n");
    backend_close(b);
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_str_eq(text, "hello world\n");
    g_unlink(path);
    g_free(text);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(file_that_cannot_be_made_is_one_sentence)
{
    GError *error = NULL;
    ck_assert_ptr_null(backend_open("file:/nonexistent/dir/log", "COM2", 1, &owner, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "/nonexistent/dir/log"));
    ck_assert_ptr_nonnull(strstr(error->message, "COM2"));
    g_error_free(error);
}
END_TEST

START_TEST(socket_carries_both_ways_and_clients_come_back)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_or_fail(spec);
    send_text(b, "lost: nobody is there");
    for (unsigned round = 0; round < 3; round++) {
        int fd = connect_client(path);
        send_text(b, "hello");
        expect_read(fd, "hello");
        received_count = 0;
        room = sizeof received;
        ck_assert_int_eq(write(fd, "typed", 5), 5);
        spin();
        ck_assert_uint_eq(received_count, 5);
        ck_assert_int_eq(memcmp(received, "typed", 5), 0);
        close(fd);
        spin();
    }
    backend_close(b);
    ck_assert_int_ne(access(path, F_OK), 0);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(client_that_left_is_noticed_by_a_write)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_or_fail(spec);
    int fd = connect_client(path);
    close(fd);
    send_text(b, "into the void"); /* before the main loop has seen the hang-up */
    spin();
    fd = connect_client(path);
    send_text(b, "again");
    expect_read(fd, "again");
    close(fd);
    backend_close(b);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(client_that_does_not_read_never_blocks)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_or_fail(spec);
    int fd = connect_client(path);
    char block[4001];
    memset(block, 'x', 4000);
    block[4000] = '\0';
    for (unsigned i = 0; i < 1000; i++)
        send_text(b, block);
    ck_assert(!backend_congested(b)); /* lossy: the guest is never held up */
    close(fd);
    backend_close(b);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(stale_socket_file_is_replaced_and_a_live_one_is_not)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* the file stays */
    struct backend *b = open_or_fail(spec);
    GError *error = NULL;
    ck_assert_ptr_null(backend_open(spec, "COM2", 1, &owner, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "cannot listen"));
    g_error_free(error);
    ck_assert_int_eq(access(path, F_OK), 0); /* the failure did not remove the live one's file */
    backend_close(b);
    g_free(spec);
    g_free(path);
}
END_TEST

/* connect() refuses a file that is no socket, as it does a stale one. */
START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL), *text = NULL;
    GError *error = NULL;
    ck_assert(g_file_set_contents(path, "dear", -1, NULL));
    ck_assert_ptr_null(backend_open(spec, "COM2", 1, &owner, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "no socket"));
    g_error_free(error);
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_str_eq(text, "dear");
    g_free(text);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(a_file_that_took_the_sockets_place_is_left_alone)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_or_fail(spec);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(g_file_set_contents(path, "dear", -1, NULL));
    backend_close(b);
    ck_assert_int_eq(access(path, F_OK), 0);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(pty_carries_both_ways_without_echo)
{
    /* The name is announced on stderr. */
    char *path = g_build_filename(dir, "stderr", NULL), *text = NULL;
    int keep = dup(STDERR_FILENO), log = open(path, O_RDWR | O_CREAT, 0600);
    dup2(log, STDERR_FILENO);
    struct backend *b = open_or_fail("pty");
    dup2(keep, STDERR_FILENO);
    close(keep);
    close(log);
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    char *name = strstr(text, "/dev/pts/");
    ck_assert_ptr_nonnull(name);
    g_strchomp(name);

    int fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    send_text(b, "login: ");
    expect_read(fd, "login: ");
    spin();
    ck_assert_uint_eq(received_count, 0); /* nothing was echoed */
    ck_assert_int_eq(write(fd, "root\r", 5), 5);
    spin();
    ck_assert_uint_eq(received_count, 5);
    close(fd);
    spin();
    send_text(b, "still there"); /* without a terminal program */
    fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    expect_read(fd, "still there");
    close(fd);
    backend_close(b);
    g_unlink(path);
    g_free(path);
    g_free(text);
}
END_TEST

START_TEST(input_waits_for_room)
{
    char *path = g_build_filename(dir, "sock", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_or_fail(spec);
    int fd = connect_client(path);
    room = 3;
    ck_assert_int_eq(write(fd, "abcdefgh", 8), 8);
    spin();
    ck_assert_uint_eq(received_count, 3);
    room = 2;
    pthread_mutex_lock(&lock);
    backend_room(b);
    pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(received_count, 5);
    room = 100;
    pthread_mutex_lock(&lock);
    backend_room(b);
    pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(received_count, 8);
    ck_assert_int_eq(memcmp(received, "abcdefgh", 8), 0);
    close(fd);
    backend_close(b);
    g_free(spec);
    g_free(path);
}
END_TEST

/* A back-end on stdio, while standard input has nothing and standard output is the end of a pipe. */
struct piped {
    struct backend *b;
    int fd[2], keep_in, keep_out;
};

static void open_piped(struct piped *p)
{
    int null = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(pipe2(p->fd, O_CLOEXEC), 0);
    p->keep_in = dup(STDIN_FILENO);
    p->keep_out = dup(STDOUT_FILENO);
    dup2(null, STDIN_FILENO);
    dup2(p->fd[1], STDOUT_FILENO);
    close(null);
    p->b = open_or_fail("stdio");
}

static void close_piped(struct piped *p)
{
    backend_close(p->b);
    dup2(p->keep_in, STDIN_FILENO);
    dup2(p->keep_out, STDOUT_FILENO);
    close(p->keep_in);
    close(p->keep_out);
    close(p->fd[0]);
    close(p->fd[1]);
}

static uint8_t byte_number(size_t n)
{
    return (uint8_t)(n * 7);
}

/* How many bytes it took until it would take no more. */
static size_t fill(struct backend *b)
{
    size_t sent = 0;
    uint8_t block[1000];
    while (!backend_congested(b)) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = byte_number(sent + i);
        pthread_mutex_lock(&lock);
        backend_write(b, block, sizeof block);
        pthread_mutex_unlock(&lock);
        sent += sizeof block;
        ck_assert_uint_lt(sent, 10 << 20);
    }
    return sent;
}

START_TEST(output_to_a_full_pipe_holds_the_guest_up_and_loses_nothing)
{
    struct piped p;
    open_piped(&p);
    size_t sent = fill(p.b), got = 0;
    uint8_t block[1000];
    fcntl(p.fd[0], F_SETFL, O_NONBLOCK);
    for (unsigned tries = 0; got < sent && tries < 1000; tries++) {
        ssize_t n = read(p.fd[0], block, sizeof block);
        for (ssize_t i = 0; i < n; i++, got++)
            ck_assert_uint_eq(block[i], byte_number(got));
        if (n < 0)
            spin();
    }
    ck_assert_uint_eq(got, sent);
    ck_assert(!backend_congested(p.b));
    ck_assert_uint_ge(uncongested, 1);
    close_piped(&p);
}
END_TEST

struct slow_reader {
    int fd;
    size_t count; /* so many bytes as fill() writes them ... */
    bool right;   /* ... and then the program's own word came, and nothing else */
};

static void *read_slowly(void *data)
{
    struct slow_reader *r = data;
    uint8_t block[512];
    size_t got = 0;
    r->right = true;
    while (got <= r->count) {
        g_usleep(100);
        ssize_t n = read(r->fd, block, sizeof block);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++, got++)
            r->right &= block[i] == (got < r->count ? byte_number(got) : '!');
    }
    r->right &= got == r->count + 1;
    return NULL;
}

START_TEST(draining_has_the_guest_say_all_before_the_program_speaks)
{
    struct piped p;
    pthread_t thread;
    open_piped(&p);
    struct slow_reader reader = { .fd = p.fd[0], .count = fill(p.b) };
    ck_assert_int_eq(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    backend_drain(p.b);
    ck_assert_int_eq(write(p.fd[1], "!", 1), 1);
    pthread_join(thread, NULL);
    ck_assert(reader.right);
    backend_drain(NULL);
    close_piped(&p);
}
END_TEST

/* ---- Ports with flow control ---- */

static char events[64]; /* '+' somebody came, '-' somebody left, '>' there is room, in their order */

static void note(char event)
{
    size_t n = strlen(events);
    ck_assert_uint_lt(n + 1, sizeof events);
    events[n] = event;
    events[n + 1] = '\0';
}

static void on_connected(void *ctx, unsigned port, bool connected)
{
    (void)ctx;
    ck_assert_uint_eq(port, 1);
    note(connected ? '+' : '-');
}

static void on_sendable(void *ctx, unsigned port)
{
    (void)ctx, (void)port;
    note('>');
}

static struct backend *open_paced(const char *spec)
{
    struct backend_owner paced = owner;
    GError *error = NULL;
    events[0] = '\0';
    paced.connected = on_connected;
    paced.sendable = on_sendable;
    struct backend *b = backend_open(spec, "port x", 1, &paced, &error);
    ck_assert_msg(b != NULL, "%s", error ? error->message : "no message");
    return b;
}

START_TEST(last_words_are_received_before_the_next_client_comes)
{
    char *path = g_build_filename(dir, "socket", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_paced(spec);
    ck_assert(!backend_connected(b));
    room = 0;
    int fd = connect_client(path);
    ck_assert_str_eq(events, "+");
    ck_assert(backend_connected(b));
    ck_assert_int_eq(write(fd, "last words", 10), 10);
    close(fd);
    spin();
    fd = connect_client(path);
    ck_assert_int_eq(write(fd, ", first words", 13), 13);
    spin();
    ck_assert_str_eq(events, "+");
    ck_assert(backend_connected(b));
    room = 4;
    backend_room(b);
    ck_assert_str_eq(events, "+");
    room = 6;
    backend_room(b);
    ck_assert_str_eq(events, "+-");
    room = sizeof received - received_count;
    spin();
    ck_assert_str_eq(events, "+-+");
    ck_assert_uint_eq(received_count, 23);
    ck_assert_mem_eq(received, "last words, first words", 23);
    close(fd);
    backend_close(b);
    g_free(spec);
    g_free(path);
}
END_TEST

START_TEST(what_is_not_taken_is_offered_again)
{
    char *path = g_build_filename(dir, "socket", NULL), *spec = g_strconcat("unix:", path, NULL);
    struct backend *b = open_paced(spec);
    uint8_t block[4096];
    size_t sent = 0, got = 0, n;
    int fd = connect_client(path);
    do {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = byte_number(sent + i);
        n = backend_offer(b, block, sizeof block);
        sent += n;
    } while (n == sizeof block);
    ck_assert_uint_eq(backend_offer(b, block, 1), 0);
    ck_assert_str_eq(events, "+");
    for (unsigned tries = 0; tries < 1000 && got < sent; tries++) {
        ssize_t count = read(fd, block, sizeof block);
        for (ssize_t i = 0; i < count; i++, got++)
            ck_assert_uint_eq(block[i], byte_number(got));
        if (count < 0)
            spin();
    }
    ck_assert_uint_eq(got, sent);
    ck_assert_str_eq(events, "+>");
    close(fd);
    spin();
    ck_assert_str_eq(events, "+>-");
    ck_assert_uint_eq(backend_offer(b, block, sizeof block), sizeof block); /* to nobody */
    backend_close(b);
    ck_assert_uint_eq(backend_offer(NULL, block, 7), 7);
    g_free(spec);
    g_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend");
    TCase *tc = tcase_create("backend");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, none_is_no_backend);
    tcase_add_test(tc, file_holds_what_was_sent);
    tcase_add_test(tc, file_that_cannot_be_made_is_one_sentence);
    tcase_add_test(tc, socket_carries_both_ways_and_clients_come_back);
    tcase_add_test(tc, client_that_left_is_noticed_by_a_write);
    tcase_add_test(tc, client_that_does_not_read_never_blocks);
    tcase_add_test(tc, stale_socket_file_is_replaced_and_a_live_one_is_not);
    tcase_add_test(tc, a_file_that_is_no_socket_is_left_alone);
    tcase_add_test(tc, a_file_that_took_the_sockets_place_is_left_alone);
    tcase_add_test(tc, pty_carries_both_ways_without_echo);
    tcase_add_test(tc, input_waits_for_room);
    tcase_add_test(tc, output_to_a_full_pipe_holds_the_guest_up_and_loses_nothing);
    tcase_add_test(tc, draining_has_the_guest_say_all_before_the_program_speaks);
    tcase_add_test(tc, last_words_are_received_before_the_next_client_comes);
    tcase_add_test(tc, what_is_not_taken_is_offered_again);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
