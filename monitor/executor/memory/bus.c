/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Accesses that only the caller can answer: ports and everything that is neither RAM nor ROM. The first
 * time, the access goes into the exit record and the executor is left; when the caller runs it again, the
 * instruction starts over and finds the answer in the log. An instruction may make many such accesses (a
 * MOVS between two devices, a page-crossing one): the log replays those already made, in order.
 * Executor side.
 */
#include "bus.h"

#include "chips.h"
#include "planes.h"

/* The next access of this execution, if it was made before. */
static struct bus_access *replay(struct vcpu *v, guest_pa pa, unsigned size, bool is_write, bool is_port)
{
    if (v->bus.cursor == v->bus.count)
        return NULL;
    struct bus_access *a = &v->bus.access[v->bus.cursor];
    if (a->pa == pa && a->size == size && a->is_write == is_write && a->is_port == is_port) {
        v->bus.cursor++;
        return a;
    }
    /* Memory or registers changed in between: from here on it is another instruction. */
    v->bus.count = v->bus.cursor;
    return NULL;
}

static void put_data(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_data(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* Send the access to the caller. */
static NORETURN void leave(struct vcpu *v, const struct uop *u, struct bus_access access)
{
    struct d86_exit *exit = v->exit;
    if (v->bus.count == BUS_LOG_MAX)
        exec_error(v, u, D86_ERROR_UNIMPLEMENTED,
                   "one instruction made more device accesses than can be kept");
    v->bus.access[v->bus.count] = access;
    v->bus.waiting = true;
    if (access.is_port) {
        exit->reason = D86_EXIT_IO;
        exit->io.port = (uint16_t)access.pa;
        exit->io.size = access.size;
        exit->io.is_out = access.is_write;
        exit->io.count = 1;
        put_data(exit->io.data, access.data, access.size);
    } else {
        exit->reason = D86_EXIT_MMIO;
        exit->mmio.pa = access.pa;
        exit->mmio.size = access.size;
        exit->mmio.is_write = access.is_write;
        put_data(exit->mmio.data, access.data, access.size);
    }
    cpu_sync(v, u);
    exec_exit(v);
}

static uint64_t make(struct vcpu *v, const struct uop *u, struct bus_access access)
{
    struct bus_access *made = replay(v, access.pa, access.size, access.is_write, access.is_port);
    if (!made)
        leave(v, u, access);
    return made->data;
}

/* Not to be inlined into handlers, nor is bus_write(): see DISPATCH. */
NOINLINE uint64_t bus_read(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size)
{
    uint64_t value;
    if (chips_mmio_read(v, pa, size, &value) || planes_read(v, pa, size, &value))
        return value;
    return make(v, u, (struct bus_access){ .pa = pa, .size = (uint8_t)size });
}

NOINLINE void bus_write(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size, uint64_t value)
{
    if (chips_mmio_write(v, pa, size, value) || planes_write(v, pa, size, value))
        return;
    (void)make(v, u, (struct bus_access){ .pa = pa, .size = (uint8_t)size, .is_write = true, .data = value });
}

uint32_t bus_in(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size)
{
    return (uint32_t)make(v, u, (struct bus_access){ .pa = port, .size = (uint8_t)size, .is_port = true });
}

void bus_out(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size, uint32_t value)
{
    (void)make(v, u,
               (struct bus_access){
                   .pa = port, .size = (uint8_t)size, .is_port = true, .is_write = true, .data = value });
}

void bus_commit(struct vcpu *v)
{
    v->bus.count = 0;
    v->bus.cursor = 0;
}

void bus_complete(struct vcpu *v)
{
    if (!v->bus.waiting)
        return;
    struct bus_access *a = &v->bus.access[v->bus.count++];
    v->bus.waiting = false;
    if (!a->is_write)
        a->data = get_data(a->is_port ? v->exit->io.data : v->exit->mmio.data, a->size);
}
