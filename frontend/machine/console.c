/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What others do to a machine that runs: its switches, its keyboard and mouse, and looks inside. Whoever
 * needs the guest to stand still holds it: the vCPU's thread then comes out of the guest and waits until it
 * is let go.
 */
#include "machine_private.h"

#include "error.h"
#include "linear.h"

/* ---- Holding ---- */

/* Holds are counted before the lock is asked for: a thread that gives the lock up for a moment at a time
 * would otherwise have it again and again. */
void machine_hold(struct machine *m)
{
    __atomic_add_fetch(&m->holds, 1, __ATOMIC_SEQ_CST);
    d86_vcpu_kick(m->vcpu);
    pthread_mutex_lock(&m->lock);
    while (m->in_guest)
        pthread_cond_wait(&m->still, &m->lock);
}

void machine_let_go(struct machine *m)
{
    __atomic_sub_fetch(&m->holds, 1, __ATOMIC_SEQ_CST);
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
}

enum { SETTLE_SECONDS = 30 };

static bool is_settled(const struct machine *m)
{
    return !m->in_guest && !d86_vcpu_is_amid(m->vcpu) && drives_are_idle(m) && m->questions == 0;
}

gboolean machine_settle(struct machine *m, GError **error)
{
    struct timespec until;
    int err = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SETTLE_SECONDS;
    __atomic_add_fetch(&m->holds, 1, __ATOMIC_SEQ_CST);
    d86_vcpu_kick(m->vcpu);
    pthread_mutex_lock(&m->lock);
    m->settling++;
    pthread_cond_signal(&m->wake);
    while (m->running && !m->stopping && !err && !is_settled(m))
        err = pthread_cond_timedwait(&m->still, &m->lock, &until);
    if (!m->stopping && is_settled(m))
        return TRUE;
    bool ends = m->stopping;
    machine_unsettle(m);
    return fail_with(error, FRONTEND_ERROR_HOST,
                     ends ? "the machine has ended"
                          : "the machine does not come to rest: a drive, a shared folder or a reader of the "
                            "guest's output does not answer");
}

void machine_unsettle(struct machine *m)
{
    m->settling--;
    machine_let_go(m);
}

/* ---- News ---- */

void machine_listen(struct machine *m, const struct machine_listener *listener)
{
    g_assert(m->listener_count < MACHINE_LISTENERS_MAX);
    m->listeners[m->listener_count++] = *listener;
}

void machine_tell(struct machine *m, enum machine_news news)
{
    for (unsigned i = 0; i < m->listener_count; i++)
        m->listeners[i].tell(m->listeners[i].ctx, news);
}

int machine_end_status(const struct machine *m)
{
    return m->status;
}

/* ---- Switches ---- */

void machine_pause(struct machine *m)
{
    machine_hold(m);
    if (!m->paused) {
        m->paused = true;
        clock_stop(&m->clock);
        machine_tell(m, MACHINE_PAUSED);
    }
    machine_let_go(m);
}

void machine_resume(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    if (m->paused) {
        m->paused = false;
        clock_go(&m->clock);
        machine_tell(m, MACHINE_RESUMED);
        pthread_cond_signal(&m->wake);
    }
    pthread_mutex_unlock(&m->lock);
}

void machine_reset(struct machine *m)
{
    machine_hold(m);
    m->reset_wanted = m->reset_pressed = true;
    machine_let_go(m);
}

bool machine_power_button(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    bool noticed = pc_power_button(m->pc);
    pthread_mutex_unlock(&m->lock);
    return noticed;
}

/* ---- Keyboard and mouse ---- */

/* Devices of virtio are at queues in the guest's memory. */
static void lock_input(struct machine *m, bool virtio)
{
    if (virtio)
        machine_hold(m);
    else
        pthread_mutex_lock(&m->lock);
}

static void unlock_input(struct machine *m, bool virtio)
{
    if (virtio)
        machine_let_go(m);
    else
        pthread_mutex_unlock(&m->lock);
}

void machine_key(struct machine *m, uint16_t code, bool down)
{
    lock_input(m, m->options->keyboard);
    pc_key(m->pc, code, down);
    unlock_input(m, m->options->keyboard);
}

void machine_mouse(struct machine *m, int dx, int dy, int dz, unsigned buttons)
{
    pthread_mutex_lock(&m->lock);
    pc_mouse(m->pc, dx, dy, dz, buttons);
    pthread_mutex_unlock(&m->lock);
}

bool machine_point(struct machine *m, int x, int y, int dz, unsigned buttons)
{
    lock_input(m, m->options->tablet);
    bool taken = pc_point(m->pc, x, y, dz, buttons);
    unlock_input(m, m->options->tablet);
    return taken;
}

bool machine_keys_taken(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    bool taken = pc_keys_taken(m->pc);
    pthread_mutex_unlock(&m->lock);
    return taken;
}

/* ---- The balloon ---- */

bool machine_inflate(struct machine *m, uint32_t pages)
{
    machine_hold(m);
    bool there = pc_inflate(m->pc, pages);
    machine_let_go(m);
    return there;
}

bool machine_balloon(struct machine *m, struct device_balloon *balloon)
{
    machine_hold(m);
    bool there = pc_balloon(m->pc, balloon);
    machine_let_go(m);
    return there;
}

/* ---- Looking inside ---- */

void machine_status(struct machine *m, struct machine_status *status)
{
    struct d86_events events;
    machine_hold(m);
    d86_vcpu_get_events(m->vcpu, &events);
    *status = (struct machine_status){
        .paused = m->paused,
        .halted = events.halted,
        .machine = options_machine_name(m->options->chipset),
        .ram_size = m->options->ram_size,
        .engine = m->engine,
        .time_ns = m->clock.now(&m->clock) - m->began,
    };
    machine_let_go(m);
}

void machine_registers(struct machine *m, struct machine_registers *registers)
{
    machine_hold(m);
    d86_vcpu_get_regs(m->vcpu, &registers->regs);
    d86_vcpu_get_sregs(m->vcpu, &registers->sregs);
    machine_let_go(m);
}

char *machine_statistics(struct machine *m)
{
    machine_hold(m);
    char *json = statistics_json(m);
    machine_let_go(m);
    return json;
}

size_t machine_read(struct machine *m, enum machine_space space, uint64_t address, void *data, size_t size)
{
    struct d86_sregs sregs;
    machine_hold(m);
    if (space == MACHINE_LINEAR) {
        d86_vcpu_get_sregs(m->vcpu, &sregs);
        size = linear_read(m->vm, &sregs, (uint32_t)address, data, size);
    } else if (d86_vm_read(m->vm, address, data, size) < 0) {
        size = 0;
    }
    machine_let_go(m);
    return size;
}

/* One page after the other, in order; as `copy` says they are written or only looked at. */
static bool write_linear(struct machine *m, const struct d86_sregs *sregs, uint32_t la, const uint8_t *data,
                         size_t size, bool copy)
{
    for (size_t part; size; la += (uint32_t)part, data += part, size -= part) {
        uint64_t pa;
        part = linear_in_page(la, size);
        /* Again each time: what was just written may have been the page tables. */
        if (!linear_walk(m->vm, sregs, la, &pa) || !guest_memory_is_ram(m, pa, part))
            return false;
        if (copy && d86_vm_write(m->vm, pa, data, part) < 0)
            return false;
    }
    return true;
}

size_t machine_write(struct machine *m, enum machine_space space, uint64_t address, const void *data,
                     size_t size)
{
    struct d86_sregs sregs;
    bool done;
    machine_hold(m);
    d86_vcpu_get_sregs(m->vcpu, &sregs);
    if (space == MACHINE_LINEAR)
        done = write_linear(m, &sregs, (uint32_t)address, data, size, false) &&
               write_linear(m, &sregs, (uint32_t)address, data, size, true);
    else
        done = guest_memory_is_ram(m, address, size) && d86_vm_write(m->vm, address, data, size) == 0;
    machine_let_go(m);
    return done ? size : 0;
}
