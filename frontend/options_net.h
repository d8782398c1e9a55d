/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options about networks: --net, one for each adapter.
 */
#pragma once

#include "devices/pc.h"
#include "net_spec.h"

#include <glib.h>
#include <stdbool.h>

struct nic_options {
    enum pc_nic_model model; /* PC_NIC_NONE: no adapter */
    struct net_spec spec;
};

struct net_options {
    struct nic_options nics[PC_NICS];
    unsigned count;
};

/* Do the texts, or NULL, ask for an adapter that needs a PCI bus? */
bool options_net_needs_pci(char **texts);
/* `isa`: there is no PCI bus. On FALSE what was taken is to be cleared all the same. */
gboolean options_net_take(struct net_options *net, char **texts, bool isa, GError **error);
void options_net_clear(struct net_options *net);
