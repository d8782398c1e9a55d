/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a user wants a network adapter's cable to lead to.
 */
#pragma once

#include "devices/device.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum net_kind {
    NET_USER,   /* NAT by libslirp */
    NET_TAP,    /* an interface of the host's */
    NET_SOCKET, /* the adapter of another machine */
};

/* A port of the host's that leads to one of the guest's. Addresses in network order, 0: not said. */
struct net_forward {
    bool udp;
    uint32_t host, guest;
    uint16_t host_port, guest_port;
};

enum net_connection { NET_LISTEN, NET_CONNECT, NET_DATAGRAM };

struct net_spec {
    enum net_kind kind;
    uint8_t mac[DEVICE_MAC];
    char *dump; /* a file for all frames, or NULL */

    /* NET_USER */
    GArray *forwards; /* struct net_forward */
    char *tftp;       /* a folder, or NULL */
    char *bootfile;   /* ... the name there that DHCP tells */
    bool restrict_;   /* the guest reaches nothing outside */
    bool ipv6;

    /* NET_TAP: the interface's name, or the descriptor of one that is open */
    char *interface;
    int fd;

    /* NET_SOCKET: "HOST:PORT" or the path of a Unix socket */
    enum net_connection connection;
    char *address, *local; /* local: of NET_DATAGRAM, where the other one's frames come */
};
