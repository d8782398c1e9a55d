/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mirror: a struct vcpu of the library's own, of which the state and the settings are in use. The state
 * is taken from the arena when somebody asks for the first time after a run, since most exits need none of
 * it, and goes back before the next run if it was changed. Settings go one way. The mirror's pointers are
 * null or the library's; none is ever copied either way but the memory map's, which the executor alone
 * follows. Library side.
 */
#include "mirror.h"

void arena_take_text(char *to, const char *from, size_t size)
{
    arena_take(to, from, size);
    to[size - 1] = 0;
    for (char *p = to; *p; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
}

/* ---- Making sense of it ---------------------------------------------------------------------------- */

/* In C a bool is 0 or 1 and the compiler counts on it; in the arena it is a byte. */
static void normalize(bool *value)
{
    uint8_t byte;
    memcpy(&byte, value, sizeof(byte));
    *value = byte != 0;
}

static void normalize_segment(struct segment *s)
{
    normalize(&s->unusable);
    normalize(&s->readable);
    normalize(&s->writable);
}

/*
 * Registers may have any value: whoever rules the executor rules the guest. Only what the library's own code
 * counts on is put right.
 */
static void make_sane(struct vcpu *v)
{
    bool *flags[] = { &v->halted,
                      &v->shutdown,
                      &v->nmi_pending,
                      &v->nmi_blocked,
                      &v->int_shadow,
                      &v->shadow_is_ss,
                      &v->debug.active,
                      &v->event.has_error,
                      &v->fpu.unmasked,
                      &v->fpu.ignne,
                      &v->delivering.has_error,
                      &v->exception_shown,
                      &v->bus.waiting,
                      &v->fpu.simd_unmasked,
                      &v->repeating };
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        normalize(flags[i]);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        normalize_segment(&v->seg[i]);
    normalize_segment(&v->ldt);
    normalize_segment(&v->tr);
    v->fpu.live = false; /* what is live is in the executor's registers, not in ours */
    if (v->interrupt < 0 || v->interrupt > 255)
        v->interrupt = -1;
}

/* ---- Back and forth -------------------------------------------------------------------------------- */

static void *at(struct vcpu *v, size_t offset)
{
    return (uint8_t *)v + offset;
}

static void copy(struct vcpu *to, struct vcpu *from, size_t start, size_t end)
{
    arena_take(at(to, start), at(from, start), end - start);
}

static void copy_state(struct vcpu *to, struct vcpu *from)
{
    copy(to, from, VCPU_REGISTERS_START, VCPU_REGISTERS_END);
    copy(to, from, VCPU_STATE_START, VCPU_STATE_END);
}

struct vcpu *mirror_state(const struct d86_vcpu *vcpu)
{
    struct d86_vm *vm = vcpu->vm;
    struct vcpu *mirror = &vm->vcpu.cpu;
    if (!vm->vcpu.state_known) {
        copy_state(mirror, &vm->arena->vcpu);
        make_sane(mirror);
        vm->vcpu.state_known = true;
    }
    return mirror;
}

struct vcpu *mirror_change(struct d86_vcpu *vcpu, unsigned follows)
{
    struct vcpu *mirror = mirror_state(vcpu);
    vcpu->state_changed = true;
    vcpu->follows |= follows;
    return mirror;
}

void mirror_publish_settings(struct d86_vcpu *vcpu, unsigned follows)
{
    copy(&vcpu->vm->arena->vcpu, &vcpu->cpu, VCPU_SETTINGS_START, VCPU_SETTINGS_END);
    vcpu->follows |= follows;
}

void mirror_give(struct d86_vcpu *vcpu)
{
    struct arena *arena = vcpu->vm->arena;
    if (vcpu->state_changed)
        copy_state(&arena->vcpu, &vcpu->cpu);
    arena->channel.changed = vcpu->follows;
    vcpu->state_changed = false;
    vcpu->follows = 0;
}

void mirror_forget(struct d86_vcpu *vcpu)
{
    vcpu->state_known = false;
}
