/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions behind doors, decoded and bound as those are that translated code calls out for. An entry
 * holds for one private page: that is dropped when the bytes it shows are written, and mapped where the
 * guest's tables lead to them. Executor process.
 */
#include "door.h"

#include "code_cache.h"
#include "translated.h"
#include "translation.h"

enum { DOORS = 64 };

static struct door {
    uint64_t page; /* its number; 0: none */
    uint32_t la;
    uint8_t mode;
    struct translation_site site;
} door[DOORS];

static struct door *find(struct vcpu *v, const struct code_page *p, guest_la la)
{
    struct door *d = &door[(la ^ la >> 6) % DOORS];
    unsigned offset = la % SCAN_PAGE_SIZE;
    if (likely(d->page == p->number && d->la == la && d->mode == v->mode))
        return d;
    d->page = p->number;
    d->la = la;
    d->mode = v->mode;
    translated_bind_site(v, &d->site, p->scan.original + offset, SCAN_PAGE_SIZE - offset, v->eip);
    return d;
}

bool door_run(struct vcpu *v)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    const struct code_page *p = code_page_at(v, la);
    /* TF and RF are the stepping interpreter's. */
    if (!p || !scan_is_door(&p->scan, la % SCAN_PAGE_SIZE) || (v->eflags & (X86_TF | X86_RF)))
        return false;
    const struct uop *u = find(v, p, la)->site.uop;
    if (!u->run)
        return false;
    v->repeating = false;
    while (u)
        u = u->run(v, u);
    return true;
}
