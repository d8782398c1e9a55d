/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What becomes of frames between the guest and libslirp.
 */
#include "net_private.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 14 };

static const struct {
    const char *name;
    uint8_t to[4];
    bool astray;
} places[] = {
    { "the gateway", { 10, 0, 2, 2 }, false },
    { "the name server", { 10, 0, 2, 3 }, false },
    { "all of the network", { 10, 0, 2, 255 }, false },
    { "somebody on the internet", { 192, 0, 2, 77 }, false },
    { "the network beside it", { 10, 0, 3, 77 }, false },
    { "nobody", { 10, 0, 2, 77 }, true },
    { "the guest itself", { 10, 0, 2, 15 }, true },
};

START_TEST(unused_addresses_lead_nowhere)
{
    uint8_t frame[60] = { [12] = 8, [HEADER] = 0x45, [HEADER + 9] = 1 };

    memcpy(frame + HEADER + 16, places[_i].to, 4);
    ck_assert_msg(nat_is_astray(frame, sizeof frame) == places[_i].astray, "%s", places[_i].name);
    ck_assert(!nat_is_astray(frame, HEADER + 19)); /* there is no header */
}
END_TEST

START_TEST(unused_addresses_of_ipv6_lead_nowhere)
{
    uint8_t frame[60] = { [12] = 0x86, [13] = 0xdd, [HEADER] = 0x60, [HEADER + 24] = 0xfe, 0xc0 };
    uint8_t *last = frame + HEADER + 39;

    *last = 2;
    ck_assert(!nat_is_astray(frame, sizeof frame));
    *last = 77;
    ck_assert(nat_is_astray(frame, sizeof frame));
    frame[HEADER + 24] = 0x20;
    ck_assert(!nat_is_astray(frame, sizeof frame));
}
END_TEST

static uint32_t sum(const uint8_t *bytes, size_t size)
{
    uint32_t total = 0;
    for (size_t i = 0; i < size; i += 2)
        total += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

/* A packet of ICMP type `type` from 127.0.0.1 with a right header. */
static void make_icmp(uint8_t *frame, uint8_t type)
{
    uint8_t *ip = frame + HEADER;
    memset(frame, 0, 60);
    frame[12] = 8;
    ip[0] = 0x45;
    ip[3] = 46;
    ip[8] = 64;
    ip[9] = 1;
    ip[12] = 127;
    ip[15] = 1;
    ip[16] = 10;
    ip[18] = 2;
    ip[19] = 15;
    uint32_t check = ~sum(ip, 20) & 0xffff;
    ip[10] = (uint8_t)(check >> 8);
    ip[11] = (uint8_t)check;
    ip[20] = type;
}

START_TEST(errors_come_from_the_gateway)
{
    static const uint8_t gateway[] = { 10, 0, 2, 2 };
    uint8_t frame[60];

    make_icmp(frame, 3);
    nat_mend(frame, sizeof frame);
    ck_assert_mem_eq(frame + HEADER + 12, gateway, 4);
    ck_assert_uint_eq(sum(frame + HEADER, 20), 0xffff);
}
END_TEST

START_TEST(others_are_left_alone)
{
    uint8_t frame[60], before[60];

    make_icmp(frame, 0); /* an answer to a ping */
    memcpy(before, frame, sizeof frame);
    nat_mend(frame, sizeof frame);
    ck_assert_mem_eq(frame, before, sizeof frame);
    make_icmp(frame, 3);
    frame[HEADER] = 0x4f; /* the header goes over the end */
    memcpy(before, frame, sizeof frame);
    nat_mend(frame, sizeof frame);
    ck_assert_mem_eq(frame, before, sizeof frame);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nat_rules");
    TCase *tc = tcase_create("nat_rules");
    tcase_add_loop_test(tc, unused_addresses_lead_nowhere, 0, G_N_ELEMENTS(places));
    tcase_add_test(tc, unused_addresses_of_ipv6_lead_nowhere);
    tcase_add_test(tc, errors_come_from_the_gateway);
    tcase_add_test(tc, others_are_left_alone);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
