/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program that reads itself. What it reads of its text, in every way there is, must be what the file of
 * the program holds, also after its sensitive instructions have been executed, however they were.
 */
#include "user.h"

extern const uint8_t __executable_start[], __etext[]; /* of the linker */

static uint8_t file[256 * 1024];
static uint8_t copy[256 * 1024];

/* Sensitive instructions of many kinds, whose bytes are then read. Returns how many kinds it executed. */
static unsigned execute_sensitive(void)
{
    uint32_t a, b, c, d, flags;
    __asm__ volatile("xor %%eax, %%eax\n cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d));
    __asm__ volatile("mov %%cs, %0" : "=r"(a));
    __asm__ volatile("mov %%ss, %0" : "=r"(b));
    __asm__ volatile("push %%ds\n pop %0" : "=r"(c));
    __asm__ volatile("push %%es\n pop %%es" : : : "memory");
    __asm__ volatile("mov %%fs, %%eax\n mov %%eax, %%fs" : : : "eax");
    __asm__ volatile("pushf\n pop %0" : "=r"(flags));
    __asm__ volatile("push %0\n popf" : : "r"(flags) : "cc");
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
    __asm__ volatile("lar %1, %0" : "=r"(a) : "r"(b) : "cc");
    __asm__ volatile("verr %w0" : : "r"(b) : "cc");
    __asm__ volatile("int $0x80" : "=a"(a) : "0"(NR_GETPID) : "memory");
    __asm__ volatile("pushf\n push %%cs\n push $1f\n iret\n1:" : : : "memory", "cc");
    __asm__ volatile("push %%cs\n push $1f\n lret\n1:" : : : "memory");
    return 14;
}

static uint32_t sum_bytes(const uint8_t *p, uint32_t size, uint32_t stride)
{
    uint32_t sum = 0;
    for (uint32_t start = 0; start < stride; start++) {
        for (uint32_t i = start; i < size; i += stride)
            sum = (sum << 5 | sum >> 27) + p[i];
    }
    return sum;
}

/* Unaligned reads of `width` bytes, so that some straddle patched instructions and pages. */
static uint32_t sum_wide(const uint8_t *p, uint32_t size, uint32_t width)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 16 <= size; i += 3) {
        uint32_t low = 0, high = 0;
        if (width == 2)
            __asm__ volatile("movzwl %1, %0" : "=r"(low) : "m"(p[i]));
        else if (width == 4)
            __asm__ volatile("movl %1, %0" : "=r"(low) : "m"(p[i]));
        else if (width == 8)
            __asm__ volatile("movq %2, %%mm0\n movd %%mm0, %0\n psrlq $32, %%mm0\n movd %%mm0, %1"
                             : "=r"(low), "=r"(high)
                             : "m"(p[i]));
        else
            __asm__ volatile("movups %2, %%xmm0\n movmskps %%xmm0, %0\n pxor %%xmm1, %%xmm1\n"
                             "psadbw %%xmm1, %%xmm0\n movd %%xmm0, %1"
                             : "=r"(low), "=r"(high)
                             : "m"(p[i]));
        sum = (sum << 7 | sum >> 25) + low + (high ^ i);
    }
    __asm__ volatile("emms");
    return sum;
}

/* By the string instructions, which have their own ways to memory. */
static uint32_t sum_strings(const uint8_t *p, uint32_t size)
{
    uint32_t sum = 0, left = size / 4;
    const uint8_t *from = p;
    while (left--) {
        uint32_t value;
        __asm__ volatile("lodsl" : "=a"(value), "+S"(from));
        sum = sum * 31 + value;
    }
    /* The first byte of each value, found by SCASB. */
    for (unsigned value = 0; value < 256; value++) {
        const uint8_t *at = p;
        uint32_t count = size;
        __asm__ volatile("repne scasb" : "+D"(at), "+c"(count) : "a"(value) : "cc", "memory");
        sum = sum * 31 + count;
    }
    return sum;
}

/* With a CS override: a read, but of the code segment. */
static uint32_t sum_by_cs(const uint8_t *p, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t value;
        __asm__ volatile("movzbl %%cs:(%1), %0" : "=r"(value) : "r"(p + i) : "memory");
        sum = (sum << 5 | sum >> 27) + value;
    }
    return sum;
}

static bool read_own_file(uint32_t offset, uint32_t size)
{
    int self = (int)linux_call(NR_OPEN, "/proc/self/exe", 0, 0);
    if (self < 0)
        return false;
    uint32_t have = 0;
    for (;;) {
        long got = linux_call(NR_READ, self, file + have, sizeof(file) - have);
        if (got <= 0)
            break;
        have += (uint32_t)got;
    }
    linux_call(NR_CLOSE, self);
    if (have < offset + size)
        return false;
    memcpy(copy, file + offset, size);
    return true;
}

/* The kernel reads text too: through a pipe. */
static void check_pipe(const uint8_t *text, uint32_t size)
{
    int ends[2];
    uint32_t wrong = 0;
    if (linux_call(NR_PIPE, ends)) {
        check(false, "pipe");
        return;
    }
    for (uint32_t at = 0; at < size; at += PAGE) {
        uint32_t part = size - at < PAGE ? size - at : PAGE;
        static uint8_t back[PAGE];
        wrong += linux_call(NR_WRITE, ends[1], text + at, part) != (long)part;
        wrong += linux_call(NR_READ, ends[0], back, part) != (long)part;
        wrong += memcmp(back, copy + at, part) != 0;
    }
    check_equal(wrong, 0, "the kernel reads the text");
}

/* Each instruction is read just before it runs, and again behind it. */
static void check_next_instruction(void)
{
    uint32_t before = 0, after = 0;
    __asm__ volatile("movl 1f, %0\n"
                     "jmp 1f\n"
                     "1: cpuid\n" /* 0f a2 */
                     "nop\n"
                     "nop\n"
                     "movl 1b, %1\n"
                     : "=&S"(before), "=&D"(after)
                     : "a"(0)
                     : "ebx", "ecx", "edx");
    check_equal(before, 0x9090a20f, "an instruction is read before it runs");
    check_equal(after, 0x9090a20f, "an instruction is read after it ran");

    uint32_t own;
    __asm__ volatile("1: movl 1b, %0" : "=a"(own));
    check_equal(own & 0xff, 0xa1, "an instruction reads itself");

    uint32_t at, byte;
    __asm__ volatile("call 1f\n1: pop %0\n movzbl -5(%0), %1" : "=r"(at), "=q"(byte));
    check_equal(byte, 0xe8, "a call is read by the return address it pushed");
}

/* Constants and a jump table between instructions. */
static uint32_t table_in_text(uint32_t index)
{
    uint32_t result;
    __asm__ volatile("jmp *3f(,%1,4)\n"
                     ".balign 4\n"
                     "3: .long 4f, 5f, 6f, 7f\n"
                     "4: movl $10, %0\n jmp 8f\n"
                     "9: .long 0x0080cdc3\n" /* int 0x80 in a constant */
                     "5: movl $11, %0\n pushf\n popf\n jmp 8f\n"
                     "   .byte 0xcf, 0xfa, 0xcb\n" /* iret, cli, retf as data */
                     "6: movl 9b, %0\n jmp 8f\n"
                     "7: movzwl 6b-3, %0\n"
                     "8:\n"
                     : "=&r"(result)
                     : "r"(index)
                     : "cc");
    return result;
}

static void check_sums(const uint8_t *text, uint32_t size, const char *when)
{
    static const uint32_t strides[] = { 1, 2, 3, 5, 16, 64, 127, 4096 };
    for (unsigned i = 0; i < ARRAY_SIZE(strides); i++)
        check_equal(sum_bytes(text, size, strides[i]), sum_bytes(copy, size, strides[i]), "%s, stride %u",
                    when, strides[i]);
    for (uint32_t width = 2; width <= 16; width *= 2)
        check_equal(sum_wide(text, size, width), sum_wide(copy, size, width), "%s, %u bytes at once", when,
                    width);
    check_equal(sum_strings(text, size), sum_strings(copy, size), "%s, string instructions", when);
    check_equal(sum_by_cs(text, size), sum_bytes(copy, size, 1), "%s, through CS", when);
    check(!memcmp(text, copy, size), "%s, compared", when);
}

int program(void)
{
    const uint8_t *text = (const uint8_t *)((uint32_t)__executable_start + PAGE);
    uint32_t size = scaled((uint32_t)(__etext - text));
    text = __etext - size; /* in a short run what is in this file, which comes last */
    if (!read_own_file((uint32_t)(text - __executable_start), size)) {
        check(false, "the program's file is read");
        return 1;
    }
    check_sums(text, size, "before");
    check_equal(execute_sensitive(), 14, "sensitive instructions run");
    check_sums(text, size, "after");
    for (unsigned i = 0; i < scaled(50); i++)
        execute_sensitive();
    check_sums(text, size, "after many runs");
    check_next_instruction();
    static const uint32_t expected[] = { 10, 11, 0x0080cdc3, 0xfacf };
    for (uint32_t i = 0; i < 4; i++)
        check_equal(table_in_text(i), expected[i], "entry %u of a jump table in text", i);
    check_pipe(text, size);
    return 0;
}
