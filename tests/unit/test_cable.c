/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two cables that lead to each other, by streams and by datagrams: frames come whole and in order, one that
 * goes comes back, and what is no frame ends the connection.
 */
#include "net_private.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_US = 1000, WAITS_MAX = 60000, FRAMES = 1000 };

static char *folder, *path;

static void setup(void)
{
    folder = g_dir_make_tmp("cable-XXXXXX", NULL);
    path = g_build_filename(folder, "socket", NULL);
}

static void teardown(void)
{
    unlink(path);
    rmdir(folder);
    g_free(path);
    g_free(folder);
}

static void on_news(void *ctx)
{
    (void)ctx;
}

static struct net *open_end(enum net_connection kind, const char *address, const char *local)
{
    struct net_spec spec = { .kind = NET_SOCKET,
                             .connection = kind,
                             .address = (char *)(uintptr_t)address,
                             .local = (char *)(uintptr_t)local };
    GError *error = NULL;
    struct net *net = net_open(&spec, on_news, NULL, &error);
    ck_assert_msg(net != NULL, "%s", error ? error->message : "");
    return net;
}

static struct net_frame *wait_for_frame(struct net *net)
{
    struct net_frame *f = NULL;
    for (unsigned i = 0; i < WAITS_MAX && !(f = net_take(net)); i++)
        g_usleep(WAIT_US);
    ck_assert_msg(f != NULL, "no frame has come");
    return f;
}

static size_t make(uint8_t *frame, unsigned number)
{
    size_t size = 60 + number * 7 % 1400;
    memset(frame, (int)(number & 0xff), size);
    frame[0] = (uint8_t)number;
    frame[1] = (uint8_t)(number >> 8);
    return size;
}

/* Frames that are sent before anybody is there are lost, as on a cable that is not plugged in: send until one
 * has come. */
static void meet(struct net *from, struct net *to)
{
    uint8_t frame[60] = { [0] = 0xff, [1] = 0xff };
    struct net_frame *f = NULL;
    for (unsigned i = 0; i < WAITS_MAX && !f; i++) {
        net_send(from, &(struct device_frame){ .data = frame, .size = sizeof frame });
        g_usleep(WAIT_US);
        f = net_take(to);
    }
    ck_assert_ptr_nonnull(f);
    g_free(f);
}

static void send_many(struct net *from, struct net *to)
{
    uint8_t frame[2000];
    meet(from, to);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t size = make(frame, i);
        net_send(from, &(struct device_frame){ .data = frame, .size = (uint32_t)size });
    }
    for (unsigned i = 0; i < FRAMES;) {
        struct net_frame *f = wait_for_frame(to);
        size_t size = make(frame, i);
        if (f->data[0] != 0xff || f->data[1] != 0xff) { /* one of meet() */
            ck_assert_uint_eq(f->size, size);
            ck_assert_mem_eq(f->data, frame, size);
            i++;
        }
        g_free(f);
    }
}

START_TEST(frames_come_whole_and_in_order)
{
    char *address = g_strconcat("unix:", path, NULL);
    struct net *a = open_end(NET_LISTEN, address, NULL), *b = open_end(NET_CONNECT, address, NULL);
    send_many(b, a);
    send_many(a, b);
    net_close(b);
    net_close(a);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    g_free(address);
}
END_TEST

START_TEST(who_goes_may_come_back)
{
    char *address = g_strconcat("unix:", path, NULL);
    struct net *b = open_end(NET_CONNECT, address, NULL), *a = open_end(NET_LISTEN, address, NULL);
    send_many(b, a);
    net_close(a);
    a = open_end(NET_LISTEN, address, NULL);
    send_many(a, b);
    net_close(a);
    net_close(b);
    g_free(address);
}
END_TEST

START_TEST(datagrams_are_frames)
{
    char *one = g_strconcat("unix:", path, NULL), *other = g_strconcat("unix:", path, "2", NULL);
    struct net *a = open_end(NET_DATAGRAM, other, one), *b = open_end(NET_DATAGRAM, one, other);
    meet(a, b);
    meet(b, a);
    net_close(a);
    net_close(b);
    g_free(one);
    g_free(other);
}
END_TEST

START_TEST(what_is_no_frame_ends_the_connection)
{
    static const uint8_t nonsense[] = { 0x7f, 0xff, 0xff, 0xff, 1, 2, 3 };
    char *address = g_strconcat("unix:", path, NULL);
    struct net *a = open_end(NET_LISTEN, address, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    uint8_t byte;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(un.sun_path, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    ck_assert_int_eq(write(fd, nonsense, sizeof nonsense), sizeof nonsense);
    ck_assert_int_le(read(fd, &byte, 1), 0);
    close(fd);
    /* The next one is welcome. */
    struct net *b = open_end(NET_CONNECT, address, NULL);
    send_many(b, a);
    net_close(b);
    net_close(a);
    g_free(address);
}
END_TEST

/* Nothing is lost on the way to a guest that takes nothing for a while. */
START_TEST(frames_wait_for_a_guest_that_has_no_buffer)
{
    char *address = g_strconcat("unix:", path, NULL);
    struct net *a = open_end(NET_LISTEN, address, NULL), *b = open_end(NET_CONNECT, address, NULL);
    uint8_t frame[2000];
    meet(b, a);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t size = make(frame, i);
        net_send(b, &(struct device_frame){ .data = frame, .size = (uint32_t)size });
        if (i % 100 == 0)
            g_usleep(WAIT_US);
    }
    struct net_frame *f = wait_for_frame(a);
    net_put_back(a, f);
    ck_assert(net_has_frames(a));
    ck_assert_ptr_eq(net_take(a), f);
    for (unsigned i = 0; i < FRAMES; f = i < FRAMES ? wait_for_frame(a) : NULL) {
        i += f->data[0] == (uint8_t)i && f->data[1] == (uint8_t)(i >> 8);
        g_free(f);
    }
    net_close(b);
    net_close(a);
    g_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cable");
    TCase *tc = tcase_create("cable");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, frames_come_whole_and_in_order);
    tcase_add_test(tc, who_goes_may_come_back);
    tcase_add_test(tc, datagrams_are_frames);
    tcase_add_test(tc, what_is_no_frame_ends_the_connection);
    tcase_add_test(tc, frames_wait_for_a_guest_that_has_no_buffer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
