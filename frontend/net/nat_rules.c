/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two rules for frames between the guest and libslirp, which has neither. Both look at plain Ethernet with IP
 * in it and believe no length in a frame. RFC 791, RFC 792, RFC 8200.
 */
#include "net_private.h"

#include <string.h>

enum {
    HEADER = 14,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    IPV4_MIN = 20,
    IPV6_SIZE = 40,
    PROTOCOL_ICMP = 1,
    ICMP_UNREACHABLE = 3,
    ICMP_QUENCH = 4,
    ICMP_EXCEEDED = 11,
    ICMP_PARAMETER = 12,
    LOOPBACK = 127,
};

static uint32_t get16(const uint8_t *b)
{
    return (uint32_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const uint8_t *b)
{
    return get16(b) << 16 | get16(b + 2);
}

static bool is_ipv4(const uint8_t *frame, size_t size)
{
    return size >= HEADER + IPV4_MIN && get16(frame + 12) == TYPE_IPV4 && frame[HEADER] >> 4 == 4;
}

/* Is it an address of the network that neither the gateway nor the name server has, and not all of them? */
static bool is_unused(uint32_t address)
{
    return (address & NAT_MASK) == NAT_NETWORK && address != NAT_GATEWAY && address != NAT_NAMESERVER &&
           (address | NAT_MASK) != UINT32_MAX;
}

/* The network is fec0::/64; the gateway is fec0::2, the name server fec0::3. */
static bool is_unused6(const uint8_t *address)
{
    static const uint8_t network[8] = { 0xfe, 0xc0 }, host[7] = { 0 };
    if (memcmp(address, network, sizeof network) != 0)
        return false;
    return memcmp(address + 8, host, sizeof host) != 0 || (address[15] != 2 && address[15] != 3);
}

bool nat_is_astray(const uint8_t *frame, size_t size)
{
    if (is_ipv4(frame, size))
        return is_unused(get32(frame + HEADER + 16));
    return size >= HEADER + IPV6_SIZE && get16(frame + 12) == TYPE_IPV6 && is_unused6(frame + HEADER + 24);
}

static bool is_icmp_error(const uint8_t *ip, size_t size)
{
    size_t header = (ip[0] & 15u) * 4u;
    if (header < IPV4_MIN || header >= size || ip[9] != PROTOCOL_ICMP)
        return false;
    uint8_t type = ip[header];
    return type == ICMP_UNREACHABLE || type == ICMP_QUENCH || type == ICMP_EXCEEDED || type == ICMP_PARAMETER;
}

/* The header's checksum follows (RFC 1624, equation 3). */
static void set_source(uint8_t *ip, uint32_t address)
{
    uint32_t sum = ~get16(ip + 10) & 0xffff;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t word = address >> (16 - 16 * i) & 0xffff;
        sum += (~get16(ip + 12 + 2 * i) & 0xffff) + word;
        ip[12 + 2 * i] = (uint8_t)(word >> 8);
        ip[13 + 2 * i] = (uint8_t)word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

void nat_mend(uint8_t *frame, size_t size)
{
    if (is_ipv4(frame, size) && frame[HEADER + 12] == LOOPBACK &&
        is_icmp_error(frame + HEADER, size - HEADER))
        set_source(frame + HEADER, NAT_GATEWAY);
}
