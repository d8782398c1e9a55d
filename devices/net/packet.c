/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checksums and hashes of frames.
 */
#include "packet.h"

#include <string.h>

uint64_t packet_sum(const uint8_t *bytes, size_t size, uint64_t sum)
{
    size_t i = 0;

    /* Four words at once in the host's order; the sum of swapped words is the swapped sum (RFC 1071, 2(B)).
     */
    uint64_t wide = 0;

    for (; i + 8 <= size; i += 8) {
        uint64_t four;

        memcpy(&four, bytes + i, sizeof(four));
        wide += (four & 0xffffffff) + (four >> 32);
    }
    while (wide >> 16)
        wide = (wide & 0xffff) + (wide >> 16);
    sum += (uint16_t)(wide << 8 | wide >> 8);
    for (; i + 2 <= size; i += 2)
        sum += packet_get16(bytes + i);
    return i < size ? sum + (bytes[i] << 8) : sum;
}

uint16_t packet_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void packet_insert_checksum(uint8_t *frame, size_t size, size_t start, size_t at)
{
    if (start >= size || at + 2 > size)
        return;
    packet_put16(frame + at, packet_fold(packet_sum(frame + start, size - start, 0)));
}

uint32_t packet_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes[i];

        for (unsigned bit = 0; bit < 8; bit++, byte >>= 1)
            crc = crc << 1 ^ ((crc >> 31 ^ (byte & 1)) ? 0x04c11db7 : 0);
    }
    return crc;
}

uint64_t packet_rom_read(struct device *dev, uint64_t offset, unsigned size)
{
    uint32_t length = 0;
    const uint8_t *rom = device_contents(dev, 0, &length);
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(rom && offset + i < length ? rom[offset + i] : 0xff) << i * 8;
    return value;
}
