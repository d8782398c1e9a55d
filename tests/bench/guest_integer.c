/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Integer work for tests/bench/interp_bench.c, compiled for the guest (-m32, no libc) and entered in flat
 * protected mode with the number of the workload in EAX and its size in EDX. Ends with HLT, a checksum in
 * EAX.
 */
#include <stdint.h>

enum { WORDS = 4096 };

static uint32_t data[WORDS];

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state;
}

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

/* The compression loop of a SHA-2 like hash: rotates, adds, xors on registers and a small array. */
static uint32_t hash(uint32_t rounds)
{
    uint32_t a = 0x6a09e667, b = 0xbb67ae85, c = 0x3c6ef372, d = 0xa54ff53a;
    for (uint32_t r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < 64; i++) {
            uint32_t s = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
            uint32_t t = s + majority + data[i];
            data[i] = t ^ d;
            d = c, c = b, b = a, a = t + d;
        }
    }
    return a ^ b ^ c ^ d;
}

/* Shell sort of random words: compares, branches, loads and stores. */
static uint32_t sort(uint32_t rounds)
{
    uint32_t state = 1, sum = 0;
    while (rounds--) {
        for (unsigned i = 0; i < WORDS; i++)
            data[i] = random_next(&state);
        for (unsigned gap = WORDS / 2; gap; gap /= 2) {
            for (unsigned i = gap; i < WORDS; i++) {
                uint32_t x = data[i];
                unsigned j = i;
                for (; j >= gap && data[j - gap] > x; j -= gap)
                    data[j] = data[j - gap];
                data[j] = x;
            }
        }
        sum += data[WORDS / 2];
    }
    return sum;
}

/* A byte-code interpreter: an indirect jump for each of its instructions. */
static uint32_t bytecode(uint32_t steps)
{
    static const uint8_t program[] = { 0, 1, 2, 3, 1, 0, 4, 2, 5, 0, 3, 6 };
    uint32_t acc = 1, pc = 0;
    while (steps--) {
        switch (program[pc]) {
        case 0:
            acc += 3;
            break;
        case 1:
            acc ^= acc << 5;
            break;
        case 2:
            acc -= data[acc & 63];
            break;
        case 3:
            acc = rotate(acc, 7);
            break;
        case 4:
            data[acc & 63] = acc;
            break;
        case 5:
            acc |= 1;
            break;
        default:
            acc *= 5;
            break;
        }
        if (++pc == sizeof(program))
            pc = 0;
    }
    return acc;
}

static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/* Byte copies by a loop the compiler is kept from turning into REP MOVS. */
static uint32_t copy(uint32_t rounds)
{
    volatile uint8_t *to = (volatile uint8_t *)data + 8192, *from = (volatile uint8_t *)data;
    while (rounds--) {
        for (unsigned i = 0; i < 8192; i++)
            to[i] = from[i];
    }
    return to[100];
}

uint32_t run(uint32_t workload, uint32_t size);

uint32_t run(uint32_t workload, uint32_t size)
{
    switch (workload) {
    case 0:
        return hash(size);
    case 1:
        return sort(size);
    case 2:
        return bytecode(size);
    case 3:
        return fibonacci(size);
    default:
        return copy(size);
    }
}

__asm__(".section .entry, \"ax\"\n"
        "push %edx\n\tpush %eax\n\tcall run\n\thlt\n"
        ".text");
