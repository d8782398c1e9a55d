/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Accesses the caller answers: each reaches it exactly once and in order, whatever the instruction is and
 * however often the processor has to start it over to collect the answers.
 */
#include "cpu_bench.h"

#define DEV BENCH_DEVICE

static struct bench b;

static void setup(void)
{
    bench_open(&b);
    for (unsigned i = 0; i < 256; i++)
        b.device[i] = (uint8_t)(0x10 + i);
}

static void teardown(void)
{
    bench_close(&b);
}

/* ---- One instruction, its accesses in order ------------------------------------------------------------ */

struct expected {
    uint64_t at;
    uint8_t size;
    bool is_write, is_port;
    uint64_t value;
};

#define RD(at, size, value)                                                                                  \
    {                                                                                                        \
        at, size, false, false, value                                                                        \
    }
#define WR(at, size, value)                                                                                  \
    {                                                                                                        \
        at, size, true, false, value                                                                         \
    }
#define IN(at, size, value)                                                                                  \
    {                                                                                                        \
        at, size, false, true, value                                                                         \
    }
#define OUT(at, size, value)                                                                                 \
    {                                                                                                        \
        at, size, true, true, value                                                                          \
    }

enum { KEEP = 0x55555555 };

/*
 * Registers at the start: EAX 11223344, EBX DEV, ECX 55667788, EDX 99aabbcc, ESI DEV, EDI DEV + 80, EBP DATA,
 * CF as `carry`. The device reads as 10 11 12 .. from DEV on, ports as 00 01 02 .. byte by byte.
 */
static const struct {
    const char *name;
    uint8_t code[12], size;
    bool carry;
    struct expected access[8];
    unsigned count;
    uint32_t eax, flags; /* afterwards; KEEP: as before, flags: not looked at */
} rows[] = {
    /* clang-format off */
    { "in al,imm", { 0xe4, 0x70 }, 2, 0, { IN(0x70, 1, 0) }, 1, 0x11223300, KEEP },
    { "in ax,imm", { 0x66, 0xe5, 0x70 }, 3, 0, { IN(0x70, 2, 0x0100) }, 1, 0x11220100, KEEP },
    { "in eax,imm", { 0xe5, 0xf0 }, 2, 0, { IN(0xf0, 4, 0x03020100) }, 1, 0x03020100, KEEP },
    { "in al,dx", { 0xec }, 1, 0, { IN(0xbbcc, 1, 0) }, 1, 0x11223300, KEEP },
    { "in eax,dx", { 0xed }, 1, 0, { IN(0xbbcc, 4, 0x03020100) }, 1, 0x03020100, KEEP },
    { "out imm,al", { 0xe6, 0x70 }, 2, 0, { OUT(0x70, 1, 0x44) }, 1, KEEP, KEEP },
    { "out imm,ax", { 0x66, 0xe7, 0x70 }, 3, 0, { OUT(0x70, 2, 0x3344) }, 1, KEEP, KEEP },
    { "out dx,eax", { 0xef }, 1, 0, { OUT(0xbbcc, 4, 0x11223344) }, 1, KEEP, KEEP },
    { "mov al,[m]", { 0x8a, 0x03 }, 2, 0, { RD(DEV, 1, 0x10) }, 1, 0x11223310, KEEP },
    { "mov ax,[m]", { 0x66, 0x8b, 0x43, 1 }, 4, 0, { RD(DEV + 1, 2, 0x1211) }, 1, 0x11221211, KEEP },
    { "mov eax,[m]", { 0x8b, 0x43, 3 }, 3, 0, { RD(DEV + 3, 4, 0x16151413) }, 1, 0x16151413, KEEP },
    { "mov [m],al", { 0x88, 0x03 }, 2, 0, { WR(DEV, 1, 0x44) }, 1, KEEP, KEEP },
    { "mov [m],ax", { 0x66, 0x89, 0x03 }, 3, 0, { WR(DEV, 2, 0x3344) }, 1, KEEP, KEEP },
    { "mov [m],eax", { 0x89, 0x03 }, 2, 0, { WR(DEV, 4, 0x11223344) }, 1, KEEP, KEEP },
    { "mov [m],imm32", { 0xc7, 0x03, 4, 3, 2, 1 }, 6, 0, { WR(DEV, 4, 0x01020304) }, 1, KEEP, KEEP },
    { "movzx eax,word [m]", { 0x0f, 0xb7, 0x03 }, 3, 0, { RD(DEV, 2, 0x1110) }, 1, 0x1110, KEEP },
    { "movsx eax,byte [m]", { 0x0f, 0xbe, 0x03 }, 3, 0, { RD(DEV, 1, 0x10) }, 1, 0x10, KEEP },
    { "add eax,[m]", { 0x03, 0x03 }, 2, 0, { RD(DEV, 4, 0x13121110) }, 1, 0x24344454, 0x00 },
    { "adc [m],eax adds the carry once", { 0x11, 0x03 }, 2, 1,
      { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x24344455) }, 2, KEEP, X86_PF },
    { "adc [m],imm that carries out", { 0x81, 0x13, 0xf0, 0xee, 0xed, 0xec }, 6, 1,
      { RD(DEV, 4, 0x13121110), WR(DEV, 4, 1) }, 2, KEEP, X86_CF },
    { "sbb [m],eax borrows once", { 0x19, 0x03 }, 2, 1, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x01efddcb) }, 2,
      KEEP, X86_AF },
    { "rcl dword [m],1", { 0xd1, 0x13 }, 2, 1, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x26242221) }, 2, KEEP,
      KEEP },
    { "rcr byte [m],1", { 0xd0, 0x1b }, 2, 1, { RD(DEV, 1, 0x10), WR(DEV, 1, 0x88) }, 2, KEEP, KEEP },
    { "shld [m],eax,4", { 0x0f, 0xa4, 0x03, 4 }, 4, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x31211101) }, 2,
      KEEP, KEEP },
    { "inc word [m] keeps CF", { 0x66, 0xff, 0x03 }, 3, 1, { RD(DEV, 2, 0x1110), WR(DEV, 2, 0x1111) }, 2,
      KEEP, X86_CF | X86_PF },
    { "neg byte [m]", { 0xf6, 0x1b }, 2, 0, { RD(DEV, 1, 0x10), WR(DEV, 1, 0xf0) }, 2, KEEP,
      X86_CF | X86_SF | X86_PF },
    { "not dword [m]", { 0xf7, 0x13 }, 2, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0xecedeeef) }, 2, KEEP,
      KEEP },
    { "lock or [m],eax", { 0xf0, 0x09, 0x03 }, 3, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x13323354) }, 2,
      KEEP, KEEP },
    { "cmp [m],eax does not write", { 0x39, 0x03 }, 2, 0, { RD(DEV, 4, 0x13121110) }, 1, KEEP, KEEP },
    { "test [m],eax does not write", { 0x85, 0x03 }, 2, 0, { RD(DEV, 4, 0x13121110) }, 1, KEEP, KEEP },
    { "xchg [m],eax", { 0x87, 0x03 }, 2, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x11223344) }, 2, 0x13121110,
      KEEP },
    { "xchg [m],al", { 0x86, 0x03 }, 2, 0, { RD(DEV, 1, 0x10), WR(DEV, 1, 0x44) }, 2, 0x11223310, KEEP },
    { "xadd [m],eax", { 0x0f, 0xc1, 0x03 }, 3, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x24344454) }, 2,
      0x13121110, 0 },
    { "xadd [m],edx takes its flags from the sum", { 0x0f, 0xc1, 0x13 }, 3, 0,
      { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0xacbcccdc) }, 2, KEEP, X86_SF },
    { "cmpxchg [m],edx writes back when unequal", { 0x0f, 0xb1, 0x13 }, 3, 0,
      { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x13121110) }, 2, 0x13121110, KEEP },
    { "cmpxchg8b [m] writes back when unequal", { 0x0f, 0xc7, 0x0b }, 3, 0,
      { RD(DEV, 8, 0x1716151413121110), WR(DEV, 8, 0x1716151413121110) }, 2, 0x13121110, KEEP },
    { "bts [m],3", { 0x0f, 0xba, 0x2b, 3 }, 4, 0, { RD(DEV, 4, 0x13121110), WR(DEV, 4, 0x13121118) }, 2, KEEP,
      0 },
    { "bt [m],4 does not write", { 0x0f, 0xba, 0x23, 4 }, 4, 0, { RD(DEV, 4, 0x13121110) }, 1, KEEP, X86_CF },
    { "sete [m]", { 0x0f, 0x94, 0x03 }, 3, 0, { WR(DEV, 1, 0) }, 1, KEEP, KEEP },
    { "cmovz reads even when it does not move", { 0x0f, 0x44, 0x03 }, 3, 0, { RD(DEV, 4, 0x13121110) }, 1,
      KEEP, KEEP },
    { "push [m]", { 0xff, 0x33 }, 2, 0, { RD(DEV, 4, 0x13121110) }, 1, KEEP, KEEP },
    { "pop [m]", { 0x8f, 0x03 }, 2, 0, { WR(DEV, 4, 0xcafef00d) }, 1, KEEP, KEEP },
    { "mul dword [m]", { 0xf7, 0x23 }, 2, 0, { RD(DEV, 4, 0x13121110) }, 1, 0xfe52b840, KEEP },
    { "xlat", { 0xd7 }, 1, 0, { RD(DEV + 0x44, 1, 0x54) }, 1, 0x11223354, KEEP },
    { "lodsd", { 0xad }, 1, 0, { RD(DEV, 4, 0x13121110) }, 1, 0x13121110, KEEP },
    { "stosw", { 0x66, 0xab }, 2, 0, { WR(DEV + 0x80, 2, 0x3344) }, 1, KEEP, KEEP },
    { "movsd device to device", { 0xa5 }, 1, 0, { RD(DEV, 4, 0x13121110), WR(DEV + 0x80, 4, 0x13121110) }, 2,
      KEEP, KEEP },
    { "cmpsb device with device", { 0xa6 }, 1, 0, { RD(DEV, 1, 0x10), RD(DEV + 0x80, 1, 0x90) }, 2, KEEP,
      X86_CF | X86_SF | X86_OF },
    { "scasd", { 0xaf }, 1, 0, { RD(DEV + 0x80, 4, 0x93929190) }, 1, KEEP, KEEP },
    { "insb to a device", { 0x6c }, 1, 0, { IN(0xbbcc, 1, 0), WR(DEV + 0x80, 1, 0) }, 2, KEEP, KEEP },
    { "outsd from a device", { 0x6f }, 1, 0, { RD(DEV, 4, 0x13121110), OUT(0xbbcc, 4, 0x13121110) }, 2, KEEP,
      KEEP },
    { "fld qword", { 0xdd, 0x03 }, 2, 0, { RD(DEV, 8, 0x1716151413121110) }, 1, KEEP, KEEP },
    { "fistp dword", { 0xdb, 0x1b }, 2, 0, { WR(DEV, 4, 1) }, 1, KEEP, KEEP },
    { "fldcw", { 0xd9, 0x2b }, 2, 0, { RD(DEV, 2, 0x1110) }, 1, KEEP, KEEP },
    { "movq mm0,[m]", { 0x0f, 0x6f, 0x03 }, 3, 0, { RD(DEV, 8, 0x1716151413121110) }, 1, KEEP, KEEP },
    { "movups [m],xmm0", { 0x0f, 0x11, 0x03 }, 3, 0, { WR(DEV, 8, 0), WR(DEV + 8, 8, 0) }, 2, KEEP, KEEP },
    /* clang-format on */
};

static void check_accesses(const char *name, const struct expected *want, unsigned count)
{
    for (unsigned i = 0; i < count && i < b.logged; i++) {
        const struct bench_access *a = &b.log[i];
        ck_assert_msg(a->at == want[i].at && a->size == want[i].size && a->is_write == want[i].is_write &&
                          a->is_port == want[i].is_port && a->value == want[i].value && a->count == 1,
                      "%s: access %u is a %s %s of %u bytes at %#llx, value %#llx, count %u", name, i,
                      a->is_port ? "port" : "memory", a->is_write ? "write" : "read", a->size,
                      (unsigned long long)a->at, (unsigned long long)a->value, a->count);
    }
    ck_assert_msg(b.logged == count, "%s: %u accesses", name, b.logged);
}

/* Flat mode with SSE switched on and 1.0 in ST(0). */
static void mode_with_fpu(void)
{
    struct d86_sregs s;
    struct d86_fpu fpu;
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr4 = X86_CR4_OSFXSR;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    d86_vcpu_get_fpu(b.cpu, &fpu);
    memcpy(fpu.fxsave, "\x7f\x03", 2);
    fpu.fxsave[4] = 0x01;
    memcpy(fpu.fxsave + 32, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
    memset(fpu.fxsave + 160, 0, 128);
    ck_assert_int_eq(d86_vcpu_set_fpu(b.cpu, &fpu), 0);
}

START_TEST(each_access_once_and_in_order)
{
    const char *name = rows[_i].name;
    struct d86_regs start = { .eax = 0x11223344,
                              .ebx = DEV,
                              .ecx = 0x55667788,
                              .edx = 0x99aabbcc,
                              .esi = DEV,
                              .edi = DEV + 0x80,
                              .ebp = BENCH_DATA,
                              .esp = BENCH_STACK,
                              .eip = BENCH_CODE,
                              .eflags = 2 | rows[_i].carry };
    bench_write32(&b, BENCH_STACK, 0xcafef00d);
    /* The instruction stands between others, so that it is met in the middle of a block. */
    BENCH_BYTES(&b, BENCH_CODE, 0x8d, 0x6d, 1); /* lea ebp,[ebp+1] */
    bench_write(&b, BENCH_CODE + 3, rows[_i].code, rows[_i].size);
    BENCH_BYTES(&b, BENCH_CODE + 3 + rows[_i].size, 0x8d, 0x6d, 1, 0xcc);
    mode_with_fpu();
    d86_vcpu_set_regs(b.cpu, &start);
    BENCH_RUN(&b);
    check_accesses(name, rows[_i].access, rows[_i].count);
    struct d86_regs r = bench_regs(&b);
    ck_assert_msg(r.eax == (rows[_i].eax == KEEP ? start.eax : rows[_i].eax), "%s: EAX %#x", name, r.eax);
    ck_assert_uint_eq(r.ebp, BENCH_DATA + 2);
    if (rows[_i].flags != KEEP)
        ck_assert_msg((r.eflags & X86_ARITH) == rows[_i].flags, "%s: flags %#x", name, r.eflags);
}
END_TEST

START_TEST(fault_after_the_read_ends_the_instruction)
{
    /* ldmxcsr [DEV], whose answer has reserved bits; bound eax,[DEV], which EAX = 0 is outside of */
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0xae, 0x15, LE32(DEV), 0x62, 0x05, LE32(DEV));
    mode_with_fpu();
    BENCH_FAULT(&b, X86_GP);
    ck_assert_uint_eq(b.logged, 1);
    BENCH_SAW(&b, 0, DEV, 4, false, 0x13121110);
    bench_set_eip(&b, BENCH_CODE + 7);
    BENCH_FAULT(&b, X86_BR);
    ck_assert_uint_eq(b.logged, 3);
    BENCH_SAW(&b, 1, DEV, 4, false, 0x13121110);
    BENCH_SAW(&b, 2, DEV + 4, 4, false, 0x17161514);
}
END_TEST

START_TEST(esp_moves_once)
{
    /* pop [DEV]; pop [DEV+4]; push [DEV]; call [DEV+8] */
    BENCH_BYTES(&b, BENCH_CODE, 0x8f, 0x05, LE32(DEV), 0x8f, 0x05, LE32(DEV + 4), 0xff, 0x35, LE32(DEV), 0xff,
                0x15, LE32(DEV + 8));
    bench_write32(&b, BENCH_STACK, 0x11111111);
    bench_write32(&b, BENCH_STACK + 4, 0x22222222);
    bench_mode(&b, BENCH_FLAT32);
    memcpy(&b.device[8], "\0\x20\0\0", 4);
    BENCH_BYTES(&b, 0x2000, 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x2000);
    ck_assert_uint_eq(bench_regs(&b).esp, BENCH_STACK);
    ck_assert_uint_eq(bench_read32(&b, BENCH_STACK + 4), 0x11111111);
    ck_assert_uint_eq(bench_read32(&b, BENCH_STACK), BENCH_CODE + 24);
    ck_assert_uint_eq(b.logged, 4);
    BENCH_SAW(&b, 0, DEV, 4, true, 0x11111111);
    BENCH_SAW(&b, 1, DEV + 4, 4, true, 0x22222222);
    BENCH_SAW(&b, 2, DEV, 4, false, 0x11111111);
    BENCH_SAW(&b, 3, DEV + 8, 4, false, 0x2000);
}
END_TEST

/* ---- String instructions ------------------------------------------------------------------------------- */

/* ESI, EDI, ECX, EDX in front of a string instruction at BENCH_CODE followed by INT3. */
static void string_setup(const uint8_t *code, size_t size, uint32_t esi, uint32_t edi, uint32_t ecx)
{
    bench_mode(&b, BENCH_FLAT32);
    bench_write(&b, BENCH_CODE, code, size);
    BENCH_BYTES(&b, BENCH_CODE + size, 0xcc);
    d86_vcpu_set_regs(b.cpu, &(struct d86_regs){ .eax = 0x55aa,
                                                 .esi = esi,
                                                 .edi = edi,
                                                 .ecx = ecx,
                                                 .edx = 0x1f0,
                                                 .esp = BENCH_STACK,
                                                 .eip = BENCH_CODE,
                                                 .eflags = 2 });
}

START_TEST(rep_movs_between_devices)
{
    static const uint8_t code[] = { 0xf3, 0xa5 };
    string_setup(code, sizeof(code), DEV, DEV + 0x100, 8);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 16);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t value = (uint32_t)bench_value(&b.device[i * 4], 4);
        BENCH_SAW(&b, 2 * i, DEV + i * 4, 4, false, value);
        BENCH_SAW(&b, 2 * i + 1, DEV + 0x100 + i * 4, 4, true, value);
    }
    struct d86_regs r = bench_regs(&b);
    ck_assert_uint_eq(r.ecx, 0);
    ck_assert_uint_eq(r.esi, DEV + 32);
    ck_assert_uint_eq(r.edi, DEV + 0x100 + 32);
}
END_TEST

START_TEST(rep_movs_from_ram_into_a_device_and_on)
{
    static const uint8_t code[] = { 0xf3, 0xa4 };
    /* Starts in RAM below the device; the last two bytes go to it. */
    string_setup(code, sizeof(code), BENCH_DATA, DEV - 6, 8);
    bench_write(&b, BENCH_DATA, "abcdefgh", 8);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 2);
    BENCH_SAW(&b, 0, DEV, 1, true, 'g');
    BENCH_SAW(&b, 1, DEV + 1, 1, true, 'h');
    char back[6];
    ck_assert_int_eq(d86_vm_read(b.vm, DEV - 6, back, 6), 0);
    ck_assert_mem_eq(back, "abcdef", 6);
}
END_TEST

START_TEST(repne_scas_stops_at_the_device_byte)
{
    static const uint8_t code[] = { 0xf2, 0xae };
    string_setup(code, sizeof(code), 0, DEV, 100);
    b.device[5] = 0xaa;
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 6);
    ck_assert_uint_eq(bench_regs(&b).ecx, 94);
    ck_assert_uint_eq(bench_regs(&b).edi, DEV + 6);
    ck_assert(bench_regs(&b).eflags & X86_ZF);
}
END_TEST

/* All port elements of the record, one after the other, are `bytes` bytes from the counter or in memory. */
static unsigned port_bytes(void)
{
    unsigned bytes = 0;
    for (unsigned i = 0; i < b.logged; i++) {
        ck_assert(b.log[i].is_port);
        ck_assert_uint_eq(b.log[i].at, 0x1f0);
        bytes += b.log[i].count * b.log[i].size;
    }
    return bytes;
}

START_TEST(rep_ins_comes_in_batches)
{
    static const uint8_t code[] = { 0x66, 0xf3, 0x6d };
    enum { WORDS = 3000, TO = 0x20ffe };
    uint8_t back[2 * WORDS];
    string_setup(code, sizeof(code), 0, TO, WORDS);
    BENCH_RUN(&b);
    ck_assert_uint_eq(port_bytes(), 2 * WORDS);
    ck_assert_uint_lt(b.logged, 12); /* in pages, not one by one */
    ck_assert_int_eq(d86_vm_read(b.vm, TO, back, sizeof(back)), 0);
    for (unsigned i = 0; i < sizeof(back); i++)
        ck_assert_uint_eq(back[i], i & 0xff);
    ck_assert_uint_eq(bench_regs(&b).ecx, 0);
    ck_assert_uint_eq(bench_regs(&b).edi, TO + 2 * WORDS);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 3);
}
END_TEST

START_TEST(rep_outs_comes_in_batches)
{
    static const uint8_t code[] = { 0xf3, 0x6f };
    enum { DWORDS = 2048, FROM = 0x20ffc };
    uint8_t data[4 * DWORDS], seen[4 * DWORDS];
    unsigned at = 0;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 5 + (i >> 8));
    string_setup(code, sizeof(code), FROM, 0, DWORDS);
    bench_write(&b, FROM, data, sizeof(data));
    while (d86_vcpu_run(b.cpu), b.exit->reason == D86_EXIT_IO) {
        ck_assert_uint_le(at + b.exit->io.count * 4, sizeof(seen));
        memcpy(seen + at, b.exit->io.data, b.exit->io.count * 4);
        at += b.exit->io.count * 4;
        bench_answer(&b);
    }
    ck_assert_uint_eq(at, sizeof(data));
    ck_assert_mem_eq(seen, data, sizeof(data));
    ck_assert_uint_eq(port_bytes(), sizeof(data));
    ck_assert_uint_lt(b.logged, 12);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 2);
    ck_assert_uint_eq(bench_regs(&b).ecx, 0);
}
END_TEST

/* RF as an event would find it now: set once an iteration is done, as long as one is to come. */
static void check_rf(uint32_t count)
{
    struct d86_regs r = bench_regs(&b);
    bool amid = r.eip == BENCH_CODE && r.ecx != count;
    ck_assert_msg(!!(r.eflags & X86_RF) == amid, "ECX %u, EIP %#x, EFLAGS %#x", r.ecx, r.eip, r.eflags);
}

enum { REPEATS = 7 };

START_TEST(rf_is_set_where_a_repeat_leaves_in_the_middle)
{
    static const struct {
        uint8_t code[3], size;
        uint32_t from, to, count;
    } repeats[] = {
        { { 0xf3, 0x6e }, 2, 0x20ffe, 0, 9000 },    /* rep outsb, in batches */
        { { 0xf3, 0x6c }, 2, 0, 0x20ffe, 9000 },    /* rep insb */
        { { 0xf3, 0x6e }, 2, DEV, 0, 5 },           /* rep outsb from a device */
        { { 0xf3, 0xa4 }, 2, 0x20ffe, DEV, 5 },     /* rep movsb to a device */
        { { 0xf3, 0xa4 }, 2, DEV, DEV + 0x100, 5 }, /* ... between two */
        { { 0xf3, 0xa4 }, 2, 0x30000, DEV - 3, 6 }, /* ... that begins in RAM */
        { { 0xf3, 0xa6 }, 2, DEV, DEV, 4 },         /* repe cmpsb */
    };
    _Static_assert(ARRAY_SIZE(repeats) == REPEATS, "the loop's end");
    string_setup(repeats[_i].code, repeats[_i].size, repeats[_i].from, repeats[_i].to, repeats[_i].count);
    unsigned exits = 0, amid = 0;
    do {
        ck_assert_int_eq(d86_vcpu_run(b.cpu), 0);
        check_rf(repeats[_i].count);
        amid += !!(bench_regs(&b).eflags & X86_RF);
        exits++;
    } while (bench_answer(&b));
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
    ck_assert_uint_eq(bench_regs(&b).ecx, 0);
    ck_assert_uint_gt(amid, 0);
    ck_assert_uint_gt(exits, 2);
}
END_TEST

START_TEST(rep_ins_backwards)
{
    static const uint8_t code[] = { 0xf3, 0x6c };
    uint8_t back[4];
    string_setup(code, sizeof(code), 0, BENCH_DATA + 3, 4);
    struct d86_regs r = bench_regs(&b);
    r.eflags |= X86_DF;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_RUN(&b);
    ck_assert_uint_eq(port_bytes(), 4);
    ck_assert_int_eq(d86_vm_read(b.vm, BENCH_DATA, back, 4), 0);
    ck_assert_mem_eq(back, "\3\2\1\0", 4);
}
END_TEST

/* Identity map of the first 4 MiB but for one page; tables at 10000 and 11000. */
static void map_all_but(uint32_t hole)
{
    struct d86_sregs s;
    bench_write32(&b, 0x10000, 0x11000 | 7);
    for (uint32_t page = 0; page < 1024; page++)
        bench_write32(&b, 0x11000 + page * 4, page << 12 | (page << 12 == hole ? 6 : 7));
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr0 |= X86_CR0_PG;
    s.cr3 = 0x10000;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
}

static void rep_with_hole(bool is_in, uint32_t expected_error)
{
    static const uint8_t ins[] = { 0xf3, 0x6d }, outs[] = { 0xf3, 0x6f };
    enum { AT = 0x21ff0, DWORDS = 40 };
    string_setup(is_in ? ins : outs, 2, is_in ? 0 : AT, is_in ? AT : 0, DWORDS);
    map_all_but(0x22000);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, 0x22000);
    ck_assert_uint_eq(b.exception.error_code, expected_error);
    /* Four elements are done, and the port has seen no more. */
    ck_assert_uint_eq(port_bytes(), 16);
    struct d86_regs r = bench_regs(&b);
    ck_assert_uint_eq(r.ecx, DWORDS - 4);
    ck_assert_uint_eq(is_in ? r.edi : r.esi, 0x22000);
    ck_assert_uint_eq(r.eip, BENCH_CODE);
    /* The page arrives; the instruction goes on where it was. */
    bench_write32(&b, 0x11000 + 0x22 * 4, 0x22000 | 7);
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_RUN(&b);
    ck_assert_uint_eq(port_bytes(), DWORDS * 4);
    ck_assert_uint_eq(bench_regs(&b).ecx, 0);
}

START_TEST(rep_ins_faults_in_the_middle)
{
    uint8_t back[160];
    rep_with_hole(true, X86_PF_W);
    ck_assert_int_eq(d86_vm_read(b.vm, 0x21ff0, back, sizeof(back)), 0);
    for (unsigned i = 0; i < sizeof(back); i++)
        ck_assert_uint_eq(back[i], i);
}
END_TEST

START_TEST(rep_outs_faults_in_the_middle)
{
    rep_with_hole(false, 0);
}
END_TEST

/* ---- Wide and split accesses --------------------------------------------------------------------------- */

START_TEST(page_crossing_read_half_device)
{
    bench_write32(&b, DEV - 4, 0xddccbbaa);
    for (unsigned ram = 1; ram <= 3; ram++) {
        b.logged = 0;
        BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(DEV - ram), 0xcc);
        bench_mode(&b, BENCH_FLAT32);
        BENCH_RUN(&b);
        uint64_t both = 0xddccbbaa | (uint64_t)0x13121110 << 32;
        ck_assert_uint_eq(bench_regs(&b).eax, (uint32_t)(both >> (8 * (4 - ram))));
        unsigned bytes = 0;
        for (unsigned i = 0; i < b.logged; i++) {
            ck_assert_uint_eq(b.log[i].at, DEV + bytes);
            bytes += b.log[i].size;
        }
        ck_assert_uint_eq(bytes, 4 - ram); /* no byte twice, none missing */
    }
}
END_TEST

START_TEST(page_crossing_write_half_device)
{
    for (unsigned ram = 1; ram <= 3; ram++) {
        b.logged = 0;
        memset(b.device, 0, 8);
        bench_write32(&b, DEV - 4, 0);
        BENCH_BYTES(&b, BENCH_CODE, 0xc7, 0x05, LE32(DEV - ram), LE32(0x44332211), 0xcc);
        bench_mode(&b, BENCH_FLAT32);
        BENCH_RUN(&b);
        uint64_t both = bench_read32(&b, DEV - 4) | bench_value(b.device, 4) << 32;
        ck_assert_uint_eq(both, (uint64_t)0x44332211 << (8 * (4 - ram)));
        unsigned bytes = 0;
        for (unsigned i = 0; i < b.logged; i++)
            bytes += b.log[i].size;
        ck_assert_uint_eq(bytes, 4 - ram);
    }
}
END_TEST

START_TEST(page_crossing_rmw_half_device)
{
    bench_write32(&b, DEV - 4, 0xff000000);
    /* stc; adc word [DEV-1],1; int3: FF in RAM, 10 in the device */
    BENCH_BYTES(&b, BENCH_CODE, 0xf9, 0x66, 0x83, 0x15, LE32(DEV - 1), 1, 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_read32(&b, DEV - 4), 0x01000000);
    ck_assert_uint_eq(b.device[0], 0x11);
    ck_assert_uint_eq(b.logged, 2);
    BENCH_SAW(&b, 0, DEV, 1, false, 0x10);
    BENCH_SAW(&b, 1, DEV, 1, true, 0x11);
}
END_TEST

START_TEST(split_write_faults_before_the_device_sees_it)
{
    /* The device page comes first, the second page is not there. */
    BENCH_BYTES(&b, BENCH_CODE, 0xc7, 0x05, LE32(0xa0ffe), LE32(0x44332211), 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    map_all_but(0xa1000);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, 0xa1000);
    ck_assert_uint_eq(b.logged, 0);
}
END_TEST

START_TEST(fxsave_and_fxrstor_in_device_memory)
{
    struct d86_fpu before, after;
    mode_with_fpu();
    d86_vcpu_get_fpu(b.cpu, &before);
    before.fxsave[4] = 0x80; /* one register in use: ST(0) with TOP 7 */
    before.fxsave[3] = 7 << 3;
    memcpy(before.fxsave + 32, "\1\2\3\4\5\6\7\x88\x11\x40", 10);
    for (unsigned i = 0; i < 128; i++)
        before.fxsave[160 + i] = (uint8_t)(i + 1);
    ck_assert_int_eq(d86_vcpu_set_fpu(b.cpu, &before), 0);
    /* fxsave [DEV]; fninit; xorps xmm3,xmm3; fxrstor [DEV]; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x0f, 0xae, 0x05, LE32(DEV), 0xdb, 0xe3, 0x0f, 0x57, 0xdb, 0x0f, 0xae, 0x0d,
                LE32(DEV), 0xcc);
    BENCH_RUN(&b);
    unsigned at = 0;
    bool reading = false;
    for (unsigned i = 0; i < b.logged; i++) {
        if (!b.log[i].is_write && !reading) {
            ck_assert_uint_ge(at, 288);
            at = 0;
            reading = true;
        }
        ck_assert_msg(b.log[i].at == DEV + at && b.log[i].is_write == !reading, "access %u at %#llx", i,
                      (unsigned long long)b.log[i].at);
        at += b.log[i].size;
    }
    ck_assert(reading);
    ck_assert_mem_eq(b.device + 160, before.fxsave + 160, 128);
    d86_vcpu_get_fpu(b.cpu, &after);
    ck_assert_mem_eq(after.fxsave + 32, before.fxsave + 32, 10);
    ck_assert_mem_eq(after.fxsave + 160, before.fxsave + 160, 128);
    ck_assert_uint_eq(after.fxsave[4], 0x80);
}
END_TEST

START_TEST(pusha_enter_and_call_on_a_device_stack)
{
    bench_mode(&b, BENCH_FLAT32);
    /* pusha; popa; call +0; enter 8,2; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x60, 0x61, 0xe8, LE32(0), 0xc8, 8, 0, 2, 0xcc);
    struct d86_regs r = { .eax = 1,
                          .ecx = 2,
                          .edx = 3,
                          .ebx = 4,
                          .ebp = DEV + 0x40,
                          .esi = 6,
                          .edi = 7,
                          .esp = DEV + 0x100,
                          .eip = BENCH_CODE,
                          .eflags = 2 };
    d86_vcpu_set_regs(b.cpu, &r);
    b.device[0x3c] = 0xee;
    BENCH_RUN(&b);
    uint32_t pushed[] = { 1, 2, 3, 4, DEV + 0x100, DEV + 0x40, 6, 7 };
    unsigned n = 0;
    for (unsigned i = 0; i < 8; i++, n++)
        BENCH_SAW(&b, n, DEV + 0xfc - 4 * i, 4, true, pushed[i]);
    for (unsigned i = 0; i < 8; i++, n++)
        BENCH_SAW(&b, n, DEV + 0xe0 + 4 * i, 4, false, pushed[7 - i]);
    BENCH_SAW(&b, n, DEV + 0xfc, 4, true, BENCH_CODE + 7);
    n++;
    BENCH_SAW(&b, n, DEV + 0xf8, 4, true, DEV + 0x40);
    n++;
    BENCH_SAW(&b, n, DEV + 0x3c, 4, false, bench_value(&b.device[0x3c], 4));
    n++;
    BENCH_SAW(&b, n, DEV + 0xf4, 4, true, bench_value(&b.device[0x3c], 4));
    n++;
    BENCH_SAW(&b, n, DEV + 0xf0, 4, true, DEV + 0xf8);
    ck_assert_uint_eq(b.logged, n + 1);
    ck_assert_uint_eq(bench_regs(&b).esp, DEV + 0xe8);
    ck_assert_uint_eq(bench_regs(&b).ebp, DEV + 0xf8);
}
END_TEST

/* ---- Events whose delivery meets a device -------------------------------------------------------------- */

/* Real mode: interrupt table entry `vector` leads to `offset`, where an INT3 waits; the stack is the device.
 */
static void device_stack(uint8_t vector, uint16_t offset)
{
    struct d86_sregs s;
    struct d86_regs r;
    bench_mode(&b, BENCH_REAL);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.seg[D86_SS].selector = DEV >> 4;
    s.seg[D86_SS].base = DEV;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    r = bench_regs(&b);
    r.esp = 0x100;
    r.eflags = 2 | X86_IF;
    d86_vcpu_set_regs(b.cpu, &r);
    bench_write32(&b, vector * 4, offset);
    BENCH_BYTES(&b, offset, 0xcc);
}

static void check_frame(uint16_t return_ip, uint16_t flags)
{
    ck_assert_uint_eq(b.logged, 3);
    BENCH_SAW(&b, 0, DEV + 0xfe, 2, true, flags);
    BENCH_SAW(&b, 1, DEV + 0xfc, 2, true, 0);
    BENCH_SAW(&b, 2, DEV + 0xfa, 2, true, return_ip);
    ck_assert_uint_eq(bench_regs(&b).esp, 0xfa);
}

START_TEST(exception_on_a_device_stack)
{
    device_stack(X86_UD, 0x3000);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0x0f, 0x0b); /* nop; ud2 */
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x3000);
    check_frame(BENCH_CODE + 1, 2 | X86_IF);
}
END_TEST

START_TEST(exception_shown_once_on_a_device_stack)
{
    device_stack(X86_UD, 0x3000);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3 | D86_DEBUG_EXCEPTIONS);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0x0f, 0x0b);
    BENCH_FAULT(&b, X86_UD);
    ck_assert_uint_eq(b.logged, 0);
    BENCH_RUN(&b);
    check_frame(BENCH_CODE + 1, 2 | X86_IF);
}
END_TEST

START_TEST(interrupt_on_a_device_stack)
{
    device_stack(0x20, 0x3000);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0xcc);
    ck_assert_int_eq(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x3000);
    check_frame(BENCH_CODE, 2 | X86_IF);
    ck_assert(!(bench_regs(&b).eflags & X86_IF));
}
END_TEST

START_TEST(nmi_on_a_device_stack)
{
    struct d86_events events;
    device_stack(X86_NMI, 0x3000);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0xcc);
    d86_vcpu_nmi(b.cpu);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x3000);
    check_frame(BENCH_CODE, 2 | X86_IF);
    d86_vcpu_get_events(b.cpu, &events);
    ck_assert(events.nmi_blocked && !events.nmi_pending);
}
END_TEST

START_TEST(single_step_trap_on_a_device_stack)
{
    struct d86_regs r;
    device_stack(X86_DB, 0x3000);
    r = bench_regs(&b);
    r.eflags |= X86_TF;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0x90, 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x3000);
    check_frame(BENCH_CODE + 1, 2 | X86_IF | X86_TF);
}
END_TEST

START_TEST(software_interrupt_on_a_device_stack)
{
    device_stack(0x21, 0x3000);
    BENCH_BYTES(&b, BENCH_CODE, 0x90, 0xcd, 0x21);
    BENCH_RUN(&b);
    check_frame(BENCH_CODE + 3, 2 | X86_IF);
}
END_TEST

/* ---- What else may happen between access and answer ---------------------------------------------------- */

START_TEST(a_kick_between_accesses_waits_for_the_end_of_the_instruction)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xf9, 0x11, 0x05, LE32(DEV), 0xcc); /* stc; adc [DEV],eax; int3 */
    bench_mode(&b, BENCH_FLAT32);
    unsigned kicks = 0;
    for (;;) {
        d86_vcpu_run(b.cpu);
        if (bench_answer(&b))
            d86_vcpu_kick(b.cpu);
        else if (b.exit->reason != D86_EXIT_KICKED)
            break;
        else {
            kicks++;
            ck_assert(!d86_vcpu_is_amid(b.cpu));
            ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 7);
        }
    }
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
    ck_assert_uint_eq(kicks, 1);
    ck_assert_uint_eq(b.logged, 2);
    BENCH_SAW(&b, 1, DEV, 4, true, 0x13121111);
}
END_TEST

START_TEST(no_interrupt_between_the_accesses_of_one_instruction)
{
    bench_mode(&b, BENCH_FLAT32);
    BENCH_BYTES(&b, BENCH_CODE, 0x87, 0x05, LE32(DEV), 0xcc); /* xchg [DEV],eax; int3 */
    struct d86_regs r = bench_regs(&b);
    r.eflags |= X86_IF;
    d86_vcpu_set_regs(b.cpu, &r);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_MMIO);
    ck_assert(!b.exit->ready_for_interrupt);
    ck_assert_int_lt(d86_vcpu_interrupt(b.cpu, 0x20), 0);
    b.exit->request_interrupt_window = 1;
    bench_answer(&b);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_MMIO); /* the write, not the window */
    ck_assert(b.exit->mmio.is_write);
    bench_answer(&b);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_INTERRUPT_WINDOW);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_CODE + 6);
}
END_TEST

START_TEST(set_regs_abandons_the_access)
{
    bench_mode(&b, BENCH_FLAT32);
    BENCH_BYTES(&b, BENCH_CODE, 0x87, 0x05, LE32(DEV), 0xcc);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_MMIO);
    struct d86_regs r = bench_regs(&b);
    ck_assert_uint_eq(r.eip, BENCH_CODE); /* the state before the instruction */
    r.eip = BENCH_CODE + 6;
    d86_vcpu_set_regs(b.cpu, &r);
    d86_vcpu_run(b.cpu);
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
    ck_assert_uint_eq(bench_regs(&b).eax, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus");
    TCase *tc = tcase_create("bus");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_access_once_and_in_order, 0, ARRAY_SIZE(rows));
    tcase_add_test(tc, fault_after_the_read_ends_the_instruction);
    tcase_add_test(tc, esp_moves_once);
    tcase_add_test(tc, rep_movs_between_devices);
    tcase_add_test(tc, rep_movs_from_ram_into_a_device_and_on);
    tcase_add_test(tc, repne_scas_stops_at_the_device_byte);
    tcase_add_test(tc, rep_ins_comes_in_batches);
    tcase_add_test(tc, rep_outs_comes_in_batches);
    tcase_add_loop_test(tc, rf_is_set_where_a_repeat_leaves_in_the_middle, 0, REPEATS);
    tcase_add_test(tc, rep_ins_backwards);
    tcase_add_test(tc, rep_ins_faults_in_the_middle);
    tcase_add_test(tc, rep_outs_faults_in_the_middle);
    tcase_add_test(tc, page_crossing_read_half_device);
    tcase_add_test(tc, page_crossing_write_half_device);
    tcase_add_test(tc, page_crossing_rmw_half_device);
    tcase_add_test(tc, split_write_faults_before_the_device_sees_it);
    tcase_add_test(tc, fxsave_and_fxrstor_in_device_memory);
    tcase_add_test(tc, pusha_enter_and_call_on_a_device_stack);
    tcase_add_test(tc, exception_on_a_device_stack);
    tcase_add_test(tc, exception_shown_once_on_a_device_stack);
    tcase_add_test(tc, interrupt_on_a_device_stack);
    tcase_add_test(tc, nmi_on_a_device_stack);
    tcase_add_test(tc, single_step_trap_on_a_device_stack);
    tcase_add_test(tc, software_interrupt_on_a_device_stack);
    tcase_add_test(tc, a_kick_between_accesses_waits_for_the_end_of_the_instruction);
    tcase_add_test(tc, no_interrupt_between_the_accesses_of_one_instruction);
    tcase_add_test(tc, set_regs_abandons_the_access);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
