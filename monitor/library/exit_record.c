/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The exit record between arena and caller. What the caller sees is the library's own: it is filled from the
 * executor's at each exit with what the reason names, once that has been checked against what the API
 * promises. Library side. API: include/duplex86/duplex86.h.
 */
#include "mirror.h"

#include "devices/video.h"

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

/* ---- Back and forth -------------------------------------------------------------------------------- */

void exit_give(struct d86_vcpu *vcpu)
{
    struct d86_exit *to = &vcpu->vm->arena->exit;
    const struct d86_exit *from = &vcpu->exit;
    to->request_interrupt_window = from->request_interrupt_window;
    to->deadline_ns = from->deadline_ns;
    to->known_count = from->known_count;
    memcpy(to->known, from->known, sizeof(to->known));
    to->posting_count = from->posting_count;
    memcpy(to->posting, from->posting, sizeof(to->posting));
    to->posted_count = vcpu->exit.posted_count = 0;
    to->lend = from->lend;
    to->behind_ns = from->behind_ns;
    if (from->lend)
        memcpy(to->lent, from->lent, sizeof(to->lent));
    to->lend_video = from->lend_video && from->video_memory <= vcpu->vm->ram_size &&
                     vcpu->vm->ram_size - from->video_memory >= VIDEO_MEMORY;
    to->video_memory = from->video_memory;
    if (to->lend_video)
        memcpy(to->video, from->video, sizeof(to->video));
    if (vcpu->answer.io)
        memcpy(to->io.data, from->io.data, vcpu->answer.io);
    if (vcpu->answer.mmio)
        memcpy(to->mmio.data, from->mmio.data, sizeof(to->mmio.data));
}

static bool take_posted(struct d86_exit *to, const struct d86_exit *from)
{
    uint32_t count;
    arena_take(&count, &from->posted_count, sizeof(count));
    to->posted_count = count <= D86_POSTED_MAX ? count : 0;
    arena_take(to->posted, from->posted, to->posted_count * sizeof(to->posted[0]));
    return count <= D86_POSTED_MAX;
}

/* It is no more than a mistake, or it is somebody else's work: either way nothing of it is to be used. */
static void refuse(struct d86_exit *exit)
{
    static const char text[] = "the executor process sent an exit record that cannot be";
    exit->reason = D86_EXIT_INTERNAL_ERROR;
    exit->error.code = D86_ERROR_BUG;
    memcpy(exit->error.text, text, sizeof(text));
}

void exit_take(struct d86_vcpu *vcpu)
{
    const struct d86_exit *from = &vcpu->vm->arena->exit;
    struct d86_exit *to = &vcpu->exit;
    vcpu->answer.io = 0;
    vcpu->answer.mmio = false;
    if (to->lend)
        arena_take(to->lent, from->lent, sizeof(to->lent));
    if (to->lend_video)
        arena_take(to->video, from->video, sizeof(to->video));
    arena_take(&to->ready_for_interrupt, &from->ready_for_interrupt, sizeof(to->ready_for_interrupt));
    arena_take(&to->interrupt_flag, &from->interrupt_flag, sizeof(to->interrupt_flag));
    arena_take(&to->ferr, &from->ferr, sizeof(to->ferr));
    bool posted = take_posted(to, from);
    bool pins = to->ready_for_interrupt <= 1 && to->interrupt_flag <= 1 && to->ferr <= 1;
    if (!take_by_reason(vcpu, from) || !pins || !posted)
        refuse(to);
}
