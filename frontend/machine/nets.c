/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames from the guest go to their cable inside the access that sends them. Those for the guest wait in the
 * cable's queue until the processor's thread is between two runs, for what the guest sees changes then.
 */
#include "nets.h"

#include "error.h"
#include "machine_private.h"
#include "net.h"

#include <string.h>

enum { AT_ONCE = 1024 }; /* frames: then the guest has its turn */

void nets_send_frame(void *ctx, unsigned nic, const struct device_frame *frame)
{
    struct machine *m = ctx;
    net_send(m->nics[nic].net, frame);
}

void nets_frame_room(void *ctx, unsigned nic)
{
    struct machine *m = ctx;
    m->nics[nic].full = false;
}

void nets_take_segments(void *ctx, unsigned nic, bool ipv4, bool ipv6)
{
    struct machine *m = ctx;
    /* Adapters say so when they are reset, too, before there are cables. */
    if (nic < m->nic_count)
        net_take_segments(m->nics[nic].net, ipv4, ipv6);
}

/* In a cable's thread. */
static void on_news(void *ctx)
{
    struct machine *m = ctx;
    pthread_mutex_lock(&m->lock);
    machine_rouse(m);
    pthread_mutex_unlock(&m->lock);
}

bool nets_have_news(const struct machine *m)
{
    for (unsigned i = 0; i < m->nic_count; i++) {
        if (!m->nics[i].full && net_has_frames(m->nics[i].net))
            return true;
    }
    return false;
}

static void serve_one(struct machine *m, unsigned nic)
{
    struct nic *n = &m->nics[nic];
    for (unsigned i = 0; i < AT_ONCE && !n->full; i++) {
        struct net_frame *f = net_take(n->net);
        if (!f)
            return;
        const struct device_frame frame = {
            .data = f->data, .size = f->size, .segment = f->segment, .checked = f->checked
        };
        n->full = !pc_frame_arrives(m->pc, nic, &frame);
        if (n->full)
            net_put_back(n->net, f);
        else
            g_free(f);
    }
}

void nets_serve(struct machine *m)
{
    for (unsigned i = 0; i < m->nic_count; i++) {
        if (!m->nics[i].full && net_has_frames(m->nics[i].net))
            serve_one(m, i);
    }
}

/* What starts from the network is in the adapter's ROM, which is put in only if somebody wants that: it takes
   its time to say so on the screen. */
static gboolean read_rom(struct machine *m, unsigned number, GError **error)
{
    static const struct {
        const char *name;
        uint16_t vendor, device;
    } adapters[PC_NIC_MODELS] = {
        [PC_NIC_E1000] = { "e1000", 0x8086, 0x100e },
        [PC_NIC_NE2000_PCI] = { "ne2k_pci", 0x10ec, 0x8029 },
        [PC_NIC_VIRTIO] = { "virtio", 0x1af4, 0x1000 },
    };
    enum pc_nic_model model = m->config.nics[number].model;
    if (m->options->kernel || !strchr(m->options->media.boot_order, 'n') || !adapters[model].name)
        return TRUE;
    char *path = firmware_find_pxe(adapters[model].name);
    if (!path)
        return fail_with(
            error, FRONTEND_ERROR_IMAGE,
            "there is no iPXE on this host to start from the network: install the package ipxe-qemu");
    gboolean ok = firmware_read_option_rom(&m->nics[number].rom, path, DEVICE_NIC_ROM, error);
    g_free(path);
    firmware_set_pci_id(&m->nics[number].rom, adapters[model].vendor, adapters[model].device);
    m->config.nics[number].rom = m->nics[number].rom.data;
    m->config.nics[number].rom_size = m->nics[number].rom.size;
    return ok;
}

static gboolean open_one(struct machine *m, unsigned number, GError **error)
{
    const struct nic_options *options = &m->options->net.nics[number];
    m->config.nics[number].model = options->model;
    memcpy(m->config.nics[number].mac, options->spec.mac, DEVICE_MAC);
    if (!read_rom(m, number, error))
        return FALSE;
    m->nics[number].net = net_open(&options->spec, on_news, m, error);
    m->nic_count += m->nics[number].net != NULL;
    return m->nics[number].net != NULL;
}

gboolean nets_open(struct machine *m, GError **error)
{
    for (unsigned i = 0; i < m->options->net.count; i++) {
        if (!open_one(m, i, error))
            return FALSE;
    }
    return TRUE;
}

void nets_close(struct machine *m)
{
    for (unsigned i = 0; i < PC_NICS; i++) {
        net_close(m->nics[i].net);
        firmware_clear(&m->nics[i].rom);
    }
}
