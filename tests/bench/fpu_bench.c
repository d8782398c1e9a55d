/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cost of one guest FP or SIMD instruction in the interpreter, in nanoseconds: handlers in straight lines,
 * operands in the TLB. The figures in docs/fpu.md come from here.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../unit/fpu_rig.h"

static const struct {
    const char *name;
    uint8_t bytes[15];
} rows[] = {
    { "fnop", { 0xd9, 0xd0 } },
    { "fxch st1", { 0xd9, 0xc9 } },
    { "fadd st0, st1", { 0xd8, 0xc1 } },
    { "fadd dword [esi]", { 0xd8, 0x06 } },
    { "fmul qword [esi]", { 0xdc, 0x0e } },
    { "fst dword [esi]", { 0xd9, 0x16 } },
    { "fst qword [esi]", { 0xdd, 0x16 } },
    { "fnstsw ax", { 0xdf, 0xe0 } },
    { "fldcw [esi+64]", { 0xd9, 0x6e, 0x40 } },
    { "fcomi st0, st1", { 0xdb, 0xf1 } },
    { "fsin", { 0xd9, 0xfe } },
    { "paddb mm0, mm1", { 0x0f, 0xfc, 0xc1 } },
    { "movaps xmm0, xmm1", { 0x0f, 0x28, 0xc1 } },
    { "movaps xmm0, [esi]", { 0x0f, 0x28, 0x06 } },
    { "movups [esi], xmm0", { 0x0f, 0x11, 0x06 } },
    { "movss xmm0, [esi]", { 0xf3, 0x0f, 0x10, 0x06 } },
    { "addps xmm0, xmm1", { 0x0f, 0x58, 0xc1 } },
    { "mulsd xmm0, [esi]", { 0xf2, 0x0f, 0x59, 0x06 } },
    { "cvttsd2si eax, xmm0", { 0xf2, 0x0f, 0x2c, 0xc0 } },
    { "ucomisd xmm0, xmm1", { 0x66, 0x0f, 0x2e, 0xc1 } },
    { "movd xmm0, eax", { 0x66, 0x0f, 0x6e, 0xc0 } },
    { "fxsave [esi]", { 0x0f, 0xae, 0x06 } },
    { "fnstenv [esi]", { 0xd9, 0x36 } },
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Best of five, so that a busy machine does not show. */
static double measure(const uint8_t bytes[15], const struct rig_controls *controls, const struct rig_state *s,
                      unsigned count)
{
    double best = 1e18;
    for (int i = 0; i < 5; i++) {
        double start = now_ns();
        rig_repeat_guest(bytes, controls, s, count);
        double each = (now_ns() - start) / count;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    struct rig_controls controls = { .cr0 = 0x80000031u, .cr4 = 0x600u, .tlb = RIG_TLB_FILLED };
    struct rig_state s;
    const double one = 1.0;
    const uint8_t extended_one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };

    memset(&s, 0, sizeof(s));
    s.fx[0] = 0x7f;
    s.fx[1] = 0x03;
    s.fx[3] = 0x20; /* TOP 4: ST(0)..ST(3) are in use */
    s.fx[4] = 0xf0;
    s.fx[24] = 0x80;
    s.fx[25] = 0x1f;
    for (unsigned i = 0; i < 8; i++) {
        memcpy(s.fx + 32 + 16 * i, extended_one, 10);
        memcpy(s.fx + 160 + 16 * i, &one, 8);
    }
    uint8_t *memory = rig_memory();
    memcpy(memory, &one, 8);
    memory[64] = 0x7f;
    memory[65] = 0x03;
    s.gpr[6] = (uint32_t)(uintptr_t)memory;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("%-22s %7.2f ns\n", rows[i].name, measure(rows[i].bytes, &controls, &s, 1 << 18));
    return 0;
}
