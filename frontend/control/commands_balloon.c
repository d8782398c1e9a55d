/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command about the memory balloon. What it tells in bytes the device has in pages.
 */
#include "server_private.h"

enum { PAGE = 4096 };

/* By VIRTIO's numbers. */
static const char *const statistics[DEVICE_BALLOON_STATISTICS] = {
    "swap-in", "swap-out", "major-faults", "minor-faults", "free", "total", "available", "caches",
};

static json_t *told(const struct device_balloon *balloon)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < DEVICE_BALLOON_STATISTICS; i++) {
        if (statistics[i] && balloon->known >> i & 1)
            json_object_set_new(object, statistics[i],
                                json_integer((json_int_t)(balloon->statistic[i] & INT64_MAX)));
    }
    return object;
}

void control_balloon(struct control_call *call)
{
    struct machine_status status;
    struct device_balloon balloon;
    machine_status(call->machine, &status);
    uint64_t ram = status.ram_size, size = (uint64_t)control_number(call->request, "size", (int64_t)ram);
    if (size > ram) {
        control_fail(call, CONTROL_BAD_REQUEST, "the guest has %llu MiB of memory: give no more",
                     (unsigned long long)(ram >> 20));
        return;
    }
    if (control_has(call->request, "size"))
        machine_inflate(call->machine, (uint32_t)((ram - size) / PAGE));
    if (!machine_balloon(call->machine, &balloon)) {
        control_fail(call, CONTROL_UNAVAILABLE, "the machine has no balloon: start it with --balloon");
        return;
    }
    call->result = json_pack("{s:I, s:I, s:I, s:b, s:o}", "ram", (json_int_t)ram, "size",
                             (json_int_t)(ram - (uint64_t)balloon.target * PAGE), "actual",
                             (json_int_t)(ram - MIN((uint64_t)balloon.actual * PAGE, ram)), "driver",
                             balloon.driven, "statistics", told(&balloon));
}
