/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Power and reset: the machine as it is when the guest's first instruction runs, and what becomes of a guest
 * that pulls the reset line.
 */
#include "machine_private.h"

#include "error.h"

#include <errno.h>

static int write_guest(void *opaque, uint64_t pa, const void *data, size_t size)
{
    const struct machine *m = opaque;
    return d86_vm_write(m->vm, pa, data, size);
}

/* The same below 4 GiB whether the guest can write there or not. */
static int store_guest(void *opaque, uint64_t pa, const void *data, size_t size)
{
    const struct machine *m = opaque;
    return d86_vm_store(m->vm, m->ram + pa, data, size);
}

/* ---- Building ---- */

/*
 * With --engine auto, the interpreter takes the place of an engine the host cannot have, and is in this
 * process if the host cannot have it confined either.
 */
static int create_processor(struct machine *m)
{
    struct d86_vcpu_config config = {
        .cpu = m->options->cpu,
        .engine = m->options->engine,
        .split = m->options->split,
        .translate = m->options->translate,
        .translation_size = m->options->translation_size,
        .spaces = m->options->spaces,
        .eager = m->options->eager,
        .audit = m->options->audit,
        .simulate_keys = m->options->simulate_keys,
        .in_caller = m->options->in_process,
        .apic = m->options->apic,
    };
    int ret = d86_vcpu_create(m->vm, &config, &m->vcpu);
    if (ret == -ENOTSUP && m->options->engine_auto) {
        m->engine_note = g_strdup(d86_last_error());
        config.engine = D86_ENGINE_INTERP;
        ret = d86_vcpu_create(m->vm, &config, &m->vcpu);
        config.in_caller = true;
        if (ret == -ENOTSUP)
            ret = d86_vcpu_create(m->vm, &config, &m->vcpu);
    }
    m->engine = config.engine;
    return ret;
}

static gboolean build_vm(struct machine *m, GError **error)
{
    int ret = d86_vm_create(&m->vm);
    if (ret < 0)
        return fail_errno(error, ret, d86_last_error(), "cannot create a virtual machine");
    if (!guest_memory_build(m, error))
        return FALSE;
    ret = create_processor(m);
    if (ret < 0)
        return fail_errno(error, ret, d86_last_error(), "cannot create the virtual processor");
    m->exit = d86_vcpu_exit(m->vcpu);
    d86_vcpu_set_timing(m->vcpu, m->options->stats != OPTIONS_STATS_NONE);
    for (char **glob = m->options->trace; glob && *glob; glob++)
        d86_vcpu_trace_enable(m->vcpu, *glob);
    return TRUE;
}

_Static_assert((int)PC_PORTS_MAX <= (int)D86_PORTS_MAX, "the processor takes what the board has");

/* Accesses to all other ports need no exit; but a trace is to have each. */
static void claim_ports(struct machine *m)
{
    struct pc_ports ports[PC_PORTS_MAX];
    struct d86_ports claimed[PC_PORTS_MAX];
    unsigned count = pc_claimed_ports(m->pc, ports);
    for (unsigned i = 0; i < count; i++)
        claimed[i] = (struct d86_ports){ ports[i].first, ports[i].last };
    if (!m->trace)
        d86_vcpu_set_ports(m->vcpu, claimed, count);
    m->ports_moved = false;
}

gboolean power_follow_chipset(struct machine *m, GError **error)
{
    if (m->ports_moved)
        claim_ports(m);
    return !m->memory_moved || guest_memory_follow(m, error);
}

gboolean power_build(struct machine *m, GError **error)
{
    if (!build_vm(m, error))
        return FALSE;
    m->pc = g_malloc0(pc_size());
    int ret = pc_init(m->pc, &m->config, &board_callbacks, m);
    if (ret == -EINVAL && m->config.exit_port)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "--exit-port 0x%x lies on top of another device: 0xf4 is free", m->config.exit_port);
    if (ret < 0)
        return fail_errno(error, ret, NULL, "cannot build the PC");
    m->deadline = pc_next_deadline(m->pc);
    claim_ports(m);
    return TRUE;
}

/* ---- Starting ---- */

static struct d86_segment flat_segment(uint16_t selector, uint16_t attr)
{
    return (struct d86_segment){ .limit = UINT32_MAX, .selector = selector, .attr = attr };
}

static struct d86_segment real_mode_segment(uint16_t selector)
{
    return (struct d86_segment){
        .base = (uint32_t)selector << 4, .limit = 0xffff, .selector = selector, .attr = 0x93
    };
}

/* The processor as a direct boot leaves it: flat or real-mode segments, interrupts off, caches on. */
static gboolean set_boot_state(struct machine *m, const struct boot_state *state, GError **error)
{
    bool real = state->real_mode;
    struct d86_sregs sregs;
    d86_vcpu_get_sregs(m->vcpu, &sregs);
    for (unsigned i = 0; i < G_N_ELEMENTS(sregs.seg); i++)
        sregs.seg[i] = real ? real_mode_segment(state->segment) : flat_segment(BOOT_DS, 0xc093);
    sregs.seg[D86_CS] = real ? real_mode_segment(state->cs) : flat_segment(BOOT_CS, 0xc09b);
    sregs.gdt = (struct d86_table){ .base = BOOT_GDT, .limit = BOOT_GDT_SIZE - 1 };
    sregs.idt = (struct d86_table){ .limit = real ? 0x3ff : 0 };
    sregs.cr0 = real ? 0x10 : 0x11; /* ET, and PE */
    int ret = d86_vcpu_set_sregs(m->vcpu, &sregs);
    if (ret < 0)
        return fail_errno(error, ret, d86_last_error(), "cannot set the processor's first state");

    struct d86_regs regs = {
        .eax = state->eax,
        .ebx = state->ebx,
        .esi = state->esi,
        .esp = state->esp,
        .eip = state->eip,
        .eflags = 2,
    };
    d86_vcpu_set_regs(m->vcpu, &regs);
    return TRUE;
}

/* The kernel finds the display adapter as a BIOS leaves it. */
static gboolean start_screen(struct machine *m, const struct boot_memory *memory, struct boot_state *state,
                             GError **error)
{
    const struct boot_memory store = { .write = store_guest, .opaque = m };
    return guest_memory_copy_video_bios(m, error) && boot_write_gdt(memory, error) &&
           firmware_start_screen(&store, state, error);
}

static gboolean load_kernel(struct machine *m, const struct boot_memory *memory, GError **error)
{
    struct boot_file *initrds = g_new0(struct boot_file, m->initrd_count + 1);
    for (size_t i = 0; i < m->initrd_count; i++)
        initrds[i] = (struct boot_file){ .name = m->initrds[i].name,
                                         .data = m->initrds[i].data,
                                         .size = m->initrds[i].size,
                                         .string = m->options->initrds[i] };
    struct boot_request request = {
        .kernel = { .name = m->kernel.name, .data = m->kernel.data, .size = m->kernel.size },
        .initrds = initrds,
        .initrd_count = m->initrd_count,
        .command_line = m->options->append,
        .map = &m->map,
    };
    struct boot_state state;
    gboolean ok = loader_load(&request, memory, &state, error) &&
                  (!m->video_rom.data || start_screen(m, memory, &state, error)) &&
                  set_boot_state(m, &state, error);
    g_free(initrds);
    return ok;
}

/*
 * A BIOS leaves the serial ports ready for eight bits at 9600 baud, with their interrupts let through to the
 * controller. Small kernels just send, or enable an interrupt and wait for it.
 */
static void set_up_serial_ports(struct machine *m)
{
    static const uint16_t base[PC_SERIAL_MAX] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    for (unsigned i = 0; i < PC_SERIAL_MAX; i++) {
        if (!(m->config.serial_ports & (1u << i)))
            continue;
        pc_port_write(m->pc, base[i] + 3, 1, 0x83); /* LCR: divisor latch, 8 data bits, 1 stop bit */
        pc_port_write(m->pc, base[i], 2, 115200 / 9600);
        pc_port_write(m->pc, base[i] + 3, 1, 0x03);
        pc_port_write(m->pc, base[i] + 4, 1, 0x0b); /* MCR: DTR, RTS, OUT2 */
    }
}

static unsigned cmos_bcd(struct machine *m, unsigned index)
{
    uint8_t value = pc_cmos_read(m->pc, index);
    return (value >> 4) * 10u + (value & 0xf);
}

/* The time of day as a BIOS counts it: periods of timer 0, from what the clock says at the start. */
static uint32_t ticks_since_midnight(struct machine *m)
{
    uint64_t seconds = (cmos_bcd(m, 4) * 60 + cmos_bcd(m, 2)) * 60 + cmos_bcd(m, 0);
    return (uint32_t)(seconds * 1193182 / 65536);
}

static gboolean stand_in_for_bios(struct machine *m, const struct boot_memory *memory, GError **error)
{
    pc_firmware_defaults(m->pc);
    set_up_serial_ports(m);
    const struct firmware_facts facts = {
        .serial_ports = m->config.serial_ports,
        .ticks = ticks_since_midnight(m),
        .map = &m->map,
    };
    return guest_memory_copy_bios(m, error) && guest_memory_write_acpi(m, error) &&
           guest_memory_write_tables(m, error) && firmware_write_tables(memory, &facts, error);
}

gboolean power_start(struct machine *m, GError **error)
{
    const struct boot_memory memory = { .write = write_guest, .opaque = m };
    if (!power_follow_chipset(m, error))
        return FALSE;
    if (!m->options->kernel)
        return TRUE; /* the reset vector does the rest */
    return stand_in_for_bios(m, &memory, error) && load_kernel(m, &memory, error);
}

/* ---- Resets ---- */

/*
 * Software for the 80286 leaves protected mode by a reset, after telling the BIOS in CMOS byte 0Fh to go on
 * where it says. Such a reset is the processor's alone. (PC/AT Technical Reference, "Shutdown Status Byte".)
 */
static bool resumes_after_reset(const struct machine *m)
{
    if (m->options->kernel)
        return false;
    uint8_t code = pc_cmos_read(m->pc, 0x0f);
    return code == 0x05 || code == 0x09 || code == 0x0a;
}

static void restart(struct machine *m)
{
    d86_vcpu_reset(m->vcpu);
    pc_reset(m->pc);
    m->pending_vector = -1;
    m->nmi_wanted = m->ferr = false;
    m->exit->request_interrupt_window = 0;
    m->exit->ready_for_interrupt = 0;
    if (!m->failure && !power_start(m, &m->failure))
        machine_end(m, STATUS_HOST_ERROR);
    machine_tell(m, MACHINE_RESET);
}

static void reset_or_end(struct machine *m, int status, const char *what)
{
    if (resumes_after_reset(m)) {
        d86_vcpu_reset(m->vcpu);
        m->exit->ready_for_interrupt = 0;
    } else if (m->options->restart) {
        restart(m);
    } else {
        g_printerr("duplex86: %s\n", what);
        machine_end(m, status);
    }
}

void power_reset(struct machine *m)
{
    m->reset_wanted = false;
    if (m->reset_pressed) {
        m->reset_pressed = false;
        restart(m);
        return;
    }
    reset_or_end(m, STATUS_REBOOT, "the guest rebooted");
}

void power_shutdown(struct machine *m)
{
    reset_or_end(m, STATUS_TRIPLE_FAULT, "the guest died of a triple fault");
}
