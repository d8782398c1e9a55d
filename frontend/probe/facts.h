/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was found out about the host: a list of facts in sections, in the order in which they were added.
 * Whoever finds something out adds it here; facts_print() and facts_print_json() know how each kind is shown.
 */
#pragma once

#include <glib.h>

enum fact_kind {
    FACT_TEXT,  /* text */
    FACT_OFFER, /* offered; if not, text may say why */
    FACT_COST,  /* number, in ns; if negative, text says why it could not be measured */
    FACT_SHARE, /* number of `of` rounds */
};

struct fact {
    enum fact_kind kind;
    const char *key;  /* for machines; stays as it is from version to version */
    const char *what; /* for people */
    char *text;
    double number;
    unsigned of;
    gboolean offered;
};

struct section {
    const char *key, *what;
    GArray *facts; /* struct fact */
};

struct facts {
    GPtrArray *sections; /* struct section */
};

void facts_init(struct facts *f);
void facts_clear(struct facts *f);

/* What is added from now on belongs to this section. key and what must outlive the list, here and below. */
void facts_section(struct facts *f, const char *key, const char *what);
/* text: copied. */
void facts_text(struct facts *f, const char *key, const char *what, const char *text);
/* why: copied; NULL for no reason, or none known. */
void facts_offer(struct facts *f, const char *key, const char *what, gboolean offered, const char *why);
/* ns: negative if it could not be measured, and then why is a sentence without a full stop. */
void facts_cost(struct facts *f, const char *key, const char *what, double ns, const char *why);
void facts_share(struct facts *f, const char *key, const char *what, unsigned number, unsigned of);

void facts_print(const struct facts *f);
void facts_print_json(const struct facts *f, const char *version);
