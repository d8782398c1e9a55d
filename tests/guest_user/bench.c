/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A benchmark of user code on i386: `bench MS KHZ name...` runs each named test for about MS milliseconds and
 * prints "name value unit". Time is the time stamp counter, which KHZ says the rate of: a guest's kernel can
 * misjudge it, and its ticks get lost on a busy host. `bench clock` only lets the counter run, so that it can
 * be held against another clock. tests/tools/native_bench.py does that, and runs this same file on the host
 * and in guests. With "h" behind MS the large blocks of memory are of huge pages if the kernel has some.
 */
#include "bench.h"

/* GCC's own vectors: its <emmintrin.h> includes a header of libc, and there is none for i386 on most hosts.
 */
typedef double double2 __attribute__((vector_size(16)));
typedef int32_t int4 __attribute__((vector_size(16)));

static uint32_t budget_ms = 200, tsc_khz = 1000000;
static volatile uint32_t sink; /* results go here, so that they are computed */

static uint64_t time_stamp(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtsc" : "=A"(ticks));
    return ticks;
}

static uint64_t nanoseconds_since(uint64_t start)
{
    return divide((time_stamp() - start) * 1000000, tsc_khz);
}

struct test {
    const char *name, *unit;
    uint32_t (*work)(uint32_t count); /* do it `count` times */
    uint32_t operations;              /* in each */
    bool is_time;                     /* nanoseconds for one operation, instead of millions a second */
    bool needs_blocks;
};

/* ---- SHA-256 (FIPS 180-4) of a buffer ---- */

static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

static uint32_t sha_word(uint32_t *w, unsigned i)
{
    uint32_t a = w[(i - 15) % 16], b = w[(i - 2) % 16];
    return w[i % 16] += (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[(i - 7) % 16] +
                        (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
}

/* One round; the caller rotates the names of the eight variables instead of their contents. */
#define SHA_ROUND(a, b, c, d, e, f, g, h, i, word)                                                           \
    do {                                                                                                     \
        h += (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + sha_constants[i] +       \
             (word);                                                                                         \
        d += h;                                                                                              \
        h += (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));                     \
    } while (0)

#define SHA_EIGHT_ROUNDS(i, WORD)                                                                            \
    do {                                                                                                     \
        SHA_ROUND(a, b, c, d, e, f, g, h, i, WORD(i));                                                       \
        SHA_ROUND(h, a, b, c, d, e, f, g, i + 1, WORD(i + 1));                                               \
        SHA_ROUND(g, h, a, b, c, d, e, f, i + 2, WORD(i + 2));                                               \
        SHA_ROUND(f, g, h, a, b, c, d, e, i + 3, WORD(i + 3));                                               \
        SHA_ROUND(e, f, g, h, a, b, c, d, i + 4, WORD(i + 4));                                               \
        SHA_ROUND(d, e, f, g, h, a, b, c, i + 5, WORD(i + 5));                                               \
        SHA_ROUND(c, d, e, f, g, h, a, b, i + 6, WORD(i + 6));                                               \
        SHA_ROUND(b, c, d, e, f, g, h, a, i + 7, WORD(i + 7));                                               \
    } while (0)

#define SHA_FIRST(i) (w[i] = __builtin_bswap32(block[i]))
#define SHA_LATER(i) sha_word(w, (i))

static void sha_block(uint32_t *state, const uint32_t *block)
{
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 16; i += 8)
        SHA_EIGHT_ROUNDS(i, SHA_FIRST);
    for (unsigned i = 16; i < 64; i += 8)
        SHA_EIGHT_ROUNDS(i, SHA_LATER);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static uint32_t sha256(uint32_t count)
{
    static uint32_t buffer[16384 / 4];
    uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    while (count--) {
        for (unsigned i = 0; i < ARRAY_SIZE(buffer); i += 16)
            sha_block(state, buffer + i);
    }
    return state[0];
}

/* ---- An interpreter of byte-code: an indirect jump for each operation ---- */

static uint32_t byte_code(uint32_t count)
{
    /* r0: counter, r1: sum. Ten operations a round. */
    enum { ADD, XOR, SHIFT, LOAD, STORE, LESS, SKIP, DECREMENT, LOOP, END };
    static const uint8_t code[] = {
        LOAD, ADD, XOR, SHIFT, STORE, LESS, SKIP, ADD, XOR, DECREMENT, LOOP, END
    };
    static const void *const labels[] = { &&add,  &&xor,  &&shift,     &&load, &&store,
                                          &&less, &&skip, &&decrement, &&loop, &&end };
    uint32_t counter = count * 100, sum = 1, cell = 3, value = 0;
    bool flag = false;
    const uint8_t *p = code;
#define NEXT goto *labels[*p++]
    NEXT;
add:
    sum += value;
    NEXT;
    xor : sum ^= counter;
    NEXT;
shift:
    sum = rotate(sum, 3);
    NEXT;
load:
    value = cell;
    NEXT;
store:
    cell = sum;
    NEXT;
less:
    flag = sum & 1;
    NEXT;
skip:
    p += flag; /* over an addition: a branch that cannot be predicted */
    NEXT;
decrement:
    counter--;
    NEXT;
loop:
    if (counter)
        p = code;
    NEXT;
end:
    return sum;
#undef NEXT
}

/* ---- Calls, branches, sorting ---- */

static uint32_t __attribute__((noinline)) fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t calls(uint32_t count)
{
    uint32_t sum = 0;
    while (count--)
        sum += fibonacci(15);
    return sum;
}

static uint32_t sort(uint32_t count)
{
    static uint32_t values[1000];
    uint32_t random = 99;
    while (count--) {
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
            values[i] = next_random(&random);
        for (unsigned gap = 364; gap > 0; gap /= 3) {
            for (unsigned i = gap; i < ARRAY_SIZE(values); i++) {
                uint32_t value = values[i];
                unsigned k = i;
                for (; k >= gap && values[k - gap] > value; k -= gap)
                    values[k] = values[k - gap];
                values[k] = value;
            }
        }
    }
    return values[500];
}

/* ---- Floating point ---- */

static uint32_t sse2_double(uint32_t count)
{
    double2 a = { 2.0, 1.0 }, b = { 0.25, 0.5 }, c = a, d = b;
    const double2 k = { 0.9999999, 1.0000001 };
    for (uint32_t i = 0; i < count * 100; i++) {
        a = a * k + b;
        b = b * k - c;
        c = c * k + d;
        d = d * k - a;
    }
    return (uint32_t)__builtin_ia32_cvtsd2si(a + b + (c + d));
}

static uint32_t sse2_integer(uint32_t count)
{
    static int4 data[256];
    const int4 next_lane = { 1, 2, 3, 0 };
    int4 sum = { 0 };
    while (count--) {
        __asm__ volatile("" : "+m"(data)); /* or the compiler would know that it is all zeros */
        for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
            sum += data[i] << 3 ^ sum;
            sum = __builtin_shuffle(sum, next_lane);
        }
    }
    return (uint32_t)sum[0];
}

static uint32_t scalar_double(uint32_t count)
{
    double x = 0.5;
    for (uint32_t i = 0; i < count * 100; i++)
        x = x * 3.9 * (1.0 - x);
    return x > 0.5;
}

static uint32_t x87(uint32_t count)
{
    uint32_t left = count * 100;
    int32_t result;
    /* x = x * 3.5 * (1 - x), three operations */
    __asm__ volatile("fninit\n fld1\n pushl $0x40600000\n flds (%%esp)\n popl %%eax\n"
                     "pushl $0x3f000000\n flds (%%esp)\n popl %%eax\n"
                     "1: fld %%st(0)\n fsubr %%st(3), %%st\n fmulp %%st, %%st(1)\n fmul %%st(1), %%st\n"
                     "decl %1\n jnz 1b\n"
                     "pushl %%eax\n fistpl (%%esp)\n popl %0\n fninit"
                     : "=r"(result), "+r"(left)
                     :
                     : "eax", "cc", "memory");
    return (uint32_t)result;
}

/* ---- Memory: two blocks of 16 MiB ---- */

enum { BLOCK = 16 << 20 };
static uint8_t *block_a, *block_b;
static bool huge_pages;

/* The guest's memory is made of pages of 4 KiB; so is the host's here, unless huge ones are asked for. */
static void map_blocks(void)
{
    enum { MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15 };
    if (block_a)
        return;
    block_a = map_memory((void *)0x50000000, 2 * BLOCK, PROT_RW);
    block_b = block_a + BLOCK;
    linux_call(NR_MADVISE, block_a, 2 * BLOCK, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(block_a, 1, 2 * BLOCK);
}

static uint32_t memory_copy(uint32_t count)
{
    while (count--) {
        const int4 *from = (const int4 *)block_a;
        int4 *to = (int4 *)block_b;
        for (unsigned i = 0; i < BLOCK / 16; i += 4) {
            int4 x = from[i], y = from[i + 1], z = from[i + 2], w = from[i + 3];
            to[i] = x;
            to[i + 1] = y;
            to[i + 2] = z;
            to[i + 3] = w;
        }
        __asm__ volatile("" : : : "memory");
    }
    return block_b[5];
}

static uint32_t memory_copy_rep(uint32_t count)
{
    while (count--)
        memcpy(block_b, block_a, BLOCK);
    return block_b[5];
}

static uint32_t copy_small(uint32_t count)
{
    while (count--) {
        const int4 *from = (const int4 *)block_a;
        int4 *to = (int4 *)block_b;
        for (unsigned i = 0; i < 8192 / 16; i++)
            to[i] = from[i];
        __asm__ volatile("" : : : "memory");
    }
    return block_b[5];
}

/* A chain through one block, in an order no prefetcher knows; each link is a cache line. */
static void make_chain(uint32_t lines)
{
    uint32_t *links = (uint32_t *)block_a, random = 12345;
    for (uint32_t i = 0; i < lines; i++)
        links[i * 16] = i;
    for (uint32_t i = lines - 1; i > 0; i--) { /* Sattolo: one cycle */
        uint32_t k = next_random(&random) % i, other = links[k * 16];
        links[k * 16] = links[i * 16];
        links[i * 16] = other;
    }
}

static uint32_t chase(uint32_t count)
{
    const uint32_t *links = (const uint32_t *)block_a;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count * 100; i++)
        at = links[at * 16];
    return at;
}

/* ---- Code made at run time ---- */

static uint32_t jit(uint32_t count)
{
    static uint8_t *page;
    uint32_t sum = 0;
    if (!page)
        page = map_memory(NULL, PAGE, PROT_RWX);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(page, "\xb8\x00\x00\x00\x00\x05\x01\x00\x00\x00\xc3", 11);
        memcpy(page + 1, &i, 4);
        uint32_t (*code)(void) = (uint32_t(*)(void))page;
        sum += code();
    }
    return sum;
}

/* Written once, called many times: what a JIT hopes for. */
static uint32_t jit_run(uint32_t count)
{
    static uint8_t *page;
    uint32_t sum = 0;
    if (!page) {
        page = map_memory(NULL, PAGE, PROT_RWX);
        memcpy(page, "\xb8\x07\x00\x00\x00\x05\x01\x00\x00\x00\xc3", 11);
    }
    uint32_t (*volatile code)(void) = (uint32_t(*)(void))page;
    for (uint32_t i = 0; i < count * 100; i++)
        sum += code();
    return sum;
}

static const struct test tests[] = {
    { "sha256", "MB/s", sha256, 16384, false },
    { "bytecode", "Mop/s", byte_code, 1050, false },
    { "calls", "Mcall/s", calls, 1973, false },
    { "sort", "Melem/s", sort, 1000, false },
    { "sse2-double", "Mflop/s", sse2_double, 1600, false },
    { "sse2-integer", "Mop/s", sse2_integer, 256 * 16, false },
    { "scalar-double", "Mflop/s", scalar_double, 300, false },
    { "x87", "Mflop/s", x87, 300, false },
    { "memcpy-16M", "MB/s", memory_copy, BLOCK, false, true },
    { "memcpy-16M-rep", "MB/s", memory_copy_rep, BLOCK, false, true },
    { "memcpy-8K", "MB/s", copy_small, 8192, false, true },
    { "chase-16M", "ns", chase, 100, true, true },
    { "jit-run", "ns", jit_run, 100, true },
    { "jit-write-run", "ns", jit, 1, true },
    { "getppid-int80", "ns", bench_null_interrupt, 1, true },
    { "getppid-vdso", "ns", bench_null_vdso, 1, true },
    { "clock-gettime", "ns", bench_clock, 1, true },
    { "ud2-signal", "ns", bench_undefined, 1, true },
    { "signal", "ns", bench_signal, 1, true },
    { "sigsegv", "ns", bench_segv, 1, true },
    { "page-fault", "ns", bench_page_faults, 64, true },
    { "mmap-touch", "ns", bench_map_touch, 1, true },
    { "copy-on-write", "ns", bench_copy_on_write, 64, true },
    { "file-512", "ns", bench_file, 1, true },
    { "pipe-ping-pong", "ns", bench_ping_pong, 1, true },
    { "fork-wait", "ns", bench_fork, 1, true },
    { "fork-exec", "ns", bench_exec, 1, true },
};

static void print_value(const struct test *test, uint64_t nanoseconds, uint64_t operations)
{
    /* Three significant digits behind what would be an integer: thousandths. */
    while (nanoseconds >> 32 || operations >> 32 || operations * 1000 >> 54) {
        nanoseconds >>= 1;
        operations >>= 1;
    }
    uint64_t thousandths =
        test->is_time ? divide(nanoseconds * 1000, (uint32_t)operations ? (uint32_t)operations : 1)
                      : divide(operations * 1000000, (uint32_t)nanoseconds ? (uint32_t)nanoseconds : 1);
    uint64_t whole = divide(thousandths, 1000);
    uint32_t rest = (uint32_t)(thousandths - whole * 1000);
    print("%s %U.%u%u%u %s\n", test->name, whole, rest / 100, rest / 10 % 10, rest % 10, test->unit);
}

/* Double the count until it takes the time; the last, longest run counts. */
static void run_test(const struct test *test)
{
    uint64_t wanted = (uint64_t)budget_ms * 1000000, took = 0;
    uint32_t count = 1;
    if (test->needs_blocks)
        map_blocks();
    if (test->work == chase)
        make_chain(BLOCK / 64);
    sink = test->work(1); /* warm up */
    for (;;) {
        uint64_t start = time_stamp();
        sink = test->work(count);
        took = nanoseconds_since(start);
        if (took * 2 > wanted || count >= 1u << 30)
            break;
        uint32_t factor = took < wanted / 16 ? 8 : took ? (uint32_t)divide(wanted, (uint32_t)took) : 8;
        count *= factor > 2 ? factor : 2;
    }
    print_value(test, took, (uint64_t)count * test->operations);
}

static uint32_t parse_number(const char *text)
{
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

static const struct test *find_test(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        if (same_text(tests[i].name, name))
            return &tests[i];
    }
    print("there is no test %s\n", name);
    end_program(2);
}

static int run_clock(void)
{
    enum { TICKS = 3000000000u };
    print("begin\n");
    uint64_t start = time_stamp(), ticks;
    do
        ticks = time_stamp() - start;
    while (ticks < TICKS);
    print("end %U ticks\n", ticks);
    return 0;
}

int program(void)
{
    char **argument = program_arguments + 1;
    if (argument[0] && same_text(argument[0], "clock"))
        return run_clock();
    if (argument[0] && same_text(argument[0], BENCH_NOTHING))
        return 0;
    if (!argument[0] || !argument[1] || !parse_number(argument[1])) {
        print("usage: bench clock | bench MS KHZ name...\n");
        return 2;
    }
    budget_ms = parse_number(argument[0]);
    huge_pages = argument[0][strlen(argument[0]) - 1] == 'h';
    tsc_khz = parse_number(argument[1]);
    for (argument += 2; *argument; argument++)
        run_test(find_test(*argument));
    return 0;
}
