/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is at a cable's other end: the contract of its kinds, and the parts of the cable's thread.
 */
#pragma once

#include "net.h"

#include <poll.h>

struct net_end;

/* A kind of end. All but `open` is called in the cable's thread. */
struct net_end_type {
    /* NULL: with a sentence. It begins with a struct net_end. */
    struct net_end *(*open)(struct net *net, const struct net_spec *spec, GError **error);
    void (*close)(struct net_end *end);
    bool takes_segments; /* `send` gets frames of TCP whole that stand for several, with their checksum */
    /* A frame from the guest. */
    void (*send)(struct net_end *end, const uint8_t *frame, size_t size);
    /* Add what to wait for to `fds` (struct pollfd), and make *timeout_ms, -1: none, smaller if need be. */
    void (*wait)(struct net_end *end, GArray *fds, int *timeout_ms);
    /* That has been waited for: fds as filled, from `first` on. */
    void (*serve)(struct net_end *end, const GArray *fds, unsigned first);
};

struct net_end {
    const struct net_end_type *type;
    struct net *net;
};

extern const struct net_end_type net_user_type, net_tap_type, net_socket_type;

/* A frame for the guest, from an end in the cable's thread. `checked`: its checksums are right. */
void net_deliver(struct net *net, const uint8_t *frame, size_t size, bool checked);

/* ---- segments.c: frames of TCP that stand for several
 * --------------------------------------------------------- */

/*
 * Put a checked frame behind the one before it, which may move, if both are of one stream and go together.
 * False: they do not.
 */
bool segments_join(struct net_frame **before, const uint8_t *frame, size_t size, bool ipv4, bool ipv6);
/* Make the checksum of such a frame of the guest's. False: it is none. */
bool segments_finish(struct net_frame *frame);
/* Divide it, and hand out the parts. What is none has none. */
void segments_divide(const struct net_frame *frame,
                     void (*part)(void *ctx, const uint8_t *frame, size_t size), void *ctx);

/* ---- dump.c: all frames in a file, as pcap(5) has them ---------------------------------------------------
 */

struct net_dump;
struct net_dump *net_dump_open(const char *path, GError **error);
void net_dump_close(struct net_dump *dump);
/* NULL is allowed. */
void net_dump_frame(struct net_dump *dump, const uint8_t *frame, size_t size);

/* ---- nat_rules.c: what libslirp leaves to us
 * --------------------------------------------------------------- */

/* The virtual network, in host order, and the least of each IPv6 address's last byte. */
#define NAT_NETWORK    0x0a000200u /* 10.0.2.0 */
#define NAT_MASK       0xffffff00u
#define NAT_GATEWAY    0x0a000202u
#define NAT_NAMESERVER 0x0a000203u
#define NAT_FIRST      0x0a00020fu /* what DHCP gives */

/*
 * Is a frame from the guest for an address of the virtual network that nobody has? libslirp would send it to
 * whoever has that address in the real one.
 */
bool nat_is_astray(const uint8_t *frame, size_t size);
/*
 * An ICMP error for the guest that seems to come from the host's loopback gets the gateway's address: guests
 * drop what comes from 127.0.0.0/8.
 */
void nat_mend(uint8_t *frame, size_t size);
