/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lent planes. An instruction may access them and a device of the caller's, and so start over: then it makes
 * its accesses here again. That is harmless, since reads change nothing but the latches, which they load with
 * the same, and what a write does depends on the latches and not on what is there. Executor side.
 */
#include "planes.h"

#include "devices/lent_video.h"
#include "devices/video.h"
#include "executor.h"
#include "host.h"
#include "news.h"

_Static_assert(sizeof(struct lent_video) <= sizeof(((struct d86_exit *)0)->video),
               "the exit record has room");

#define PLANES_BASE 0xa0000u
#define PLANES_SIZE 0x20000u

static struct lent_video *lent_video(struct vcpu *v)
{
    return (struct lent_video *)v->exit->video;
}

static bool is_lent(const struct vcpu *v, guest_pa pa, unsigned size)
{
    return v->exit->lend_video && pa >= PLANES_BASE && pa - PLANES_BASE <= PLANES_SIZE - size;
}

/* Where the adapter's memory is; addresses in it are below VIDEO_MEMORY / 4 whatever the state says. */
static const uint8_t *memory_of(struct vcpu *v)
{
    lent_video(v)->planar.mask &= VIDEO_MEMORY / 4 - 1;
    return v->map.ram + v->exit->video_memory;
}

static void store(struct vcpu *v, struct planar_store s)
{
    uint64_t offset = v->exit->video_memory + 4 * (uint64_t)s.at;
    uint64_t frame = offset >> 12;
    *(uint32_t *)(v->map.ram + offset) = s.planes;
    if (frame_has_code(v, frame))
        frame_written(v, frame, (unsigned)(offset & 0xfff), 4);
}

NOINLINE bool planes_read(struct vcpu *v, guest_pa pa, unsigned size, uint64_t *value)
{
    if (!is_lent(v, pa, size))
        return false;
    const uint8_t *memory = memory_of(v);
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (uint64_t)planar_read(&lent_video(v)->planar, memory, (uint32_t)(pa - PLANES_BASE) + i)
                  << (8 * i);
    v->counts.plane_accesses++;
    return true;
}

NOINLINE bool planes_write(struct vcpu *v, guest_pa pa, unsigned size, uint64_t value)
{
    if (!is_lent(v, pa, size))
        return false;
    const uint8_t *memory = memory_of(v);
    for (unsigned i = 0; i < size; i++) {
        struct planar_store s;
        if (planar_write(&lent_video(v)->planar, memory, (uint32_t)(pa - PLANES_BASE) + i,
                         (uint8_t)(value >> (8 * i)), &s))
            store(v, s);
    }
    v->counts.plane_accesses++;
    return true;
}

NOINLINE bool planes_in(struct vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    uint8_t byte;
    if (!v->exit->lend_video || size != 1 ||
        !lent_video_in(lent_video(v), port, host_clock_ns() - v->exit->behind_ns, &byte))
        return false;
    *value = byte;
    v->counts.plane_accesses++;
    return true;
}

/* A word is an index and its data: both go here, or none. */
NOINLINE bool planes_out(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (!v->exit->lend_video || size > 2)
        return false;
    struct lent_video after = *lent_video(v);
    for (unsigned i = 0; i < size; i++) {
        if (!lent_video_out(&after, (uint16_t)(port + i), (uint8_t)(value >> (8 * i))))
            return false;
    }
    *lent_video(v) = after;
    v->counts.plane_accesses++;
    return true;
}
