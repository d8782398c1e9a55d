/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames of TCP that stand for several: a guest that takes and sends such has its work once for all of them.
 * They are put together as a network adapter's driver does it (Linux's GRO), and divided as an adapter does
 * (TSO). Those of the guest's are believed in nothing. RFC 791, RFC 8200, RFC 9293.
 */
#include "net_private.h"

#include <string.h>

enum {
    ETHERNET = 14,
    IPV4 = 20, /* without options */
    IPV6 = 40,
    TCP_MIN = 20,
    PROTOCOL_TCP = 6,
    IP_MAX = 65535,
    FLAG_FIN = 1 << 0,
    FLAG_PSH = 1 << 3,
    FLAG_ACK = 1 << 4,
    FLAG_CWR = 1 << 7,
};

struct parts {
    uint8_t *ip, *tcp;
    bool ipv6;
    uint32_t headers; /* bytes up to the payload */
    uint32_t payload;
};

static uint32_t get16(const uint8_t *b)
{
    return (uint32_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const uint8_t *b)
{
    return get16(b) << 16 | get16(b + 2);
}

static void put16(uint8_t *b, uint32_t value)
{
    b[0] = (uint8_t)(value >> 8);
    b[1] = (uint8_t)value;
}

static void put32(uint8_t *b, uint32_t value)
{
    put16(b, value >> 16);
    put16(b + 2, value);
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* TCP over IP without options or fragments; lengths are the frame's, but for the padding of a short one.
 * False: it is not. */
static bool parse(uint8_t *frame, size_t size, struct parts *p)
{
    if (size < ETHERNET + IPV4 + TCP_MIN)
        return false;
    uint32_t type = get16(frame + 12), length;
    p->ip = frame + ETHERNET;
    p->ipv6 = type == 0x86dd;
    if (p->ipv6) {
        if (size < ETHERNET + IPV6 + TCP_MIN || p->ip[0] >> 4 != 6 || p->ip[6] != PROTOCOL_TCP)
            return false;
        p->tcp = p->ip + IPV6;
        length = get16(p->ip + 4) + IPV6;
    } else {
        if (type != 0x0800 || p->ip[0] != 0x45 || p->ip[9] != PROTOCOL_TCP || get16(p->ip + 6) & 0x3fff)
            return false;
        p->tcp = p->ip + IPV4;
        length = get16(p->ip + 2);
    }
    p->headers = (uint32_t)(p->tcp - frame) + (p->tcp[12] >> 4) * 4u;
    if (p->tcp[12] >> 4 < TCP_MIN / 4 || ETHERNET + length > size || p->headers > ETHERNET + length)
        return false;
    p->payload = ETHERNET + length - p->headers;
    return true;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static uint64_t add(const uint8_t *b, size_t size, uint64_t sum)
{
    size_t i = 0;
    uint64_t wide = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t four;
        memcpy(&four, b + i, sizeof four);
        wide += (four & 0xffffffff) + (four >> 32);
    }
    while (wide >> 16)
        wide = (wide & 0xffff) + (wide >> 16);
    sum += GUINT16_SWAP_LE_BE((uint16_t)wide); /* the sum of swapped words is the swapped sum (RFC 1071) */
    for (; i + 2 <= size; i += 2)
        sum += get16(b + i);
    return i < size ? sum + ((uint32_t)b[i] << 8) : sum;
}

static uint32_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

static uint32_t pseudo_sum(const struct parts *p)
{
    const uint8_t *addresses = p->ip + (p->ipv6 ? 8 : 12);
    uint32_t length = p->headers - (uint32_t)(p->tcp - p->ip) - ETHERNET + p->payload;
    return fold(add(addresses, p->ipv6 ? 32 : 8, PROTOCOL_TCP + length));
}

/* IP's length, and its checksum where it has one. */
static void set_length(const struct parts *p)
{
    uint32_t length = p->headers - ETHERNET + p->payload;
    if (p->ipv6) {
        put16(p->ip + 4, length - IPV6);
        return;
    }
    put16(p->ip + 2, length);
    put16(p->ip + 10, 0);
    put16(p->ip + 10, ~fold(add(p->ip, IPV4, 0)));
}

static void set_checksum(const struct parts *p)
{
    size_t size = p->headers - ETHERNET - (size_t)(p->tcp - p->ip) + p->payload;
    put16(p->tcp + 16, 0);
    put16(p->tcp + 16, ~fold(add(p->tcp, size, pseudo_sum(p))));
}

/* ---- To the guest ---------------------------------------------------------------------------- */

static bool is_plain(const struct parts *p)
{
    return p->payload && (p->tcp[13] & ~FLAG_PSH) == FLAG_ACK;
}

static bool is_one_stream(const struct parts *a, const struct parts *b)
{
    size_t options = a->headers - ETHERNET - (size_t)(a->tcp - a->ip) - TCP_MIN;
    if (a->ipv6 != b->ipv6 || a->headers != b->headers || get32(a->tcp) != get32(b->tcp) ||
        get32(a->tcp + 8) != get32(b->tcp + 8) || get16(a->tcp + 14) != get16(b->tcp + 14) ||
        memcmp(a->tcp + TCP_MIN, b->tcp + TCP_MIN, options) != 0)
        return false;
    if (a->ipv6)
        return get32(a->ip) == get32(b->ip) && !memcmp(a->ip + 7, b->ip + 7, IPV6 - 7);
    return a->ip[1] == b->ip[1] && a->ip[8] == b->ip[8] && !memcmp(a->ip + 12, b->ip + 12, 8);
}

static struct net_frame *with_room(struct net_frame *f, uint32_t room)
{
    if (f->room >= room)
        return f;
    f = g_realloc(f, sizeof *f + room);
    f->room = room;
    return f;
}

bool segments_join(struct net_frame **before, const uint8_t *frame, size_t size, bool ipv4, bool ipv6)
{
    struct net_frame *f = *before;
    struct parts a, b;
    if (!parse((uint8_t *)(uintptr_t)frame, size, &b) || !(b.ipv6 ? ipv6 : ipv4) || !is_plain(&b) ||
        !parse(f->data, f->size, &a) || !is_plain(&a) || !is_one_stream(&a, &b))
        return false;
    uint32_t segment = f->segment ? f->segment : a.payload;
    if (get32(a.tcp + 4) + a.payload != get32(b.tcp + 4) || a.payload % segment || b.payload > segment ||
        a.headers - ETHERNET + a.payload + b.payload > IP_MAX)
        return false;
    /* The first two are seldom the last: make room for all that may come. */
    f = *before = with_room(f, f->segment ? f->room : IP_MAX + ETHERNET);
    parse(f->data, f->size, &a);
    memcpy(f->data + a.headers + a.payload, b.tcp + (b.headers - (uint32_t)(b.tcp - frame)), b.payload);
    a.payload += b.payload;
    f->size = a.headers + a.payload;
    f->segment = (uint16_t)segment;
    a.tcp[13] |= b.tcp[13] & FLAG_PSH;
    set_length(&a);
    put16(a.tcp + 16, pseudo_sum(&a)); /* as far as the adapter has it */
    return true;
}

/* ---- From the guest -------------------------------------------------------------------------- */

bool segments_finish(struct net_frame *frame)
{
    struct parts p;
    if (!parse(frame->data, frame->size, &p))
        return false;
    set_length(&p);
    set_checksum(&p);
    frame->size = p.headers + p.payload;
    return true;
}

void segments_divide(const struct net_frame *frame,
                     void (*part)(void *ctx, const uint8_t *frame, size_t size), void *ctx)
{
    struct parts all, p;
    if (!frame->segment || !parse((uint8_t *)(uintptr_t)frame->data, frame->size, &all))
        return;
    uint8_t *copy = g_malloc(all.headers + frame->segment);
    for (uint32_t done = 0; done < all.payload; done += frame->segment) {
        bool last = all.payload - done <= frame->segment;
        p = all;
        p.ip = copy + ETHERNET;
        p.tcp = copy + (all.tcp - frame->data);
        p.payload = last ? all.payload - done : frame->segment;
        memcpy(copy, frame->data, all.headers);
        memcpy(copy + all.headers, frame->data + all.headers + done, p.payload);
        put32(p.tcp + 4, get32(p.tcp + 4) + done);
        if (!last)
            p.tcp[13] &= (uint8_t) ~(FLAG_FIN | FLAG_PSH);
        if (done)
            p.tcp[13] &= (uint8_t)~FLAG_CWR;
        if (!p.ipv6)
            put16(p.ip + 4, get16(p.ip + 4) + done / frame->segment);
        set_length(&p);
        set_checksum(&p);
        part(ctx, copy, p.headers + p.payload);
    }
    g_free(copy);
}
