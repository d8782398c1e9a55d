/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vCPU's thread: run the guest, answer its exit, hand it its interrupts, again. The lock is given up only
 * inside d86_vcpu_run() and while there is nothing to run.
 */
#include "machine_private.h"

#include "error.h"

#include <string.h>

/* ---- Interrupts ---- */

/* Are there accesses that are no exits, to the chips next to the processor above all? But a trace is to have
 * each. */
static bool lends(const struct machine *m)
{
    return !m->trace;
}

/*
 * Inject what the devices ask for, or ask to be told when that is possible. A processor that has the
 * interrupt controllers asks them itself.
 */
static void offer_interrupts(struct machine *m)
{
    struct d86_exit *exit = m->exit;
    if (m->nmi_wanted) {
        m->nmi_wanted = false;
        d86_vcpu_nmi(m->vcpu);
    }
    if (lends(m) || (m->pending_vector < 0 && !pc_intr(m->pc))) {
        exit->request_interrupt_window = 0;
        return;
    }
    if (exit->ready_for_interrupt) {
        if (m->pending_vector < 0)
            m->pending_vector = pc_intr_ack(m->pc);
        if (d86_vcpu_interrupt(m->vcpu, (uint8_t)m->pending_vector) == 0)
            m->pending_vector = -1;
        exit->ready_for_interrupt = 0; /* one at a time: the next has to ask again */
    }
    exit->request_interrupt_window = m->pending_vector >= 0 || pc_intr(m->pc);
}

/* ---- Time ---- */

/* Run what is due. */
static void serve_timers(struct machine *m)
{
    if (m->deadline != DEVICE_NEVER && m->clock.now(&m->clock) >= m->deadline)
        pc_run_timers(m->pc);
}

/* Have the guest stopped when something is due. */
static void promise_deadline(struct machine *m)
{
    m->promised = m->deadline;
    m->exit->deadline_ns = m->deadline == DEVICE_NEVER ? 0 : MAX(clock_host_ns(&m->clock, m->deadline), 1);
}

/* Sleep until someone signals, or until the devices' next deadline. */
static void wait_for_news(struct machine *m)
{
    m->waiting = true;
    if (drives_have_news(m) || nets_have_news(m) || shares_have_news(m) || ports_have_news(m)) {
        /* here it is */
    } else if (m->deadline == DEVICE_NEVER || m->clock.stopped) {
        pthread_cond_wait(&m->wake, &m->lock);
    } else {
        struct timespec until = clock_timespec(&m->clock, m->deadline);
        pthread_cond_timedwait(&m->wake, &m->lock, &until);
    }
    m->waiting = false;
    drives_serve(m);
    shares_serve(m);
    ports_serve(m);
    nets_serve(m);
    serve_timers(m);
    if (m->settling)
        pthread_cond_broadcast(&m->still);
}

/* The processor stands still: nothing to do until an interrupt. */
static void wait_for_interrupt(struct machine *m, const char *how)
{
    bool deaf = !m->exit->interrupt_flag;
    if (deaf && !m->nmi_wanted && !m->reset_wanted && !m->options->keep_halted) {
        /* Only an NMI could wake the processor, and nothing here raises one. */
        g_printerr("duplex86: the guest %s\n", how);
        machine_end(m, STATUS_HALTED);
        return;
    }
    statistics_spend(m, SPENT_WAITING);
    pc_set_halted(m->pc, true);
    while (!m->stopping && !m->reset_wanted && !m->nmi_wanted && !m->replaced && (deaf || !pc_intr(m->pc)))
        wait_for_news(m);
    pc_set_halted(m->pc, false);
    statistics_spend(m, SPENT_DEVICES);
}

static bool someone_is_congested(const struct machine *m)
{
    bool congested = backend_congested(m->debugcon) || ports_are_congested(m);
    for (unsigned i = 0; i < OPTIONS_SERIAL_MAX && !congested; i++)
        congested = backend_congested(m->serial[i]);
    return congested;
}

/* Let the reader of the guest's output catch up. */
static void wait_for_readers(struct machine *m)
{
    while (someone_is_congested(m) && !m->stopping)
        wait_for_news(m);
}

/* Who holds the guest may want it to stand between two instructions: then what is under way is completed. */
static bool must_stand(const struct machine *m)
{
    if (m->settling && d86_vcpu_is_amid(m->vcpu))
        return false;
    return machine_is_held(m) || m->paused;
}

/* The guest is to stand still: somebody looks at it, or it is paused. */
static void stand_by(struct machine *m)
{
    while (must_stand(m) && !m->stopping && !m->reset_wanted)
        wait_for_news(m);
}

/* ---- Exits ---- */

static void serve_port(struct machine *m)
{
    struct d86_exit *exit = m->exit;
    uint8_t *data = exit->io.data;
    const unsigned size = exit->io.size;
    for (uint32_t i = 0; i < exit->io.count; i++, data += size) {
        uint32_t value = 0;
        if (exit->io.is_out) {
            memcpy(&value, data, size);
            pc_port_write(m->pc, exit->io.port, size, value);
        } else {
            value = pc_port_read(m->pc, exit->io.port, size);
            memcpy(data, &value, size);
        }
    }
}

/* Devices take 1, 2, 4 or 8 bytes at once; wider and odd accesses go in pieces, lowest address first. */
static void serve_memory(struct machine *m)
{
    struct d86_exit *exit = m->exit;
    unsigned done = 0;
    while (done < exit->mmio.size) {
        unsigned left = exit->mmio.size - done;
        unsigned size = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        uint64_t value = 0;
        if (exit->mmio.is_write) {
            memcpy(&value, exit->mmio.data + done, size);
            pc_mmio_write(m->pc, exit->mmio.pa + done, size, value);
        } else {
            value = pc_mmio_read(m->pc, exit->mmio.pa + done, size);
            memcpy(exit->mmio.data + done, &value, size);
        }
        done += size;
    }
}

/*
 * FERR# rises where the processor stops for it and falls when the exception is gone, which is seen at the
 * next exit. A processor that stops anew while the pin is up is not held by the error it stopped for before,
 * unless IRQ 13 still waits to be answered: that one was cleared, and the pin went down and up between two
 * exits.
 */
static void follow_ferr(struct machine *m)
{
    bool stopped = m->exit->reason == D86_EXIT_FERR;
    if (m->ferr && (stopped || !m->exit->ferr))
        pc_set_ferr(m->pc, false);
    if (stopped)
        pc_set_ferr(m->pc, true);
    m->ferr = stopped || (m->ferr && m->exit->ferr);
}

static void serve_exit(struct machine *m)
{
    follow_ferr(m); /* first: a write to port F0h asks for the level */
    switch (m->exit->reason) {
    case D86_EXIT_IO:
        serve_port(m);
        break;
    case D86_EXIT_MMIO:
        serve_memory(m);
        break;
    case D86_EXIT_HLT:
        wait_for_interrupt(m, "halted");
        break;
    case D86_EXIT_FERR:
        wait_for_interrupt(m, "waits with interrupts off for someone to see to its x87 error");
        break;
    case D86_EXIT_SHUTDOWN:
        power_shutdown(m);
        break;
    case D86_EXIT_INTERNAL_ERROR:
        machine_drain(m);
        g_printerr("duplex86: cannot go on with the guest: %s\n", m->exit->error.text);
        report_guest_state(m);
        machine_end(m, STATUS_INTERNAL_ERROR);
        break;
    case D86_EXIT_DIFFERENCE:
        machine_drain(m);
        report_difference(m);
        report_guest_state(m);
        machine_end(m, STATUS_INTERNAL_ERROR);
        break;
    default: /* kicked, a window, nothing: the loop looks at the news anyway */
        break;
    }
}

/* ---- The thread ---- */

_Static_assert(PC_LENT_SIZE == sizeof(((struct d86_exit *)0)->lent),
               "what the board lends is what the processor gets");

static void lend_chips(struct machine *m)
{
    m->exit->lend = lends(m);
    if (!m->exit->lend)
        return;
    pc_lend(m->pc, m->exit->lent);
    m->exit->behind_ns = m->clock.behind_ns;
}

_Static_assert(PC_LENT_VIDEO_SIZE == sizeof(((struct d86_exit *)0)->video),
               "what the board lends is what the processor gets");

/* Lockstep executes instructions twice, and could not take back what the first time did to the latches. */
static void lend_video(struct machine *m)
{
    m->exit->video_memory = m->video;
    m->exit->lend_video =
        lends(m) && m->engine != D86_ENGINE_LOCKSTEP && pc_lend_video(m->pc, m->exit->video);
}

static void take_chips_back(struct machine *m)
{
    if (m->exit->lend_video)
        pc_take_video_back(m->pc, m->exit->video);
    if (!m->exit->lend || pc_take_back(m->pc, m->exit->lent) || m->stopping)
        return;
    g_printerr("duplex86: cannot go on with the guest: the executor process gave back chips in a state they "
               "cannot be in\n");
    machine_end(m, STATUS_INTERNAL_ERROR);
}

_Static_assert((int)PC_KNOWN_MAX <= (int)D86_KNOWN_MAX, "the processor takes what the board knows");

static void tell_known_reads(struct machine *m)
{
    struct pc_known known[PC_KNOWN_MAX];
    m->exit->known_count = lends(m) ? pc_known_reads(m->pc, known) : 0;
    for (unsigned i = 0; i < m->exit->known_count; i++) {
        m->exit->known[i].port = known[i].port;
        m->exit->known[i].value = known[i].value;
    }
}

_Static_assert((int)PC_POSTING_MAX <= (int)D86_POSTING_MAX, "the processor takes what the board lets wait");

static void tell_posting_ports(struct machine *m)
{
    m->exit->posting_count = lends(m) ? pc_posting_ports(m->pc, m->exit->posting) : 0;
}

/* What the guest wrote before the exit it is. */
static void make_posted_writes(struct machine *m)
{
    for (unsigned i = 0; i < m->exit->posted_count; i++)
        pc_port_write(m->pc, m->exit->posted[i].port, 1, m->exit->posted[i].value);
}

static void follow_chipset(struct machine *m)
{
    if (!power_follow_chipset(m, &m->failure))
        machine_end(m, STATUS_HOST_ERROR);
}

static void run_guest(struct machine *m)
{
    if (m->settling)
        d86_vcpu_kick(m->vcpu); /* no further than the end of the instruction */
    lend_chips(m); /* first: their deadline goes with them */
    lend_video(m);
    promise_deadline(m);
    tell_known_reads(m);
    tell_posting_ports(m);
    m->in_guest = true;
    statistics_spend(m, SPENT_RUNNING);
    pthread_mutex_unlock(&m->lock);
    int ret = d86_vcpu_run(m->vcpu);
    pthread_mutex_lock(&m->lock);
    statistics_spend(m, SPENT_DEVICES);
    m->in_guest = false;
    if (machine_is_held(m))
        pthread_cond_broadcast(&m->still);
    take_chips_back(m);
    make_posted_writes(m);
    if (ret == 0 && m->exit->reason < D86_EXIT_REASONS)
        m->exits[m->exit->reason]++;
    if (m->trace)
        trace_processor(m->trace, m->vcpu, m->clock.now(&m->clock));
    if (ret < 0 && !m->stopping) {
        fail_errno(&m->failure, ret, d86_last_error(), "cannot run the virtual processor");
        machine_end(m, STATUS_HOST_ERROR);
    } else if (!m->stopping) {
        serve_exit(m);
    }
}

void *run_vcpu(void *machine)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    while (!m->stopping) {
        wait_for_readers(m);
        stand_by(m);
        m->replaced = false;
        if (m->reset_wanted)
            power_reset(m);
        drives_serve(m);
        shares_serve(m);
        ports_serve(m);
        nets_serve(m);
        serve_timers(m);
        offer_interrupts(m);
        if (m->memory_moved || m->ports_moved)
            follow_chipset(m);
        if (!m->stopping && !must_stand(m))
            run_guest(m);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
