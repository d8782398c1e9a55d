/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vCPU object: creation, reset, running, events. State conversion is in state.c. Library side.
 * API: include/duplex86/duplex86.h.
 */
#include <errno.h>
#include <string.h>

#include "cpu_model.h"
#include "exec.h"
#include "executor.h"
#include "mirror.h"
#include "state.h"

#define PA_MASK ((1ull << 36) - 1)
#define A20     (1ull << 20)

/* ---- Models
 * ------------------------------------------------------------------------------------------------ */

enum { MODELS_MAX = 32 };

const char *const *d86_cpu_models(void)
{
    static const char *names[MODELS_MAX + 1];
    for (unsigned i = 0; i < cpu_model_count && i < MODELS_MAX; i++)
        names[i] = cpu_models[i].name;
    return names;
}

const char *d86_cpu_model_description(const char *name)
{
    const struct cpu_model *model = cpu_model_find(name);
    return model ? model->description : NULL;
}

/* ---- Creation and reset
 * --------------------------------------------------------------------------------------- */

static void lay_out_member(struct arena *arena, unsigned i)
{
    struct arena_member *m = &arena->member[i];
    shadow_init(&m->shadow, 0, m->shadow_page, m->frame_head);
    for (unsigned n = 0; n < SYSTEM_SPACES; n++)
        shadow_init(&m->spaces.shadow[n], SYSTEM_WINDOW(n), m->space_page[n], m->space_frame_head[n]);
    arena->code[i].member = i;
    arena->executors.members.member[i].shadow = &m->shadow;
    arena->executors.members.member[i].spaces = &m->spaces;
    arena->executors.members.member[i].shadow_system = &m->spaces.shadow[0];
    arena->executors.members.member[i].code = &arena->code[i];
}

/* Everything the vCPU has in the arena. A VM may come here again after a start that failed. */
static void lay_out(struct arena *arena)
{
    struct vcpu *v = &arena->vcpu;
    v->exit = &arena->exit;
    v->blocks = &arena->blocks;
    arena->blocks.pool = arena->pool;
    arena->blocks.pool_size = sizeof(arena->pool);
    v->code_frame = arena->code_frame;
    v->native = &arena->native;
    v->trace = &arena->trace;
    v->pool = &arena->executors;
    v->members = &arena->executors.members;
    v->members->count = 1;
    for (unsigned i = 0; i < EXECUTORS_MAX; i++)
        lay_out_member(arena, i);
    v->member = 0;
    v->shadow = &arena->member[0].shadow;
    v->spaces = &arena->member[0].spaces;
    v->shadow_system = &v->spaces->shadow[0];
    v->code = &arena->code[0];
    v->translation = &arena->translation;
    translation_init(v->translation, arena->translated_code,
                     (const uint8_t *)arena + ARENA_TRANSLATED_OFFSET);
    v->lockstep = &arena->lockstep;
    for (unsigned i = 0; i < TLB_SIZE; i++)
        v->tlb_none[i] = (struct tlb_entry){ .read_tag = TLB_INVALID, .write_tag = TLB_INVALID };
}

static int check_config(const struct d86_vcpu_config *config)
{
    if (config->engine > D86_ENGINE_LOCKSTEP)
        return error_set(-EINVAL, "there is no engine number %d", (int)config->engine);
    if (config->split > D86_SPLIT_TLB)
        return error_set(-EINVAL, "there is no split number %d", (int)config->split);
    if (config->simulate_keys && (config->engine != D86_ENGINE_LOCKSTEP || config->split >= D86_SPLIT_NONE))
        return error_set(-EINVAL,
                         "only the engine lockstep can simulate protection keys, if its split uses some");
    if (config->translate > D86_TRANSLATE_ONLY)
        return error_set(-EINVAL, "there is no way to translate number %d", (int)config->translate);
    if (config->translation_size && config->translation_size < TRANSLATION_CODE_MIN)
        return error_set(-EINVAL, "translated code needs 8 MiB at least, not %llu bytes",
                         (unsigned long long)config->translation_size);
    if (config->spaces > D86_SPACES_MAX)
        return error_set(-EINVAL, "%u address spaces are more than %d", config->spaces, D86_SPACES_MAX);
    if (config->in_caller && config->engine != D86_ENGINE_INTERP)
        return error_set(-EINVAL, "only the engine interp can run in the caller's thread");
    return 0;
}

/* Native engines need the low 4 GiB for themselves, so they always have a process of their own. */
static int start_engine(struct d86_vm *vm, const struct d86_vcpu_config *config)
{
    struct vcpu *v = &vm->arena->vcpu;
    vm->vcpu.cpu.engine = v->engine = (uint8_t)config->engine;
    v->sbe.eager = config->eager;
    v->sbe.audit = config->audit;
    if (config->translation_size)
        translation_limit(v->translation, config->translation_size);
    v->translated.enabled = config->engine != D86_ENGINE_INTERP && config->translate != D86_TRANSLATE_OFF;
    v->sbe.translate_only = config->translate == D86_TRANSLATE_ONLY;
    v->split = (struct split){ .provider = D86_SPLIT_NONE };
    vm->vcpu.split = D86_SPLIT_NONE;
    if (config->engine != D86_ENGINE_INTERP)
        return carrier_start_native(vm, config);
    int result = config->in_caller ? 0 : carrier_start(vm);
    if (result < 0 || vm->apart)
        return result;
    return arena_map_text(vm);
}

/* What the processor knows about itself before it has any state. */
static int begin(struct d86_vcpu *vcpu, struct d86_vm *vm, const struct cpu_model *model, bool apic)
{
    const char *missing = NULL;
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->vm = vm;
    vcpu->state_known = true;
    if (!cpu_model_select(&vcpu->cpu, model, &missing))
        return error_set(-ENOTSUP, "the processor model '%s' needs %s, which this host lacks", model->name,
                         missing);
    if (apic)
        vcpu->cpu.features[CPU_APIC / 32] |= 1u << CPU_APIC % 32;
    vcpu->cpu.pa_mask = PA_MASK;
    vcpu->cpu.tsc_khz = tsc_khz();
    vcpu->cpu.map = vm->map;
    lay_out(vm->arena);
    mirror_publish_settings(vcpu, CHANNEL_TRANSLATIONS);
    return 0;
}

int d86_vcpu_create(struct d86_vm *vm, const struct d86_vcpu_config *config, struct d86_vcpu **vcpu)
{
    error_clear();
    if (vm->has_vcpu)
        return error_set(-EEXIST, "the virtual machine has a processor already");
    int result = check_config(config);
    if (result < 0)
        return result;
    const struct cpu_model *model = cpu_model_find(config->cpu);
    if (!model)
        return error_set(-EINVAL, "there is no processor model '%s'", config->cpu);
    result = begin(&vm->vcpu, vm, model, config->apic);
    if (result < 0)
        return result;
    result = start_engine(vm, config);
    if (result < 0)
        return result;
    vm->has_vcpu = true;
    d86_vcpu_reset(&vm->vcpu);
    *vcpu = &vm->vcpu;
    return 0;
}

void d86_vcpu_difference(const struct d86_vcpu *vcpu, struct d86_difference *difference)
{
    const struct d86_difference *found = &vcpu->vm->arena->lockstep.difference;
    arena_take(difference, found, sizeof(*difference));
    arena_take_text(difference->what, found->what, sizeof(difference->what));
    if (difference->length > sizeof(difference->code))
        difference->length = sizeof(difference->code);
}

enum d86_split d86_vcpu_split(const struct d86_vcpu *vcpu)
{
    return vcpu->split;
}

void d86_vcpu_reset(struct d86_vcpu *vcpu)
{
    state_reset(mirror_change(vcpu, CHANNEL_MODE | CHANNEL_TRANSLATIONS));
}

void vcpu_memory_changed(struct d86_vm *vm)
{
    if (!vm->has_vcpu)
        return;
    vm->vcpu.cpu.map = vm->map;
    mirror_publish_settings(&vm->vcpu, CHANNEL_TRANSLATIONS);
}

/* ---- Running
 * ----------------------------------------------------------------------------------------------------- */

int d86_vcpu_run(struct d86_vcpu *vcpu)
{
    error_clear();
    exit_give(vcpu);
    mirror_give(vcpu);
    if (carrier_run(vcpu->vm))
        exit_take(vcpu);
    mirror_forget(vcpu);
    vcpu->vm->noted.count = 0;
    return 0;
}

uint64_t d86_vcpu_run_ns(const struct d86_vcpu *vcpu)
{
    return carrier_run_ns(vcpu->vm);
}

struct d86_exit *d86_vcpu_exit(struct d86_vcpu *vcpu)
{
    return &vcpu->exit;
}

int d86_vcpu_interrupt(struct d86_vcpu *vcpu, uint8_t vector)
{
    if (!exec_can_interrupt(mirror_state(vcpu)))
        return -EAGAIN;
    mirror_change(vcpu, 0)->interrupt = vector;
    return 0;
}

void d86_vcpu_nmi(struct d86_vcpu *vcpu)
{
    mirror_change(vcpu, 0)->nmi_pending = true;
}

void d86_vcpu_kick(struct d86_vcpu *vcpu)
{
    uint32_t before = __atomic_fetch_or(&vcpu->vm->arena->vcpu.pending, PENDING_KICK, __ATOMIC_SEQ_CST);
    /* One signal for each kick that is taken: one that nobody has seen yet has sent its own. */
    if (!(before & PENDING_KICK))
        carrier_rouse(vcpu->vm);
}

void d86_vcpu_set_a20(struct d86_vcpu *vcpu, bool enabled)
{
    guest_pa mask = enabled ? PA_MASK : PA_MASK & ~A20;
    if (vcpu->cpu.pa_mask == mask)
        return;
    vcpu->cpu.pa_mask = mask;
    mirror_publish_settings(vcpu, CHANNEL_A20);
}

int d86_vcpu_set_ports(struct d86_vcpu *vcpu, const struct d86_ports *ports, unsigned count)
{
    if (count > D86_PORTS_MAX)
        return error_set(-EINVAL, "%u runs of ports are more than %u", count, D86_PORTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (ports[i].first > ports[i].last)
            return error_set(-EINVAL, "no ports lie from %#x to %#x", ports[i].first, ports[i].last);
    }
    vcpu->cpu.claimed.known = true;
    vcpu->cpu.claimed.count = count;
    memcpy(vcpu->cpu.claimed.run, ports, count * sizeof(*ports));
    mirror_publish_settings(vcpu, 0);
    return 0;
}

void d86_vcpu_ignne(struct d86_vcpu *vcpu)
{
    struct vcpu *v = mirror_change(vcpu, 0);
    v->fpu.ignne = true;
    fpu_invalidate(v);
}

/* ---- Debugging
 * --------------------------------------------------------------------------------------- */

void d86_vcpu_set_debug(struct d86_vcpu *vcpu, unsigned causes)
{
    vcpu->cpu.debug_causes = causes;
    mirror_publish_settings(vcpu, 0);
}

void d86_vcpu_exception(const struct d86_vcpu *vcpu, struct d86_exception *exception)
{
    const struct vcpu *v = mirror_state(vcpu);
    *exception = (struct d86_exception){
        .vector = v->event.vector,
        .has_error_code = v->event.has_error,
        .error_code = v->event.error,
        .cr2 = v->cr2,
    };
}
