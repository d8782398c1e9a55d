/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cable of a network adapter: frames from the guest go to what is at its other end and frames from there
 * wait until the guest has buffers. What is there works in a thread of the cable's own; the processor's
 * thread only puts frames into queues and takes them out, and never waits.
 */
#pragma once

#include "net_spec.h"

struct net;

/* A frame that waits for the guest. */
struct net_frame {
    uint32_t size;
    uint32_t room; /* bytes that `data` has */
    uint16_t segment;
    bool checked;
    uint8_t data[];
};

/*
 * Connect it. `news` is called in the cable's thread when there are frames, once until net_take() is called:
 * whoever is told takes all he can. NULL: with a sentence.
 */
struct net *net_open(const struct net_spec *spec, void (*news)(void *ctx), void *ctx, GError **error);
/* Ends the thread: after this `news` is not called any more. NULL is allowed. */
void net_close(struct net *net);

/* A frame from the guest. When too many wait already, it is lost, as on a busy cable. */
void net_send(struct net *net, const struct device_frame *frame);

/* Is there one? Costs nothing. */
bool net_has_frames(const struct net *net);
/* The next frame, to be freed by g_free(); NULL: there is none. */
struct net_frame *net_take(struct net *net);
/* There was no buffer for it: it is the next one again. */
void net_put_back(struct net *net, struct net_frame *frame);

/* From now on frames of TCP may be put together to some that stand for several segments, as in struct
   device_frame; with two times false not any more. */
void net_take_segments(struct net *net, bool ipv4, bool ipv6);

/* Frames of one direction. One of the guest's that stands for several segments counts once. */
struct net_flow {
    uint64_t frames, bytes;
    uint64_t lost; /* frames besides these, by a queue that was full */
};

struct net_counters {
    struct net_flow from_guest, to_guest;
};

/* From any thread. */
void net_count(struct net *net, struct net_counters *counters);
