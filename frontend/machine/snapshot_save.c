/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine into a snapshot. The guest stands still while its memory is copied, and goes on while that is
 * packed and written.
 */
#include "snapshots.h"

#include "error.h"
#include "machine_private.h"
#include "share.h"

#include <inttypes.h>

/* ---- What kind of machine ---- */

static void describe_nics(const struct machine *m, GString *text)
{
    for (unsigned i = 0; i < PC_NICS; i++) {
        const struct pc_nic *nic = &m->config.nics[i];
        if (nic->model != PC_NIC_NONE)
            g_string_append_printf(text, "network adapter %u: model %d, ROM of %u bytes\n", i,
                                   (int)nic->model, nic->rom_size);
    }
}

static void describe_places(const struct machine *m, GString *text)
{
    for (unsigned i = 0; i < PC_DRIVES; i++) {
        if (m->config.drives[i] != DEVICE_DRIVE_NONE)
            g_string_append_printf(text, "drive %s: kind %d\n", drives_name((enum pc_drive)i),
                                   (int)m->config.drives[i]);
    }
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        if (m->config.consoles[i].present)
            g_string_append_printf(text, "port %u of a console: '%.*s'\n", i, PC_CONSOLE_NAME,
                                   m->config.consoles[i].name);
    }
    for (unsigned i = 0; i < PC_SHARES; i++) {
        if (*m->config.shares[i])
            g_string_append_printf(text, "share %u: %.*s\n", i, PC_SHARE_NAME, m->config.shares[i]);
    }
}

char *snapshots_describe(const struct machine *m)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "machine: %s\n", options_machine_name(m->config.chipset));
    g_string_append_printf(text, "RAM: %" PRIu64 " MiB\n", m->config.ram_size >> 20);
    g_string_append_printf(text, "processor: %s\n", m->options->cpu ? m->options->cpu : "the default");
    g_string_append_printf(text, "APICs: %s\n", m->config.apic ? "on" : "off");
    g_string_append_printf(text, "serial ports: %#x\n", m->config.serial_ports);
    g_string_append_printf(text, "exit port: %#x\n", m->config.exit_port);
    g_string_append_printf(text, "firmware log: %s\n", m->config.firmware_log ? "on" : "off");
    g_string_append_printf(text, "entropy device: %s\n", m->config.rng ? "yes" : "no");
    g_string_append_printf(text, "tablet: %s\n", m->config.tablet ? "yes" : "no");
    g_string_append_printf(text, "keyboard of virtio: %s\n", m->config.keyboard ? "yes" : "no");
    g_string_append_printf(text, "memory balloon: %s\n", m->config.balloon ? "yes" : "no");
    describe_nics(m, text);
    describe_places(m, text);
    return g_string_free(text, FALSE);
}

/* ---- Out ---- */

static void add_text(struct snapshot *snapshot, const char *name, const char *text)
{
    g_byte_array_append(snapshot_add(snapshot, name, 1), (const guint8 *)text, (guint)strlen(text) + 1);
}

static void save_run(struct machine *m, struct snapshot *snapshot)
{
    const uint64_t now = m->clock.now(&m->clock);
    const struct snapshots_run run = {
        .time = now,
        .elapsed = now - m->began,
        .pending_vector = m->pending_vector,
        .nmi_wanted = m->nmi_wanted,
        .ferr = m->ferr,
    };
    g_byte_array_append(snapshot_add(snapshot, SNAPSHOTS_RUN, SNAPSHOTS_RUN_VERSION), (const guint8 *)&run,
                        sizeof run);
}

static gboolean save_processor(struct machine *m, struct snapshot *snapshot, GError **error)
{
    uint8_t state[D86_SAVED_MAX];
    int size = d86_vcpu_save(m->vcpu, state, sizeof state);
    if (size < 0)
        return fail_errno(error, size, d86_last_error(), "cannot save the processor's state");
    g_byte_array_append(snapshot_add(snapshot, SNAPSHOTS_PROCESSOR, 1), state, (guint)size);
    return TRUE;
}

struct board_writer {
    struct snapshot *snapshot;
    GByteArray *bytes;
};

static void begin(void *ctx, const char *name, uint32_t version)
{
    struct board_writer *w = ctx;
    w->bytes = snapshot_add(w->snapshot, name, version);
}

static void add_bytes(void *ctx, const void *data, size_t size)
{
    struct board_writer *w = ctx;
    g_byte_array_append(w->bytes, data, (guint)size);
}

static void save_board(struct machine *m, struct snapshot *snapshot)
{
    struct board_writer w = { .snapshot = snapshot };
    const struct pc_writer to = { .begin = begin, .bytes = add_bytes, .ctx = &w };
    pc_save(m->pc, &to);
}

/* What a guest has open there is the host's to know, and would be gone. */
static gboolean check_shares(const struct machine *m, GError **error)
{
    for (unsigned i = 0; i < PC_SHARES; i++) {
        if (m->shares[i].share && share_is_in_use(m->shares[i].share))
            return fail_with(error, FRONTEND_ERROR_USAGE,
                             "the guest uses the shared folder '%.*s', which no snapshot can keep: have it "
                             "unmounted first",
                             PC_SHARE_NAME, m->config.shares[i]);
    }
    return TRUE;
}

gboolean snapshots_capture(struct machine *m, struct snapshot *snapshot, GError **error)
{
    if (!check_shares(m, error))
        return FALSE;
    char *text = snapshots_describe(m);
    add_text(snapshot, SNAPSHOTS_MACHINE, text);
    g_free(text);
    save_run(m, snapshot);
    save_board(m, snapshot);
    return save_processor(m, snapshot, error) && snapshots_save_drives(m, snapshot, error) &&
           snapshots_save_memory(m, snapshot, error);
}

gboolean machine_save(struct machine *m, const char *file, GError **error)
{
    struct snapshot *snapshot = snapshot_new();
    gboolean ok = machine_settle(m, error);
    if (ok) {
        ok = snapshots_capture(m, snapshot, error);
        machine_unsettle(m);
    }
    ok = ok && snapshot_write(snapshot, file, error);
    snapshot_free(snapshot);
    return ok;
}
