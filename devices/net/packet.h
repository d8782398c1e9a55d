/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What adapters know of the frames they carry: addresses, the Internet checksum (RFC 1071), and the hash by
 * which they pick out multicasts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/device.h"

enum { ETHERNET_HEADER = 14, ETHERNET_MIN = 60 }; /* bytes; both without FCS */

static inline uint16_t packet_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void packet_put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint32_t packet_get32(const uint8_t *bytes)
{
    return (uint32_t)packet_get16(bytes) << 16 | packet_get16(bytes + 2);
}

static inline void packet_put32(uint8_t *bytes, uint32_t value)
{
    packet_put16(bytes, value >> 16);
    packet_put16(bytes + 2, value);
}

/* Add bytes, as 16-bit words from the first one on, to a sum that is not folded yet. */
uint64_t packet_sum(const uint8_t *bytes, size_t size, uint64_t sum);
/* The checksum that makes it right: the sum's ones' complement. */
uint16_t packet_fold(uint64_t sum);

/*
 * Store a checksum of [start, size) at `at`, whose contents take part: a pseudo-header's sum, or 0. Offsets
 * outside of the frame do nothing.
 */
void packet_insert_checksum(uint8_t *frame, size_t size, size_t start, size_t at);

/* The first six bits, or more, of the Ethernet CRC of an address are what multicasts are told apart by. */
uint32_t packet_crc(const uint8_t *bytes, size_t size);

static inline bool packet_is_broadcast(const uint8_t *mac)
{
    return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static inline bool packet_is_multicast(const uint8_t *mac)
{
    return mac[0] & 1;
}

/* Read an adapter's expansion ROM, which is its contents. */
uint64_t packet_rom_read(struct device *dev, uint64_t offset, unsigned size);
