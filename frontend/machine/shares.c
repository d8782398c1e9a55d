/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages come from the board in the processor's thread. A share's are answered in their order by one
 * thread, and the answers wait until the processor's is between two runs.
 */
#include "shares.h"

#include "machine_private.h"
#include "share.h"

#include <string.h>
#include <sys/random.h>

struct question {
    struct machine *machine;
    unsigned share;
    uint32_t tag, room, size; /* bytes of the message; of the answer when it is there */
    uint8_t *answer;
    uint8_t message[];
};

static void free_question(gpointer data)
{
    struct question *q = data;
    g_free(q->answer);
    g_free(q);
}

static void answer(gpointer data, gpointer share)
{
    struct question *q = data;
    struct machine *m = q->machine;
    q->answer = g_malloc(MAX(q->room, 1));
    q->size = share_answer(share, q->message, q->size, q->answer, q->room);
    pthread_mutex_lock(&m->lock);
    g_queue_push_tail(&m->answers, q);
    machine_rouse(m);
    pthread_mutex_unlock(&m->lock);
}

void shares_ask(void *ctx, unsigned share, const uint8_t *data, uint32_t size, uint32_t room, uint32_t tag)
{
    struct machine *m = ctx;
    struct question *q = g_malloc(sizeof *q + size);
    *q = (struct question){ .machine = m, .share = share, .tag = tag, .room = room, .size = size };
    memcpy(q->message, data, size);
    m->questions++;
    g_thread_pool_push(m->shares[share].thread, q, NULL);
}

bool shares_have_news(const struct machine *m)
{
    return m->answers.length > 0;
}

void shares_serve(struct machine *m)
{
    for (unsigned n = m->answers.length; n; n--) {
        struct question *q = g_queue_pop_head(&m->answers);
        m->questions--;
        pc_answered(m->pc, q->share, q->tag, q->answer, q->size);
        free_question(q);
    }
}

/* The kernel's generator never waits once it has begun. */
void shares_random(void *ctx, uint8_t *bytes, uint32_t size)
{
    (void)ctx;
    for (uint32_t done = 0; done < size;) {
        ssize_t n = getrandom(bytes + done, size - done, 0);
        if (n > 0)
            done += (uint32_t)n;
    }
}

gboolean shares_open(struct machine *m, GError **error)
{
    for (unsigned i = 0; i < PC_SHARES && m->options->share.shares[i].name; i++) {
        const struct share_choice choice = {
            .folder = m->options->share.shares[i].folder,
            .read_only = m->options->share.shares[i].read_only,
            .uid = m->options->share.shares[i].uid,
            .gid = m->options->share.shares[i].gid,
        };
        const char *name = m->options->share.shares[i].name;
        m->shares[i].share = share_open(&choice, error);
        if (!m->shares[i].share)
            return FALSE;
        m->shares[i].thread = g_thread_pool_new(answer, m->shares[i].share, 1, FALSE, NULL);
        memcpy(m->config.shares[i], name, MIN(strlen(name), PC_SHARE_NAME));
    }
    return TRUE;
}

void shares_close(struct machine *m)
{
    for (unsigned i = 0; i < PC_SHARES; i++) {
        if (m->shares[i].thread)
            g_thread_pool_free(m->shares[i].thread, FALSE, TRUE);
        share_close(m->shares[i].share);
    }
    g_queue_clear_full(&m->answers, free_question);
}
