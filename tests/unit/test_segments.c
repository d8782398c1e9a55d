/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames of TCP put together and divided: what goes in comes out again, and what does not go together stays
 * apart.
 */
#include "net_private.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, TCP_SIZE = 20, FRAME_MAX = 2000, PARTS_MAX = 64 };

struct part {
    uint8_t data[FRAME_MAX];
    size_t size;
};

static struct part parts[PARTS_MAX];
static unsigned part_count;

static void put16(uint8_t *b, uint32_t value)
{
    b[0] = (uint8_t)(value >> 8);
    b[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *b, size_t size, uint32_t start)
{
    uint32_t total = start;
    for (size_t i = 0; i < size; i++)
        total += i & 1 ? b[i] : (uint32_t)b[i] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static unsigned ip_size(bool ipv6)
{
    return ipv6 ? 40 : 20;
}

/* A segment with `payload` bytes, checksums and all. */
static size_t make(uint8_t *frame, bool ipv6, uint32_t sequence, uint32_t payload, uint8_t flags, uint16_t id)
{
    uint8_t *ip = frame + ETHERNET, *tcp = ip + ip_size(ipv6);
    memset(frame, 0, FRAME_MAX);
    put16(frame + 12, ipv6 ? 0x86dd : 0x0800);
    ip[0] = ipv6 ? 0x60 : 0x45;
    if (ipv6) {
        put16(ip + 4, TCP_SIZE + payload);
        ip[6] = 6;
        ip[23] = 1;
        ip[39] = 2;
    } else {
        put16(ip + 2, 20 + TCP_SIZE + payload);
        put16(ip + 4, id);
        ip[8] = 64;
        ip[9] = 6;
        ip[12] = ip[16] = 10;
        put16(ip + 10, ~sum(ip, 20, 0));
    }
    put16(tcp, 80);
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    tcp[12] = 0x50;
    tcp[13] = flags;
    for (uint32_t i = 0; i < payload; i++)
        tcp[TCP_SIZE + i] = (uint8_t)(sequence + i);
    uint32_t pseudo = sum(ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8, 6 + TCP_SIZE + payload);
    put16(tcp + 16, ~sum(tcp, TCP_SIZE + payload, pseudo));
    return ETHERNET + ip_size(ipv6) + TCP_SIZE + payload;
}

static struct net_frame *as_frame(const uint8_t *data, size_t size)
{
    struct net_frame *f = g_malloc(sizeof *f + size);
    *f = (struct net_frame){ .size = (uint32_t)size, .room = (uint32_t)size, .checked = true };
    memcpy(f->data, data, size);
    return f;
}

static void keep_part(void *ctx, const uint8_t *frame, size_t size)
{
    (void)ctx;
    ck_assert_uint_lt(part_count, PARTS_MAX);
    memcpy(parts[part_count].data, frame, size);
    parts[part_count++].size = size;
}

/* Segments of a stream are joined, and divided again; the last one is shorter. */
START_TEST(what_is_joined_comes_apart_again)
{
    bool ipv6 = _i;
    uint8_t frame[FRAME_MAX];
    size_t size = make(frame, ipv6, 0xfffff000, 1400, 0x10, 7);
    struct net_frame *f = as_frame(frame, size);
    for (unsigned i = 1; i < 40; i++) {
        size = make(frame, ipv6, 0xfffff000 + i * 1400, i < 39 ? 1400 : 77, i < 39 ? 0x10 : 0x18,
                    (uint16_t)(7 + i));
        ck_assert(segments_join(&f, frame, size, true, true));
    }
    ck_assert_uint_eq(f->segment, 1400);
    ck_assert_uint_eq(f->size, ETHERNET + ip_size(ipv6) + TCP_SIZE + 39 * 1400 + 77);
    part_count = 0;
    segments_divide(f, keep_part, NULL);
    ck_assert_uint_eq(part_count, 40);
    for (unsigned i = 0; i < 40; i++) {
        size = make(frame, ipv6, 0xfffff000 + i * 1400, i < 39 ? 1400 : 77, i < 39 ? 0x10 : 0x18,
                    (uint16_t)(7 + i));
        ck_assert_uint_eq(parts[i].size, size);
        ck_assert_mem_eq(parts[i].data, frame, size);
    }
    g_free(f);
}
END_TEST

START_TEST(whole_frame_gets_its_checksum)
{
    uint8_t frame[FRAME_MAX], *tcp = frame + ETHERNET + 20;
    size_t size = make(frame, false, 1, 1000, 0x18, 7);
    uint16_t right = (uint16_t)(tcp[16] << 8 | tcp[17]);
    put16(tcp + 16, 0x1234);
    struct net_frame *f = as_frame(frame, size);
    f->segment = 500;
    ck_assert(segments_finish(f));
    ck_assert_uint_eq(f->data[ETHERNET + 36] << 8 | f->data[ETHERNET + 37], right);
    f->data[ETHERNET + 9] = 17;
    ck_assert(!segments_finish(f));
    g_free(f);
}
END_TEST

static const struct {
    const char *name;
    uint32_t sequence, payload;
    uint8_t flags;
    unsigned at; /* a byte of the frame that is another */
    uint8_t value;
} strangers[] = {
    { "a gap", 1401, 100, 0x10, 0, 0 },
    { "the same again", 0, 1400, 0x10, 0, 0 },
    { "longer than the first", 1400, 1500, 0x10, 0, 0 },
    { "the end of the stream", 1400, 100, 0x11, 0, 0 },
    { "nothing but an acknowledgement", 1400, 0, 0x10, 0, 0 },
    { "another port", 1400, 100, 0x10, ETHERNET + 20 + 1, 81 },
    { "another address", 1400, 100, 0x10, ETHERNET + 15, 1 },
    { "another acknowledgement", 1400, 100, 0x10, ETHERNET + 20 + 11, 1 },
    { "a fragment", 1400, 100, 0x10, ETHERNET + 6, 0x20 },
    { "UDP", 1400, 100, 0x10, ETHERNET + 9, 17 },
    { "a length over the end", 1400, 100, 0x10, ETHERNET + 2, 0xff },
    { "a header over the end", 1400, 4, 0x10, ETHERNET + 20 + 12, 0xf0 },
};

START_TEST(others_stay_apart)
{
    uint8_t frame[FRAME_MAX];
    struct net_frame *f = as_frame(frame, make(frame, false, 0, 1400, 0x10, 7));
    size_t size = make(frame, false, strangers[_i].sequence, strangers[_i].payload, strangers[_i].flags, 8);
    if (strangers[_i].at)
        frame[strangers[_i].at] = strangers[_i].value;
    ck_assert_msg(!segments_join(&f, frame, size, true, true), "%s", strangers[_i].name);
    ck_assert_uint_eq(f->segment, 0);
    g_free(f);
}
END_TEST

START_TEST(nothing_is_joined_for_who_does_not_take_it)
{
    uint8_t frame[FRAME_MAX];
    struct net_frame *f = as_frame(frame, make(frame, false, 0, 1400, 0x10, 7));
    size_t size = make(frame, false, 1400, 100, 0x10, 8);
    ck_assert(!segments_join(&f, frame, size, false, true));
    ck_assert(segments_join(&f, frame, size, true, false));
    g_free(f);
}
END_TEST

/* What a guest says is a frame of TCP may be anything. */
START_TEST(nonsense_is_not_divided)
{
    uint8_t frame[FRAME_MAX];
    GRand *source = g_rand_new_with_seed(1);
    for (unsigned i = 0; i < 100000; i++) {
        size_t size = make(frame, i & 1, 5, 600, 0x18, 7);
        for (unsigned n = g_rand_int_range(source, 0, 4); n; n--)
            frame[g_rand_int_range(source, 12, 80)] = (uint8_t)g_rand_int(source);
        struct net_frame *f = as_frame(frame, (size_t)g_rand_int_range(source, 1, (gint32)size));
        f->segment = (uint16_t)g_rand_int_range(source, 20, 2000);
        part_count = 0;
        segments_divide(f, keep_part, NULL);
        segments_finish(f);
        g_free(f);
    }
    g_rand_free(source);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segments");
    TCase *tc = tcase_create("segments");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, what_is_joined_comes_apart_again, 0, 2);
    tcase_add_test(tc, whole_frame_gets_its_checksum);
    tcase_add_loop_test(tc, others_stay_apart, 0, G_N_ELEMENTS(strangers));
    tcase_add_test(tc, nothing_is_joined_for_who_does_not_take_it);
    tcase_add_test(tc, nonsense_is_not_divided);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
