/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facts about the host, kept and printed: for people a line each, for machines one object with an object for
 * each section.
 */
#include "facts.h"

#include <jansson.h>
#include <stdio.h>

static void fact_clear(void *data)
{
    g_free(((struct fact *)data)->text);
}

static void section_free(void *data)
{
    struct section *s = data;
    g_array_unref(s->facts);
    g_free(s);
}

void facts_init(struct facts *f)
{
    f->sections = g_ptr_array_new_with_free_func(section_free);
}

void facts_clear(struct facts *f)
{
    g_ptr_array_unref(f->sections);
}

void facts_section(struct facts *f, const char *key, const char *what)
{
    struct section *s = g_new0(struct section, 1);
    s->key = key;
    s->what = what;
    s->facts = g_array_new(FALSE, TRUE, sizeof(struct fact));
    g_array_set_clear_func(s->facts, fact_clear);
    g_ptr_array_add(f->sections, s);
}

static void add(struct facts *f, struct fact fact, const char *text)
{
    struct section *last = g_ptr_array_index(f->sections, f->sections->len - 1);
    fact.text = g_strdup(text);
    g_array_append_val(last->facts, fact);
}

void facts_text(struct facts *f, const char *key, const char *what, const char *text)
{
    add(f, (struct fact){ .kind = FACT_TEXT, .key = key, .what = what }, text);
}

void facts_offer(struct facts *f, const char *key, const char *what, gboolean offered, const char *why)
{
    add(f, (struct fact){ .kind = FACT_OFFER, .key = key, .what = what, .offered = offered }, why);
}

void facts_cost(struct facts *f, const char *key, const char *what, double ns, const char *why)
{
    add(f, (struct fact){ .kind = FACT_COST, .key = key, .what = what, .number = ns }, ns < 0 ? why : NULL);
}

void facts_share(struct facts *f, const char *key, const char *what, unsigned number, unsigned of)
{
    add(f, (struct fact){ .kind = FACT_SHARE, .key = key, .what = what, .number = number, .of = of }, NULL);
}

/* ---- For people ------------------------------------------------------------------------------------ */

static void print_fact(const struct fact *fact)
{
    printf("  %-52s ", fact->what);
    switch (fact->kind) {
    case FACT_TEXT:
        printf("%s\n", fact->text);
        break;
    case FACT_OFFER:
        printf("%s%s%s\n", fact->offered ? "yes" : "no", fact->text ? ": " : "",
               fact->text ? fact->text : "");
        break;
    case FACT_COST:
        if (fact->number < 0)
            printf("not measured: %s\n", fact->text);
        else
            printf("%8.0f ns\n", fact->number);
        break;
    case FACT_SHARE:
        printf("%8.0f of %u\n", fact->number, fact->of);
        break;
    }
}

void facts_print(const struct facts *f)
{
    for (guint i = 0; i < f->sections->len; i++) {
        const struct section *s = g_ptr_array_index(f->sections, i);
        printf("%s%s\n", i ? "\n" : "", s->what);
        for (guint j = 0; j < s->facts->len; j++)
            print_fact(&g_array_index(s->facts, struct fact, j));
    }
}

/* ---- For machines ---------------------------------------------------------------------------------- */

static json_t *fact_value(const struct fact *fact)
{
    json_t *value;
    switch (fact->kind) {
    case FACT_TEXT:
        return json_string(fact->text);
    case FACT_OFFER:
        value = json_pack("{s:b}", "offered", fact->offered);
        break;
    case FACT_SHARE:
        return json_pack("{s:i, s:i}", "number", (int)fact->number, "of", (int)fact->of);
    default:
        value = fact->number < 0 ? json_object() : json_pack("{s:f}", "ns", fact->number);
        break;
    }
    if (fact->text)
        json_object_set_new(value, "why", json_string(fact->text));
    return value;
}

void facts_print_json(const struct facts *f, const char *version)
{
    json_t *all = json_pack("{s:s}", "version", version);
    for (guint i = 0; i < f->sections->len; i++) {
        const struct section *s = g_ptr_array_index(f->sections, i);
        json_t *object = json_object();
        for (guint j = 0; j < s->facts->len; j++) {
            const struct fact *fact = &g_array_index(s->facts, struct fact, j);
            json_object_set_new(object, fact->key, fact_value(fact));
        }
        json_object_set_new(all, s->key, object);
    }
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}
