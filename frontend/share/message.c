/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading and writing messages of 9P.
 */
#include "message.h"

#include <string.h>

const uint8_t *p9_get_bytes(struct p9_reader *r, uint32_t size)
{
    if (size > (size_t)(r->end - r->at)) {
        r->bad = true;
        r->at = r->end;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += size;
    return bytes;
}

uint64_t p9_get(struct p9_reader *r, unsigned size)
{
    const uint8_t *bytes = p9_get_bytes(r, size);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < size; i++)
        value |= (uint64_t)bytes[i] << i * 8;
    return value;
}

void p9_get_text(struct p9_reader *r, char text[P9_NAME_MAX + 1])
{
    uint32_t size = (uint32_t)p9_get(r, 2);
    const uint8_t *bytes = p9_get_bytes(r, size);
    *text = '\0';
    if (!bytes || size > P9_NAME_MAX || memchr(bytes, 0, size)) {
        r->bad = true;
        return;
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
}

uint32_t p9_room(const struct p9_writer *w)
{
    return (uint32_t)(w->end - w->at);
}

uint8_t *p9_put_bytes(struct p9_writer *w, uint32_t size)
{
    if (w->full || size > p9_room(w)) {
        w->full = true;
        return NULL;
    }
    uint8_t *bytes = w->at;
    w->at += size;
    return bytes;
}

void p9_put(struct p9_writer *w, unsigned size, uint64_t value)
{
    uint8_t *bytes = p9_put_bytes(w, size);
    for (unsigned i = 0; bytes && i < size; i++)
        bytes[i] = (uint8_t)(value >> i * 8);
}

void p9_put_text(struct p9_writer *w, const char *text)
{
    size_t size = strlen(text);
    p9_put(w, 2, size);
    uint8_t *bytes = size <= UINT16_MAX ? p9_put_bytes(w, (uint32_t)size) : NULL;
    if (bytes)
        memcpy(bytes, text, size);
}
