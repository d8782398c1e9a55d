/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The exit record between arena and caller. What the caller sees is the library's own: it is filled from the
 * executor's at each exit with what the reason names, once that has been checked against what the API
 * promises. Library side. API: include/duplex86/duplex86.h.
 */
#include "mirror.h"

#define PA_MAX ((UINT64_C(1) << 36) - 1)

/* ---- By reason ------------------------------------------------------------------------------------- */

static bool is_access_size(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static bool take_io(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->io, &from->io, sizeof(to->io) - sizeof(to->io.data));
    if (!is_access_size(to->io.size) || to->io.size == 8)
        return false;
    if (to->io.count == 0 || to->io.count > D86_IO_DATA_MAX / to->io.size || to->io.is_out > 1)
        return false;
    uint32_t size = to->io.count * to->io.size;
    arena_take(to->io.data, from->io.data, size);
    vcpu->answer.io = to->io.is_out ? 0 : size;
    return true;
}

static bool take_mmio(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->mmio, &from->mmio, sizeof(to->mmio));
    if (!is_access_size(to->mmio.size) || to->mmio.is_write > 1 || to->mmio.pa > PA_MAX ||
        (to->mmio.pa & 0xfff) + to->mmio.size > 4096)
        return false;
    vcpu->answer.mmio = !to->mmio.is_write;
    return true;
}

static bool take_debug(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->debug, &from->debug, sizeof(to->debug));
    unsigned cause = to->debug.cause;
    return cause == D86_DEBUG_SINGLE_STEP || cause == D86_DEBUG_INT3 || cause == D86_DEBUG_EXCEPTIONS;
}

static bool take_error(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->error.code, &from->error.code, sizeof(to->error.code));
    arena_take_text(to->error.text, from->error.text, sizeof(to->error.text));
    return to->error.code == D86_ERROR_UNIMPLEMENTED || to->error.code == D86_ERROR_BUG;
}

static bool take_by_reason(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->reason, &from->reason, sizeof(to->reason));
    switch (to->reason) {
    case D86_EXIT_IO:
        return take_io(vcpu, from);
    case D86_EXIT_MMIO:
        return take_mmio(vcpu, from);
    case D86_EXIT_DEBUG:
        return take_debug(vcpu, from);
    case D86_EXIT_INTERNAL_ERROR:
        return take_error(vcpu, from);
    default:
        return to->reason != D86_EXIT_NONE && to->reason < D86_EXIT_REASONS;
    }
}

/* ---- Posted writes --------------------------------------------------------------------------------- */

static bool may_be_posted(const struct d86_vcpu *vcpu, unsigned port)
{
    return port < D86_POSTED_PORTS && (vcpu->cpu.posted_ports[port / 64] >> port % 64 & 1);
}

/* Ticks of the time stamp counter when it was posted become nanoseconds from then to now. */
static uint64_t age_ns(const struct d86_vcpu *vcpu, uint64_t posted, uint64_t now)
{
    uint64_t ticks = now - posted;
    bool known = vcpu->cpu.tsc_khz && ticks < UINT64_MAX / 1000000;
    return known ? ticks * 1000000 / vcpu->cpu.tsc_khz : 0;
}

static bool take_posted(struct d86_vcpu *vcpu, const struct d86_exit *from)
{
    struct d86_exit *to = &vcpu->exit;
    arena_take(&to->posted_count, &from->posted_count, sizeof(to->posted_count));
    if (to->posted_count == 0)
        return true;
    if (to->posted_count > D86_POSTED_MAX)
        return false;
    arena_take(to->posted, from->posted, to->posted_count * sizeof(to->posted[0]));
    uint64_t now = __builtin_ia32_rdtsc();
    for (uint32_t i = 0; i < to->posted_count; i++) {
        if (!may_be_posted(vcpu, to->posted[i].port))
            return false;
        to->posted[i].age_ns = age_ns(vcpu, to->posted[i].age_ns, now);
    }
    return true;
}

/* ---- Back and forth -------------------------------------------------------------------------------- */

void exit_give(struct d86_vcpu *vcpu)
{
    struct d86_exit *to = &vcpu->vm->arena->exit;
    const struct d86_exit *from = &vcpu->exit;
    to->request_interrupt_window = from->request_interrupt_window;
    to->deadline_ns = from->deadline_ns;
    to->known_count = from->known_count;
    memcpy(to->known, from->known, sizeof(to->known));
    if (vcpu->answer.io)
        memcpy(to->io.data, from->io.data, vcpu->answer.io);
    if (vcpu->answer.mmio)
        memcpy(to->mmio.data, from->mmio.data, sizeof(to->mmio.data));
}

/* It is no more than a mistake, or it is somebody else's work: either way nothing of it is to be used. */
static void refuse(struct d86_exit *exit)
{
    static const char text[] = "the executor process sent an exit record that cannot be";
    exit->reason = D86_EXIT_INTERNAL_ERROR;
    exit->posted_count = 0;
    exit->error.code = D86_ERROR_BUG;
    memcpy(exit->error.text, text, sizeof(text));
}

void exit_take(struct d86_vcpu *vcpu)
{
    const struct d86_exit *from = &vcpu->vm->arena->exit;
    struct d86_exit *to = &vcpu->exit;
    vcpu->answer.io = 0;
    vcpu->answer.mmio = false;
    arena_take(&to->ready_for_interrupt, &from->ready_for_interrupt, sizeof(to->ready_for_interrupt));
    arena_take(&to->interrupt_flag, &from->interrupt_flag, sizeof(to->interrupt_flag));
    arena_take(&to->ferr, &from->ferr, sizeof(to->ferr));
    bool pins = to->ready_for_interrupt <= 1 && to->interrupt_flag <= 1 && to->ferr <= 1;
    if (!take_by_reason(vcpu, from) || !take_posted(vcpu, from) || !pins)
        refuse(to);
}
