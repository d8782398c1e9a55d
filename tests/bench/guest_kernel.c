/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fourteen kinds of what kernels compute, for tests/bench/kernel_bench.c, compiled as Linux compiles itself
 * for i386: -O2 -march=i686 -mregparm=3, frame pointers, no jump tables but in `bytecode`. Entered with the
 * kind in EAX and how often in EDX; returns a checksum.
 */
#include <stdint.h>

#define NOINLINE __attribute__((noinline))

enum { BYTES = 64 << 10, WORDS = 4096, NODES = 1024 };

static uint8_t bytes[BYTES], more[BYTES];
static uint32_t words[WORDS];

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* ---- Unpacking: matches and literals, and a range decoder's shifts and branches ---------------------------
 */

static NOINLINE uint32_t next_bit(uint32_t *range, uint32_t *code, uint16_t *chance)
{
    uint32_t bound = (*range >> 11) * *chance, bit = *code >= bound;
    if (bit) {
        *code -= bound;
        *range -= bound;
        *chance -= *chance >> 5;
    } else {
        *range = bound;
        *chance += (2048 - *chance) >> 5;
    }
    while (*range < 1u << 24) {
        *range <<= 8;
        *code = *code << 8 | (*code * 37 & 0xff);
    }
    return bit;
}

static uint32_t unpack(uint32_t state)
{
    static uint16_t chance[256];
    uint32_t range = UINT32_MAX, code = state * 0x9e3779b9u, at = 0;
    for (unsigned i = 0; i < 256; i++)
        chance[i] = 1024;
    while (at < 2048) {
        uint32_t symbol = 1;
        for (unsigned i = 0; i < 6; i++)
            symbol = symbol << 1 | next_bit(&range, &code, &chance[symbol & 127]);
        if (at > 64 && symbol & 1) {
            for (uint32_t from = at - 1 - (symbol & 63), n = 3 + (symbol >> 3 & 7); n; n--)
                more[at++] = more[from++];
        } else {
            more[at++] = (uint8_t)symbol;
        }
    }
    return more[at - 1] + code;
}

/* ---- A hash ---------------------------------------------------------------------------------------------
 */

static uint32_t hash(uint32_t a)
{
    uint32_t b = 0xbb67ae85, c = 0x3c6ef372, d = 0xa54ff53a, e = 0x510e527f, f = 0x9b05688c, g = 0x1f83d9ab,
             h = 0x5be0cd19;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t w = words[i & 15] += rotate(words[(i + 1) & 15], 7) + rotate(words[(i + 14) & 15], 17);
        uint32_t s = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + w;
        uint32_t t = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + s, d = c, c = b, b = a, a = s + t;
    }
    return a ^ e;
}

/* ---- Trees and lists ------------------------------------------------------------------------------------
 */

struct node {
    struct node *left, *right, *next;
    uint32_t key, count;
};

static struct node nodes[NODES], *free_nodes, *root;

typedef int compare_keys(uint32_t a, uint32_t b);

static NOINLINE int compare_up(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static NOINLINE int compare_down(uint32_t a, uint32_t b)
{
    return a > b ? -1 : a < b;
}

static compare_keys *volatile comparisons[] = { compare_up, compare_down };

static void free_all(void)
{
    free_nodes = root = 0;
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].next = free_nodes;
        free_nodes = &nodes[i];
    }
}

static NOINLINE struct node *take_node(uint32_t key)
{
    struct node *n = free_nodes;
    free_nodes = n->next;
    *n = (struct node){ .key = key };
    return n;
}

static NOINLINE struct node *insert(struct node *n, uint32_t key, compare_keys *compare)
{
    int order;
    if (!n)
        return take_node(key);
    order = compare(key, n->key);
    if (order < 0)
        n->left = insert(n->left, key, compare);
    else if (order > 0)
        n->right = insert(n->right, key, compare);
    else
        n->count++;
    return n;
}

static NOINLINE uint32_t walk(const struct node *n)
{
    return n ? walk(n->left) * 3 + walk(n->right) + n->key + n->count : 0;
}

static uint32_t tree(uint32_t state)
{
    compare_keys *compare = comparisons[state & 1];
    free_all();
    for (unsigned i = 0; i < 256; i++)
        root = insert(root, random_next(&state) & 0x3ff, compare);
    return walk(root);
}

static uint32_t chase(uint32_t state)
{
    uint32_t found = 0;
    if (!root)
        (void)tree(2);
    for (unsigned i = 0; i < 256; i++) {
        uint32_t key = random_next(&state) & 0x3ff;
        const struct node *n = root;
        while (n && n->key != key)
            n = key < n->key ? n->left : n->right;
        found += n != 0;
    }
    return found;
}

/* Left-leaning rotations on the way, a list of what was taken, and nodes given back. */
static NOINLINE struct node *rotate_node(struct node *n)
{
    struct node *up = n->right;
    n->right = up->left;
    up->left = n;
    return up;
}

static NOINLINE struct node *insert_balanced(struct node *n, uint32_t key, unsigned depth)
{
    if (!n)
        return take_node(key);
    n->count++;
    if (key < n->key)
        n->left = insert_balanced(n->left, key, depth + 1);
    else
        n->right = insert_balanced(n->right, key, depth + 1);
    if (n->right && n->right->count > n->count / 2 + depth)
        n = rotate_node(n);
    return n;
}

static uint32_t balance(uint32_t state)
{
    struct node *list = 0;
    uint32_t sum = 0;
    free_all();
    for (unsigned i = 0; i < 200; i++) {
        struct node *n;
        root = insert_balanced(root, random_next(&state) & 0xffff, 0);
        n = take_node(i);
        n->next = list;
        list = n;
        if (i % 4 == 3) {
            struct node *back = list;
            list = back->next;
            back->next = free_nodes;
            free_nodes = back;
            sum += back->key;
        }
    }
    sum += walk(root);
    root = 0;
    return sum;
}

/* ---- Memory ---------------------------------------------------------------------------------------------
 */

static NOINLINE void copy_words(void *to, const void *from, uint32_t count)
{
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}

static NOINLINE void fill_words(void *to, uint32_t value, uint32_t count)
{
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

static uint32_t repeat(uint32_t state)
{
    for (uint32_t size = 8; size <= 1024; size *= 2) {
        fill_words(bytes + (state & 0xff0), state, size);
        copy_words(more + (state >> 4 & 0xff0), bytes + (state & 0xff0), size);
    }
    return more[0x1000];
}

static NOINLINE uint32_t length(const char *s)
{
    uint32_t n = 0;
    while (s[n]) {
        n++;
        __asm__ volatile("");
    }
    return n;
}

static NOINLINE int compare_strings(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        __asm__ volatile("");
    return *a - *b;
}

static NOINLINE void copy_bytes(char *to, const char *from, uint32_t size)
{
    while (size--) {
        *to++ = *from++;
        __asm__ volatile("" ::: "memory");
    }
}

static uint32_t strings(uint32_t state)
{
    static const char *const names[] = { "proc", "sys",     "a-rather-long-name-of-a-file.conf",
                                         "lib",  "modules", "a-rather-long-name-of-a-file.cond" };
    char *at = (char *)bytes;
    uint32_t sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        const char *name = names[random_next(&state) % 6];
        uint32_t n = length(name);
        copy_bytes(at, name, n + 1);
        sum += (uint32_t)compare_strings(at, names[i % 6]) + n;
    }
    return sum;
}

static uint32_t checksum(uint32_t sum)
{
    const uint32_t *p = words;
    for (unsigned i = 0; i < 128; i++, p += 4)
        __asm__("addl 0(%1), %0\n\tadcl 4(%1), %0\n\tadcl 8(%1), %0\n\tadcl 12(%1), %0\n\tadcl $0, %0"
                : "+r"(sum)
                : "r"(p)
                : "cc", "memory");
    return sum;
}

/* ---- Calls ----------------------------------------------------------------------------------------------
 */

static NOINLINE uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/* A path of names: a hash chain for each, with a lock and a reference. */
struct entry {
    struct entry *next, *parent;
    uint32_t hash, locks;
    const char *name;
};

static struct entry entries[64], *buckets[16];

static NOINLINE uint32_t hash_name(const char *name)
{
    uint32_t h = 0;
    while (*name)
        h = (h + (uint32_t)*name++) * 11;
    return h;
}

static NOINLINE int lock_entry(struct entry *e)
{
    uint32_t seen = e->locks, result;
    __asm__ volatile("lock cmpxchgl %2, %1"
                     : "=a"(result), "+m"(e->locks)
                     : "r"(seen + 2), "0"(seen)
                     : "memory");
    return result == seen;
}

static NOINLINE struct entry *look_up(struct entry *parent, const char *name)
{
    uint32_t h = hash_name(name);
    for (struct entry *e = buckets[(h ^ h >> 5) & 15]; e; e = e->next)
        if (e->hash == h && e->parent == parent && !compare_strings(e->name, name) && lock_entry(e))
            return e;
    return 0;
}

static uint32_t path(uint32_t state)
{
    static const char *const names[] = {
        "usr", "lib", "modules", "kernel", "drivers", "net", "etc", "init.d"
    };
    uint32_t found = 0;
    if (!entries[0].name) {
        struct entry *parent = 0;
        for (unsigned i = 0; i < 64; i++) {
            struct entry *e = &entries[i];
            e->name = names[i % 8];
            e->hash = hash_name(e->name);
            e->parent = parent;
            e->next = buckets[(e->hash ^ e->hash >> 5) & 15];
            buckets[(e->hash ^ e->hash >> 5) & 15] = e;
            parent = i % 8 == 7 ? &entries[i / 8] : e;
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        struct entry *at = 0;
        for (unsigned depth = 0; depth < 8 && (at = look_up(at, names[depth])); depth++)
            found += at->locks & 1 ? 0 : depth + (state & 1);
    }
    return found;
}

/* A system call: five layers, operations by pointer, 32 bytes copied. */
struct file;
struct operations {
    uint32_t (*read)(struct file *file, char *to, uint32_t size);
};
struct file {
    const struct operations *volatile operations;
    uint32_t position, references;
};

static NOINLINE uint32_t read_null(struct file *file, char *to, uint32_t size)
{
    file->position += size;
    copy_words(to, bytes + (file->position & 0xff0), size / 4);
    return size;
}

static NOINLINE uint32_t read_count(struct file *file, char *to, uint32_t size)
{
    file->position++;
    to[0] = (char)file->position;
    return size;
}

static const struct operations null_operations = { read_null }, count_operations = { read_count };
static struct file files[8];

static NOINLINE struct file *get_file(uint32_t number)
{
    struct file *file = number < 8 ? &files[number] : 0;
    if (file)
        file->references++;
    return file;
}

static NOINLINE uint32_t vfs_read(struct file *file, char *to, uint32_t size)
{
    return size > 4096 ? 0 : file->operations->read(file, to, size);
}

static NOINLINE uint32_t sys_read(uint32_t number, char *to, uint32_t size)
{
    struct file *file = get_file(number);
    uint32_t result = file ? vfs_read(file, to, size) : 0;
    if (file)
        file->references--;
    return result;
}

static uint32_t (*volatile system_calls[])(uint32_t, char *, uint32_t) = { sys_read, sys_read };

static uint32_t calls(uint32_t state)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < 8; i++)
        files[i].operations = i & 1 ? &count_operations : &null_operations;
    for (unsigned i = 0; i < 64; i++)
        sum += system_calls[i & 1](random_next(&state) & 7, (char *)more, 32);
    return sum + files[0].position;
}

static NOINLINE void sift(uint32_t *heap, uint32_t at, uint32_t count, compare_keys *compare)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        uint32_t key = heap[at];
        if (child + 1 < count && compare(heap[child], heap[child + 1]) < 0)
            child++;
        if (compare(key, heap[child]) >= 0)
            return;
        heap[at] = heap[child];
        heap[child] = key;
    }
}

static uint32_t heap_sort(uint32_t state)
{
    enum { COUNT = 128 };
    compare_keys *compare = comparisons[state & 1];
    uint32_t *heap = words + 1024;
    for (unsigned i = 0; i < COUNT; i++)
        heap[i] = random_next(&state);
    for (uint32_t i = COUNT / 2; i-- > 0;)
        sift(heap, i, COUNT, compare);
    for (uint32_t i = COUNT - 1; i > 0; i--) {
        uint32_t key = heap[0];
        heap[0] = heap[i];
        heap[i] = key;
        sift(heap, 0, i, compare);
    }
    return heap[COUNT / 3];
}

static __attribute__((optimize("jump-tables"))) NOINLINE uint32_t bytecode(uint32_t acc)
{
    static const uint8_t program[] = { 0, 1, 2, 3, 1, 0, 4, 2, 5, 0, 3, 6 };
    uint32_t pc = 0;
    for (unsigned steps = 0; steps < 1000; steps++) {
        switch (program[pc]) {
        case 0:
            acc += 3;
            break;
        case 1:
            acc ^= acc << 5;
            break;
        case 2:
            acc -= words[acc & 63];
            break;
        case 3:
            acc = rotate(acc, 7);
            break;
        case 4:
            words[acc & 63] = acc;
            break;
        case 5:
            acc = acc & 1 ? acc * 3 + 1 : acc >> 1;
            break;
        default:
            pc = UINT32_MAX;
            break;
        }
        pc++;
    }
    return acc;
}

/* ---- Much code: 1000 functions, each with three calls of others -------------------------------------------
 */

#define AFTER_0        1
#define AFTER_1        2
#define AFTER_2        3
#define AFTER_3        4
#define AFTER_4        5
#define AFTER_5        6
#define AFTER_6        7
#define AFTER_7        8
#define AFTER_8        9
#define AFTER_9        0
#define NAME_(a, b, c) f##a##b##c
#define NAME(a, b, c)  NAME_(a, b, c)
#define AFTER(a)       AFTER_##a

#define TEN(do, a, b)                                                                                        \
    do                                                                                                       \
    (a, b, 0) do(a, b, 1) do(a, b, 2) do(a, b, 3) do(a, b, 4) do(a, b, 5) do(a, b, 6) do(a, b, 7) do(        \
        a, b, 8) do(a, b, 9)
#define HUNDRED(do, a)                                                                                       \
    TEN(do, a, 0)                                                                                            \
    TEN(do, a, 1)                                                                                            \
    TEN(do, a, 2) TEN(do, a, 3) TEN(do, a, 4) TEN(do, a, 5) TEN(do, a, 6) TEN(do, a, 7) TEN(do, a, 8)        \
        TEN(do, a, 9)
#define THOUSAND(do)                                                                                         \
    HUNDRED(do, 0)                                                                                           \
    HUNDRED(do, 1)                                                                                           \
    HUNDRED(do, 2) HUNDRED(do, 3) HUNDRED(do, 4) HUNDRED(do, 5) HUNDRED(do, 6) HUNDRED(do, 7) HUNDRED(do, 8) \
        HUNDRED(do, 9)

#define DECLARE(a, b, c) static uint32_t f##a##b##c(uint32_t x, uint32_t depth);
#define DEFINE(a, b, c)                                                                                      \
    static NOINLINE uint32_t f##a##b##c(uint32_t x, uint32_t depth)                                          \
    {                                                                                                        \
        words[1##a##b##c] += x;                                                                              \
        if (!depth)                                                                                          \
            return x + words[1##b##c##a];                                                                    \
        x = NAME(b, c, AFTER(a))(rotate(x, 5) ^ 0x1##a##b##c, depth - 1);                                    \
        if (x & 8)                                                                                           \
            return NAME(c, AFTER(a), b)(x * 5 + 1, depth - 1);                                               \
        return x ^ NAME(AFTER(b), a, c)(x + 0x##c##b##a, depth - 1);                                         \
    }

THOUSAND(DECLARE)
THOUSAND(DEFINE)

static uint32_t much(uint32_t state)
{
    uint32_t x = random_next(&state);
    x = f000(x, 6) ^ f357(x, 6);
    x = f814(x, 6) ^ f692(x, 6);
    return x ^ f129(x, 6) ^ f940(x, 6);
}

/* ---- Which -------------------------------------------------------------------------------------------- */

static uint32_t some_fibonacci(uint32_t i)
{
    return fibonacci(12 + (i & 3));
}

static uint32_t (*const kinds[])(uint32_t) = { unpack,  hash,      tree,           chase,   repeat,
                                               strings, checksum,  some_fibonacci, balance, path,
                                               calls,   heap_sort, bytecode,       much };

uint32_t run(uint32_t kind, uint32_t count);

uint32_t run(uint32_t kind, uint32_t count)
{
    uint32_t sum = 0;

    /* The same each time, whatever was run before. */
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = i * 0x01000193u;
    root = 0;
    for (unsigned i = 0; i < 8; i++)
        files[i].position = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += kinds[kind](i);
    return sum;
}

__asm__(".section .entry, \"ax\"\n\tjmp run\n\t.text");
