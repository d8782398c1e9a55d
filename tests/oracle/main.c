/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host processor as oracle: command line and the loop over batches. While the child process runs a
 * batch natively, this process runs it on the virtual CPU. docs/testing.md says how to use it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "coverage.h"
#include "image.h"

enum {
    EXIT_SKIPPED = 77, /* as ctest's SKIP_RETURN_CODE */
    FAILURES_MAX = 5,  /* reported in full before giving up */
};

struct options {
    uint64_t seed, count, seconds;
    uint32_t groups; /* a bit for each */
    unsigned failures_max;
    bool native_only, translate, list, one, minimise, coverage;
    struct d86_vcpu_config config; /* of the virtual machines */
};

struct tally {
    uint64_t run, failed, excused;
    uint64_t vector[32];
};

static struct tally tallies[GROUP_COUNT + 1];
static struct outcome guest_outcome[BATCH_MAX];

/* ---- Differences --------------------------------------------------------------------------------- */

static void report(struct sides *s, const struct options *opt, const struct test_case *c,
                   const struct outcome *native, const struct outcome *guest, unsigned difference)
{
    static struct outcome small_native, small_guest;
    struct test_case small = *c;

    report_difference(stdout, c, native, guest, difference);
    if (!opt->minimise)
        return;
    if (!check_run(s, c, &small_native, &small_guest)) {
        printf("  (not the same when run again)\n\n");
        return;
    }
    check_minimise(s, &small);
    difference = check_run(s, &small, &small_native, &small_guest);
    printf("  minimised:\n");
    report_difference(stdout, &small, &small_native, &small_guest, difference);
    putchar('\n');
    fflush(stdout);
}

/* Count a case; true if it may go on. */
static bool account(struct sides *s, const struct options *opt, const struct test_case *c,
                    const struct outcome *native, struct outcome *guest)
{
    struct tally *t = &tallies[c->group];
    unsigned difference = check_compare(s, c, native, guest);

    t->run++;
    if (native->kind == OUTCOME_EXCEPTION)
        t->vector[native->vector % 32]++;
    if (!difference && native->kind != OUTCOME_SYSCALL)
        return true;
    /* On a busy host a child that got no time looks like one that hangs: it has another try, alone. */
    if (native->kind == OUTCOME_HUNG || (s->translate && guest->kind == OUTCOME_HUNG)) {
        static struct outcome native_again, guest_again;
        if (!check_run(s, c, &native_again, &guest_again))
            return true;
    }
    if (difference && check_excused(s, c)) {
        t->excused++;
        return true;
    }
    t->failed++;
    struct outcome native_copy = *native; /* the ring is used again */
    report(s, opt, c, &native_copy, guest, difference);
    return t->failed < opt->failures_max;
}

/* ---- Random groups ------------------------------------------------------------------------------- */

static bool run_batch(struct sides *s, const struct options *opt, unsigned group, uint64_t seed,
                      unsigned count)
{
    static struct test_case test[BATCH_MAX];
    static struct outcome native[BATCH_MAX];
    struct native_ring *ring = s->native;

    for (unsigned i = 0; i < count; i++)
        generate_case(group, seed + i, &ring->test[i]);
    memcpy(test, ring->test, count * sizeof test[0]);
    native_start(ring, count);
    if (s->guest)
        for (unsigned i = 0; i < count; i++)
            guest_run(s->guest, &test[i], &guest_outcome[i], NULL);
    native_wait(ring);
    memcpy(native, ring->outcome, count * sizeof native[0]);
    if (!s->guest) {
        check_run_again(s, count);
        memcpy(guest_outcome, ring->outcome, count * sizeof native[0]);
    }
    bool go_on = true;
    for (unsigned i = 0; i < count && go_on; i++)
        go_on = account(s, opt, &test[i], &native[i], &guest_outcome[i]);
    return go_on;
}

static void run_random(struct sides *s, const struct options *opt)
{
    time_t end = time(NULL) + (time_t)opt->seconds;
    bool live[GROUP_COUNT];
    uint64_t done = 0;
    bool any = true;

    for (unsigned g = 0; g < GROUP_COUNT; g++)
        live[g] = opt->groups & 1u << g;
    for (uint64_t seed = opt->seed; any && (opt->seconds ? time(NULL) < end : done < opt->count);
         seed += BATCH_MAX) {
        any = false;
        for (unsigned g = 0; g < GROUP_COUNT; g++) {
            uint64_t left = opt->seconds ? BATCH_MAX : opt->count - done;
            unsigned count = left < BATCH_MAX ? left : BATCH_MAX;
            if (!live[g] || !count)
                continue;
            live[g] = run_batch(s, opt, g, seed, count);
            any |= live[g];
            done += count;
        }
    }
}

/* ---- Directed cases ------------------------------------------------------------------------------ */

static void run_directed(struct sides *s, const struct options *opt, unsigned n)
{
    static struct outcome native, guest;
    struct tally *t = &tallies[GROUP_DIRECTED];
    struct test_case c;

    directed_case(n, &c);
    unsigned difference = check_run(s, &c, &native, &guest);
    t->run++;
    t->vector[native.vector % 32]++;
    if (!directed_check(n, &c, &native, stdout)) {
        t->failed++;
        report_case(stdout, &c);
    }
    if (difference && check_excused(s, &c)) {
        t->excused++;
    } else if (difference) {
        t->failed++;
        printf("directed case \"%s\":\n", directed_name(n));
        struct options plain = *opt;
        plain.minimise = false;
        report(s, &plain, &c, &native, &guest, difference);
    }
}

/* ---- Command line -------------------------------------------------------------------------------- */

static void usage(FILE *out)
{
    fputs("Usage: oracle [OPTION...]\n"
          "Run random instruction sequences on the host processor and on the virtual CPU and compare.\n\n"
          "  -c, --count=N         sequences in all (default 200000)\n"
          "  -t, --time=SECONDS    run for a time instead\n"
          "  -s, --seed=N          first seed (default 0)\n"
          "  -g, --group=NAME      only this group; may be repeated\n"
          "  -1, --one=GROUP:SEED  one case, printed with both outcomes\n"
          "  -f, --failures=N      stop a group after N differences (default 5)\n"
          "  -m, --no-minimise     report differences as found\n"
          "  -n, --native-only     compare the host with itself and with the directed cases' expectations\n"
          "  -C, --coverage        only generate, and say which forms of the decoder's tables never came up\n"
          "      --cpu=MODEL       CPU model of the virtual machine\n"
          "      --engine=NAME     what runs it: interp (default), sbe, lockstep; or translated:\n"
          "                        no virtual CPU, but the native side's own translated code\n"
          "      --split=NAME      of the engine sbe: auto (default), segment, pku, tlb, none\n"
          "  -l, --list            list groups and directed cases\n"
          "  -h, --help            this text\n\n"
          "Exit status: 0 all equal, 1 differences, 2 usage, 77 this host cannot run one of the sides.\n",
          out);
}

static void list(void)
{
    printf("groups:");
    for (unsigned g = 0; g <= GROUP_DIRECTED; g++)
        printf(" %s", group_name(g));
    printf("\ndirected cases:\n");
    for (unsigned n = 0; n < directed_count(); n++)
        printf("  directed:%u  %s\n", n, directed_name(n));
}

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (!errno && *text && !*end)
        return true;
    fprintf(stderr, "oracle: \"%s\" is not a number\n", text);
    return false;
}

static bool parse_group(const char *text, size_t length, unsigned *group)
{
    char name[16];

    snprintf(name, sizeof name, "%.*s", (int)length, text);
    int n = group_by_name(name);
    if (n < 0)
        fprintf(stderr, "oracle: there is no group \"%s\"; see --list\n", name);
    *group = n;
    return n >= 0;
}

static bool parse_one(const char *text, struct options *opt)
{
    const char *colon = strchr(text, ':');
    unsigned group;

    if (!colon) {
        fprintf(stderr, "oracle: --one wants GROUP:SEED\n");
        return false;
    }
    if (!parse_group(text, colon - text, &group) || !parse_number(colon + 1, &opt->seed))
        return false;
    if (group == GROUP_DIRECTED && opt->seed >= directed_count()) {
        fprintf(stderr, "oracle: there are %u directed cases\n", directed_count());
        return false;
    }
    opt->groups = 1u << group;
    opt->one = true;
    return true;
}

static bool parse_name(const char *text, const char *const *names, unsigned count, uint64_t *value)
{
    for (*value = 0; *value < count; ++*value)
        if (!strcmp(text, names[*value]))
            return true;
    fprintf(stderr, "oracle: what is \"%s\"?\n", text);
    *value = 0;
    return false;
}

static bool parse(int argc, char **argv, struct options *opt)
{
    static const struct option options[] = {
        { "count", 1, NULL, 'c' },       { "time", 1, NULL, 't' },        { "seed", 1, NULL, 's' },
        { "group", 1, NULL, 'g' },       { "one", 1, NULL, '1' },         { "list", 0, NULL, 'l' },
        { "failures", 1, NULL, 'f' },    { "native-only", 0, NULL, 'n' }, { "cpu", 1, NULL, 'p' },
        { "engine", 1, NULL, 'e' },      { "split", 1, NULL, 'S' },       { "help", 0, NULL, 'h' },
        { "no-minimise", 0, NULL, 'm' }, { "coverage", 0, NULL, 'C' },    { 0 },
    };
    static const char *const engines[] = {
        [D86_ENGINE_INTERP] = "interp",
        [D86_ENGINE_SBE] = "sbe",
        [D86_ENGINE_LOCKSTEP] = "lockstep",
    };
    static const char *const splits[] = {
        [D86_SPLIT_AUTO] = "auto", [D86_SPLIT_SEGMENT] = "segment", [D86_SPLIT_PKU] = "pku",
        [D86_SPLIT_NONE] = "none", [D86_SPLIT_TLB] = "tlb",
    };
    uint64_t value = 0;
    unsigned group;
    bool ok = true;

    for (int o; ok && (o = getopt_long(argc, argv, "c:t:s:g:1:lf:nmCh", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            ok = parse_number(optarg, &opt->count);
            break;
        case 't':
            ok = parse_number(optarg, &opt->seconds);
            break;
        case 's':
            ok = parse_number(optarg, &opt->seed);
            break;
        case 'g':
            ok = parse_group(optarg, strlen(optarg), &group);
            opt->groups |= ok ? 1u << group : 0;
            break;
        case '1':
            ok = parse_one(optarg, opt);
            break;
        case 'f':
            ok = parse_number(optarg, &value);
            opt->failures_max = value;
            break;
        case 'l':
            opt->list = true;
            break;
        case 'm':
            opt->minimise = false;
            break;
        case 'n':
            opt->native_only = true;
            break;
        case 'C':
            opt->coverage = true;
            break;
        case 'p':
            opt->config.cpu = optarg;
            break;
        case 'e':
            opt->translate = opt->native_only = !strcmp(optarg, "translated");
            ok = opt->translate || parse_name(optarg, engines, ARRAY_SIZE(engines), &value);
            opt->config.engine = value;
            break;
        case 'S':
            ok = parse_name(optarg, splits, ARRAY_SIZE(splits), &value);
            opt->config.split = value;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            ok = false;
        }
    }
    return ok && optind == argc;
}

static int run_one(struct sides *s, const struct options *opt)
{
    static struct outcome native, guest;
    struct test_case c;
    unsigned group = 0;

    while (!(opt->groups & 1u << group))
        group++;
    if (group == GROUP_DIRECTED)
        directed_case(opt->seed, &c);
    else
        generate_case(group, opt->seed, &c);
    unsigned difference = check_run(s, &c, &native, &guest);
    report(s, opt, &c, &native, &guest, difference);
    return difference != 0;
}

static void print_translated(const struct translated_stats *t)
{
    printf("translated: %" PRIu64 " stretches of %" PRIu64 " instructions; %" PRIu64 " exits, %" PRIu64
           " call-outs, %" PRIu64 " faults, %" PRIu64 " cases broken off\n",
           t->stretches, t->instructions, t->exits, t->call_outs, t->faults, t->breaks);
}

static int summary(bool native_only)
{
    uint64_t run = 0, failed = 0, excused = 0;

    for (unsigned g = 0; g <= GROUP_DIRECTED; g++) {
        const struct tally *t = &tallies[g];
        if (!t->run)
            continue;
        printf("%-9s %9" PRIu64 " cases, %" PRIu64 " different, %" PRIu64 " unspecified by the SDM; ended in",
               group_name(g), t->run, t->failed, t->excused);
        for (unsigned v = 0; v < 32; v++)
            if (t->vector[v])
                printf(" %s %" PRIu64, vector_name(v), t->vector[v]);
        putchar('\n');
        run += t->run, failed += t->failed, excused += t->excused;
    }
    printf("oracle: %" PRIu64 " cases, %" PRIu64 " different, %" PRIu64 " unspecified by the SDM%s\n", run,
           failed, excused, native_only ? " (host against itself)" : "");
    return failed != 0;
}

int main(int argc, char **argv)
{
    struct options opt = { .count = 200000, .failures_max = FAILURES_MAX, .minimise = true };
    struct sides sides = { 0 };

    if (!parse(argc, argv, &opt)) {
        usage(stderr);
        return 2;
    }
    if (opt.list) {
        list();
        return 0;
    }
    if (opt.coverage)
        return coverage_check(opt.seed, opt.count / GROUP_SEG16, stdout) ? 0 : 1;
    if (!opt.groups)
        opt.groups = (1u << (GROUP_DIRECTED + 1)) - 1;
    if (opt.translate)
        opt.groups &= ~(1u << GROUP_SEG16); /* only flat segments are translated */
    const char *missing = native_unavailable();
    if (missing) {
        printf("oracle: skipped: %s\n", missing);
        return EXIT_SKIPPED;
    }
    const char *no_ldt = native_no_ldt();
    if (no_ldt && opt.groups & 1u << GROUP_SEG16) {
        printf("oracle: group %s skipped: %s\n", group_name(GROUP_SEG16), no_ldt);
        opt.groups &= ~(1u << GROUP_SEG16);
        if (!opt.groups)
            return EXIT_SKIPPED;
    }
    image_init();
    sides.native = native_create(opt.translate);
    if (!sides.native)
        return 1;
    sides.translate = opt.translate;
    opt.config.eager = true;                                       /* all of a case, however short it is */
    opt.config.in_caller = opt.config.engine == D86_ENGINE_INTERP; /* cheap exits */
    if (!opt.native_only && !(sides.guest = guest_create(&opt.config, &missing))) {
        native_destroy(sides.native);
        printf("oracle: skipped: %s\n", missing);
        return EXIT_SKIPPED;
    }
    int status;
    if (opt.one) {
        status = run_one(&sides, &opt);
    } else {
        if (opt.groups & 1u << GROUP_DIRECTED)
            for (unsigned n = 0; n < directed_count(); n++)
                if (!no_ldt || !directed_needs_ldt(n))
                    run_directed(&sides, &opt, n);
        if (opt.groups & ~(1u << GROUP_DIRECTED))
            run_random(&sides, &opt);
        status = summary(opt.native_only);
        if (opt.translate)
            print_translated(&sides.native->stats);
    }
    if (sides.guest)
        guest_destroy(sides.guest);
    native_destroy(sides.native);
    return status;
}
