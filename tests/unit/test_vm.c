/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The VM object: memory regions, what the caller reads and writes, errors and their sentences, several VMs in
 * one process. include/duplex86/duplex86.h is the contract.
 */
#include "cpu_bench.h"

#include <errno.h>

static struct d86_vm *vm_new(void)
{
    struct d86_vm *vm = NULL;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_ptr_nonnull(vm);
    return vm;
}

/* ---- Regions ------------------------------------------------------------------------------------------- */

enum kind { RAM, ROM, ALIAS, REMOVE };

/* A call and what it returns, in a VM that has RAM at 0x10000 (64 KiB) and a ROM at 0x80000 (8 KiB). */
static const struct {
    const char *name;
    enum kind kind;
    uint64_t pa, size, of;
    int result;
    const char *says;
} calls[] = {
    { "RAM beside RAM", RAM, 0x20000, 0x1000, 0, 0, "" },
    { "RAM before RAM", RAM, 0xf000, 0x1000, 0, 0, "" },
    { "RAM over the start of RAM", RAM, 0xf000, 0x2000, 0, -EEXIST, "overlaps" },
    { "RAM over the end of RAM", RAM, 0x1f000, 0x2000, 0, -EEXIST, "overlaps" },
    { "RAM inside RAM", RAM, 0x18000, 0x1000, 0, -EEXIST, "0x10000" },
    { "RAM around RAM", RAM, 0, 0x40000, 0, -EEXIST, "overlaps" },
    { "RAM over ROM", RAM, 0x81000, 0x1000, 0, -EEXIST, "0x80000" },
    { "ROM over RAM", ROM, 0x10000, 0x1000, 0, -EEXIST, "overlaps" },
    { "address not aligned", RAM, 0x40800, 0x1000, 0, -EINVAL, "4096" },
    { "size not aligned", RAM, 0x40000, 0x1001, 0, -EINVAL, "4096" },
    { "no bytes", RAM, 0x40000, 0, 0, -EINVAL, "4096" },
    { "ROM not aligned", ROM, 0x40010, 0x1000, 0, -EINVAL, "4096" },
    { "last page below 64 GiB", RAM, 0xffffff000, 0x1000, 0, 0, "" },
    { "RAM at 64 GiB", RAM, 0x1000000000, 0x1000, 0, -EINVAL, "64 GiB" },
    { "RAM across 64 GiB", RAM, 0xffffff000, 0x2000, 0, -EINVAL, "64 GiB" },
    { "end wraps", RAM, 0x1000, 0xfffffffffffff000, 0, -EINVAL, "64 GiB" },
    { "alias of RAM", ALIAS, 0x100000, 0x10000, 0x10000, 0, "" },
    { "alias of a part", ALIAS, 0x100000, 0x1000, 0x1f000, 0, "" },
    { "alias of ROM", ALIAS, 0xfffff000, 0x1000, 0x81000, 0, "" },
    { "alias of nothing", ALIAS, 0x100000, 0x1000, 0x50000, -ENOENT, "0x50000" },
    { "alias of more than there is", ALIAS, 0x100000, 0x11000, 0x10000, -ENOENT, "0x11000" },
    { "alias not aligned", ALIAS, 0x100000, 0x1000, 0x10800, -ENOENT, "0x10800" },
    { "alias over its own region", ALIAS, 0x18000, 0x1000, 0x10000, -EEXIST, "overlaps" },
    { "removing RAM", REMOVE, 0x10000, 0, 0, 0, "" },
    { "removing ROM", REMOVE, 0x80000, 0, 0, 0, "" },
    { "removing from the middle", REMOVE, 0x11000, 0, 0, -ENOENT, "0x11000" },
    { "removing nothing", REMOVE, 0x90000, 0, 0, -ENOENT, "0x90000" },
};

START_TEST(call_returns)
{
    static const uint8_t rom[0x2000];
    struct d86_vm *vm = vm_new();
    int result;
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x10000, 0x10000), 0);
    ck_assert_int_eq(d86_vm_add_rom(vm, 0x80000, rom, sizeof(rom)), 0);
    switch (calls[_i].kind) {
    case RAM:
        result = d86_vm_add_ram(vm, calls[_i].pa, calls[_i].size);
        break;
    case ROM:
        result = d86_vm_add_rom(vm, calls[_i].pa, rom, calls[_i].size);
        break;
    case ALIAS:
        result = d86_vm_add_alias(vm, calls[_i].pa, calls[_i].of, calls[_i].size, false);
        break;
    default:
        result = d86_vm_remove(vm, calls[_i].pa);
        break;
    }
    ck_assert_msg(result == calls[_i].result, "%s: %d (%s)", calls[_i].name, result, d86_last_error());
    if (result == 0)
        ck_assert_str_eq(d86_last_error(), "");
    else
        ck_assert_msg(strstr(d86_last_error(), calls[_i].says), "%s: '%s'", calls[_i].name, d86_last_error());
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(holds_32_regions_and_no_more)
{
    struct d86_vm *vm = vm_new();
    for (unsigned i = 0; i < D86_REGION_MAX; i++) /* from above, so each goes before the others */
        ck_assert_int_eq(d86_vm_add_ram(vm, (D86_REGION_MAX - i) * 0x10000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x1000000, 0x1000), -ENOSPC);
    ck_assert_str_eq(d86_last_error(), "more than 32 memory regions");
    ck_assert_int_eq(d86_vm_add_alias(vm, 0x1000000, 0x10000, 0x1000, false), -ENOSPC);
    for (unsigned i = 1; i <= D86_REGION_MAX; i++) {
        uint32_t value = i, back = 0;
        ck_assert_int_eq(d86_vm_write(vm, i * 0x10000, &value, 4), 0);
        ck_assert_int_eq(d86_vm_read(vm, i * 0x10000, &back, 4), 0);
        ck_assert_uint_eq(back, i);
    }
    ck_assert_int_eq(d86_vm_remove(vm, 0x30000), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x1000000, 0x1000), 0);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(ram_starts_zeroed_also_after_removal)
{
    struct d86_vm *vm = vm_new();
    uint64_t value = ~0ull;
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x1000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0x1100, &value, 8), 0);
    ck_assert_int_eq(d86_vm_remove(vm, 0x1000), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x1100, &value, 8), -EFAULT);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x1000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x1100, &value, 8), 0);
    ck_assert_uint_eq(value, 0);
    d86_vm_destroy(vm);
}
END_TEST

/* ---- The caller's accesses ---------------------------------------------------------------------------- */

START_TEST(accesses_cross_regions_and_refuse_holes)
{
    struct d86_vm *vm = vm_new();
    uint8_t out[0x3000], in[0x3000] = { 0 };
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + (i >> 8));
    /* Out of order, so neighbours in the address space are not neighbours in the RAM file. */
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x3000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x1000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x2000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0x1000, out, sizeof(out)), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x1000, in, sizeof(in)), 0);
    ck_assert_mem_eq(in, out, sizeof(in));
    ck_assert_int_eq(d86_vm_read(vm, 0x1ffd, in, 6), 0);
    ck_assert_mem_eq(in, out + 0xffd, 6);

    static const uint8_t other[16] = { 1, 2, 3 };
    ck_assert_int_eq(d86_vm_write(vm, 0x3ff8, other, 16), -EFAULT);
    ck_assert_str_eq(d86_last_error(), "no memory at guest-physical 0x4000");
    ck_assert_int_eq(d86_vm_read(vm, 0x3ff8, in, 8), 0);
    ck_assert_mem_eq(in, out + 0x2ff8, 8); /* nothing was copied */
    memset(in, 0xaa, 16);
    ck_assert_int_eq(d86_vm_read(vm, 0xff8, in, 16), -EFAULT);
    ck_assert_int_eq(in[15], 0xaa);
    ck_assert_int_eq(d86_vm_read(vm, UINT64_MAX - 3, in, 16), -EFAULT);
    ck_assert_int_eq(d86_vm_read(vm, 0, in, 0), 0);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(writes_reach_ram_only)
{
    struct d86_vm *vm = vm_new();
    uint8_t rom[0x1000], data[0x2000], back[0x2000];
    memset(rom, 0x5a, sizeof(rom));
    memset(data, 0x11, sizeof(data));
    ck_assert_int_eq(d86_vm_add_rom(vm, 0x1000, rom, sizeof(rom)), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x2000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_add_alias(vm, 0x8000, 0x2000, 0x1000, true), 0);
    memset(rom, 0, sizeof(rom)); /* the ROM is a copy */
    ck_assert_int_eq(d86_vm_write(vm, 0x1000, data, sizeof(data)), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x1000, back, sizeof(back)), 0);
    ck_assert_uint_eq(back[0], 0x5a);
    ck_assert_uint_eq(back[0xfff], 0x5a);
    ck_assert_uint_eq(back[0x1000], 0x11);
    data[0] = 0x22;
    ck_assert_int_eq(d86_vm_write(vm, 0x8000, data, 1), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x2000, back, 1), 0);
    ck_assert_uint_eq(back[0], 0x11); /* not through a read-only alias either */
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(alias_shows_the_same_bytes)
{
    struct d86_vm *vm = vm_new();
    uint32_t value = 0x12345678, back = 0;
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x10000, 0x4000), 0);
    ck_assert_int_eq(d86_vm_add_alias(vm, 0x40000, 0x12000, 0x1000, false), 0);
    ck_assert_int_eq(d86_vm_add_alias(vm, 0x50000, 0x40000, 0x1000, false), 0); /* alias of an alias */
    ck_assert_int_eq(d86_vm_write(vm, 0x40010, &value, 4), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x12010, &back, 4), 0);
    ck_assert_uint_eq(back, value);
    value = 99;
    ck_assert_int_eq(d86_vm_write(vm, 0x50010, &value, 4), 0);
    ck_assert_int_eq(d86_vm_remove(vm, 0x10000), 0); /* the aliases keep the memory */
    ck_assert_int_eq(d86_vm_read(vm, 0x40010, &back, 4), 0);
    ck_assert_uint_eq(back, 99);
    d86_vm_destroy(vm);
}
END_TEST

/* ---- Memory that is mapped by itself ------------------------------------------------------------------- */

/* A call of d86_vm_map() and what it returns, in a VM with RAM at 0x10000 (64 KiB) and 8 KiB shown nowhere.
 */
static const struct {
    const char *name;
    uint64_t pa, offset, size;
    int result;
} maps[] = {
    { "all of it", 0x40000, 0x10000, 0x2000, 0 },
    { "a part", 0x40000, 0x11000, 0x1000, 0 },
    { "what is shown already", 0x40000, 0, 0x10000, 0 },
    { "over RAM", 0x1f000, 0x10000, 0x2000, -EEXIST },
    { "more than there is", 0x40000, 0x10000, 0x3000, -ENOENT },
    { "behind the end", 0x40000, 0x12000, 0x1000, -ENOENT },
    { "far behind the end", 0x40000, UINT64_MAX - 0xfff, 0x1000, -ENOENT },
    { "address not aligned", 0x40800, 0x10000, 0x1000, -EINVAL },
    { "offset not aligned", 0x40000, 0x10800, 0x1000, -EINVAL },
    { "size not aligned", 0x40000, 0x10000, 0x1800, -EINVAL },
    { "no bytes", 0x40000, 0x10000, 0, -EINVAL },
    { "at 64 GiB", 0x1000000000, 0x10000, 0x1000, -EINVAL },
};

START_TEST(map_returns)
{
    struct d86_vm *vm = vm_new();
    uint64_t offset = 1;
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x10000, 0x10000), 0);
    ck_assert_int_eq(d86_vm_add_memory(vm, 0x2000, &offset), 0);
    ck_assert_uint_eq(offset, 0x10000);
    int result = d86_vm_map(vm, maps[_i].pa, maps[_i].offset, maps[_i].size, false);
    ck_assert_msg(result == maps[_i].result, "%s: %d (%s)", maps[_i].name, result, d86_last_error());
    ck_assert_int_eq(!*d86_last_error(), result == 0);
    ck_assert_int_eq(d86_vm_add_memory(vm, 0x1800, &offset), -EINVAL);
    ck_assert_int_eq(d86_vm_add_memory(vm, 0, &offset), -EINVAL);
    ck_assert_int_eq(d86_vm_add_memory(vm, UINT64_MAX - 0xfff, &offset), -ENOMEM);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(memory_is_kept_while_nothing_shows_it)
{
    struct d86_vm *vm = vm_new();
    uint8_t out[0x1800], in[0x1800];
    uint64_t offset;
    memset(out, 0x5a, sizeof(out));
    ck_assert_int_eq(d86_vm_add_memory(vm, 0x2000, &offset), 0);
    ck_assert_int_eq(d86_vm_store(vm, offset + 0x400, out, sizeof(out)), 0);
    ck_assert_int_eq(d86_vm_store(vm, offset + 0x400, out, 0x1c01), -ENOENT);
    ck_assert_int_eq(d86_vm_store(vm, UINT64_MAX, out, 1), -ENOENT);
    ck_assert_int_eq(d86_vm_read(vm, 0x1400, in, sizeof(in)), -EFAULT);
    for (unsigned read_only = 0; read_only < 2; read_only++) {
        ck_assert_int_eq(d86_vm_map(vm, 0x1000, offset, 0x2000, read_only), 0);
        ck_assert_int_eq(d86_vm_read(vm, 0x1400, in, sizeof(in)), 0);
        ck_assert_mem_eq(in, out, sizeof(in));
        out[5] = 0x11;
        ck_assert_int_eq(d86_vm_store(vm, offset + 0x405, out + 5, 1), 0); /* a ROM's contents, too */
        ck_assert_int_eq(d86_vm_read(vm, 0x1400, in, sizeof(in)), 0);
        ck_assert_mem_eq(in, out, sizeof(in));
        ck_assert_int_eq(d86_vm_remove(vm, 0x1000), 0);
    }
    d86_vm_destroy(vm);
}
END_TEST

/* ---- The guest's accesses ------------------------------------------------------------------------------ */

START_TEST(guest_writes_to_rom_exit_and_change_nothing)
{
    struct bench b;
    uint8_t rom[0x1000], back;
    memset(rom, 0x77, sizeof(rom));
    bench_open(&b);
    ck_assert_int_eq(d86_vm_add_rom(b.vm, 0xfffff000, rom, sizeof(rom)), 0);
    /* mov al,[FFFFF010]; mov byte [FFFFF010],55; mov ah,[FFFFF010]; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xa0, LE32(0xfffff010u), 0xc6, 0x05, LE32(0xfffff010u), 0x55, 0x8a, 0x25,
                LE32(0xfffff010u), 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 1);
    BENCH_SAW(&b, 0, 0xfffff010u, 1, true, 0x55);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x7777);
    ck_assert_int_eq(d86_vm_read(b.vm, 0xfffff010u, &back, 1), 0);
    ck_assert_uint_eq(back, 0x77);
    bench_close(&b);
}
END_TEST

START_TEST(guest_reads_over_region_borders)
{
    struct bench b;
    bench_open(&b);
    /* Three regions in a row that are not in a row in the RAM file. */
    ck_assert_int_eq(d86_vm_add_ram(b.vm, 0x2001000, 0x1000), 0);
    ck_assert_int_eq(d86_vm_add_ram(b.vm, 0x2000000, 0x1000), 0);
    bench_write32(&b, 0x2000ffc, 0x44332211);
    bench_write32(&b, 0x2001000, 0x88776655);
    /* mov eax,[2000FFE]; mov [2000FFD],eax; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(0x2000ffe), 0xa3, LE32(0x2000ffd), 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x66554433);
    ck_assert_uint_eq(bench_read32(&b, 0x2000ffc), 0x55443311);
    ck_assert_uint_eq(bench_read32(&b, 0x2001000), 0x88776666);
    ck_assert_uint_eq(b.logged, 0);
    bench_close(&b);
}
END_TEST

START_TEST(guest_sees_memory_come_and_go)
{
    struct bench b;
    bench_open(&b);
    BENCH_BYTES(&b, BENCH_CODE, 0xa1, LE32(0x2000000), 0xcc); /* mov eax,[2000000]; int3 */
    for (unsigned i = 0; i < 3; i++) {
        bench_mode(&b, BENCH_FLAT32);
        b.logged = 0;
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 0xffffffffu);
        ck_assert_uint_eq(b.logged, 1);
        ck_assert_int_eq(d86_vm_add_ram(b.vm, 0x2000000, 0x1000), 0);
        bench_write32(&b, 0x2000000, 0x1000 + i);
        bench_mode(&b, BENCH_FLAT32);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 0x1000 + i);
        ck_assert_uint_eq(b.logged, 1);
        ck_assert_int_eq(d86_vm_remove(b.vm, 0x2000000), 0);
    }
    bench_close(&b);
}
END_TEST

/* Shadow RAM: the same code runs from what is shown at its address, now one memory and now the other. */
START_TEST(guest_runs_what_is_shown)
{
    struct bench b;
    uint64_t offset;
    bench_open(&b);
    ck_assert_int_eq(d86_vm_add_memory(b.vm, 0x2000, &offset), 0);
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t code[] = { 0xb8, LE32(i), 0xa3, LE32(0x2000800), 0xcc }; /* mov eax,i; mov [..],eax */
        bool read_only = i & 2;
        ck_assert_int_eq(d86_vm_store(b.vm, offset + (i & 1) * 0x1000, code, sizeof(code)), 0);
        ck_assert_int_eq(d86_vm_map(b.vm, 0x2000000, offset + (i & 1) * 0x1000, 0x1000, read_only), 0);
        BENCH_BYTES(&b, BENCH_CODE, 0xe9, LE32(0x2000000 - BENCH_CODE - 5)); /* jmp 2000000 */
        bench_mode(&b, BENCH_FLAT32);
        b.logged = 0;
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, i);
        ck_assert_uint_eq(b.logged, read_only); /* a write to what is read-only is the caller's */
        ck_assert_int_eq(d86_vm_remove(b.vm, 0x2000000), 0);
    }
    bench_close(&b);
}
END_TEST

START_TEST(write_drops_cached_code)
{
    struct bench b;
    bench_open(&b);
    for (unsigned i = 0; i < 300; i++) {
        BENCH_BYTES(&b, BENCH_CODE, 0xb8, LE32(i), 0xcc); /* mov eax,i; int3 */
        bench_mode(&b, BENCH_FLAT32);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, i);
    }
    bench_close(&b);
}
END_TEST

/* ---- Several VMs --------------------------------------------------------------------------------------- */

START_TEST(destroy_allows_null)
{
    d86_vm_destroy(NULL);
}
END_TEST

START_TEST(eight_vms_and_no_more)
{
    struct d86_vm *vm[9] = { NULL };
    for (unsigned round = 0; round < 3; round++) { /* their places are used again */
        for (unsigned i = 0; i < 8; i++) {
            ck_assert_int_eq(d86_vm_create(&vm[i]), 0);
            ck_assert_int_eq(d86_vm_add_ram(vm[i], 0, 0x1000), 0);
            uint32_t value;
            ck_assert_int_eq(d86_vm_read(vm[i], 0, &value, 4), 0);
            ck_assert_uint_eq(value, 0); /* nothing of an earlier round */
            value = i + 1;
            ck_assert_int_eq(d86_vm_write(vm[i], 0, &value, 4), 0);
        }
        ck_assert_int_eq(d86_vm_create(&vm[8]), -EAGAIN);
        ck_assert_str_eq(d86_last_error(), "this process has 8 virtual machines already");
        d86_vm_destroy(vm[3]);
        ck_assert_int_eq(d86_vm_create(&vm[3]), 0);
        ck_assert_str_eq(d86_last_error(), "");
        for (unsigned i = 0; i < 8; i++) {
            uint32_t value = 0;
            if (i != 3)
                ck_assert_int_eq(d86_vm_read(vm[i], 0, &value, 4), 0);
            ck_assert_uint_eq(value, i == 3 ? 0 : i + 1);
            d86_vm_destroy(vm[i]);
        }
    }
}
END_TEST

START_TEST(two_vms_take_turns)
{
    struct bench b[2];
    for (unsigned i = 0; i < 2; i++) {
        bench_open(&b[i]);
        /* again: add eax,i+1; int3; jmp again -- the same addresses, other code */
        BENCH_BYTES(&b[i], BENCH_CODE, 0x83, 0xc0, (uint8_t)(i + 1), 0xcc, 0xeb, 0xfa);
        bench_mode(&b[i], BENCH_FLAT32);
    }
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < 2; i++) {
            BENCH_RUN(&b[i]);
            bench_set_eip(&b[i], BENCH_CODE + 4); /* behind the INT3 */
            ck_assert_uint_eq(bench_regs(&b[i]).eax, round * (i + 1));
        }
    }
    bench_close(&b[0]);
    BENCH_RUN(&b[1]); /* the other one is not disturbed */
    bench_close(&b[1]);
}
END_TEST

START_TEST(one_processor_of_a_known_model)
{
    struct d86_vm *vm = vm_new();
    struct d86_vcpu *cpu;
    struct d86_vcpu_config config = { .cpu = "8086" };
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), -EINVAL);
    ck_assert_str_eq(d86_last_error(), "there is no processor model '8086'");
    config = (struct d86_vcpu_config){ .engine = (enum d86_engine)77 };
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), -EINVAL);
    ck_assert_str_eq(d86_last_error(), "there is no engine number 77");
    config = (struct d86_vcpu_config){ .engine = D86_ENGINE_SBE, .split = (enum d86_split)9 };
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), -EINVAL);
    ck_assert_str_eq(d86_last_error(), "there is no split number 9");
    config = (struct d86_vcpu_config){ .engine = D86_ENGINE_SBE, .in_caller = true };
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), -EINVAL);
    ck_assert_str_eq(d86_last_error(), "only the engine interp can run in the caller's thread");
    config = (struct d86_vcpu_config){ .engine = D86_ENGINE_INTERP };
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), -EEXIST);
    d86_vm_destroy(vm);
}
END_TEST

/* Engines and splits depend on the host; whatever it has, the answer is one of two. */
START_TEST(a_refused_engine_leaves_room_for_another)
{
    static const enum d86_engine native[] = { D86_ENGINE_SBE, D86_ENGINE_LOCKSTEP };
    for (unsigned i = 0; i < ARRAY_SIZE(native) * (D86_SPLIT_NONE + 1); i++) {
        struct d86_vm *vm = vm_new();
        struct d86_vcpu *cpu;
        struct d86_vcpu_config config = { .engine = native[i % 2], .split = (enum d86_split)(i / 2) };
        int result = d86_vcpu_create(vm, &config, &cpu);
        if (result == 0) {
            ck_assert_int_ne(d86_vcpu_split(cpu), D86_SPLIT_AUTO);
            ck_assert(config.split == D86_SPLIT_AUTO || d86_vcpu_split(cpu) == config.split);
        } else {
            ck_assert_int_eq(result, -ENOTSUP);
            ck_assert_str_ne(d86_last_error(), "");
            config.engine = D86_ENGINE_INTERP;
            ck_assert_int_eq(d86_vcpu_create(vm, &config, &cpu), 0);
            ck_assert_str_eq(d86_last_error(), "");
            ck_assert_int_eq(d86_vcpu_split(cpu), D86_SPLIT_NONE);
        }
        d86_vm_destroy(vm);
    }
}
END_TEST

START_TEST(every_model_has_a_line_and_runs)
{
    unsigned count = 0;
    for (const char *const *name = d86_cpu_models(); *name; name++, count++) {
        struct bench b;
        ck_assert_ptr_nonnull(d86_cpu_model_description(*name));
        bench_open_model(&b, *name);
        BENCH_BYTES(&b, BENCH_CODE, 0x40, 0xcc); /* inc eax; int3 */
        bench_mode(&b, BENCH_FLAT32);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 1);
        bench_close(&b);
    }
    ck_assert_uint_ge(count, 3);
    ck_assert_ptr_null(d86_cpu_model_description("no such model"));
    ck_assert_str_ne(d86_version(), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vm");
    TCase *tc = tcase_create("vm");

    tcase_add_loop_test(tc, call_returns, 0, ARRAY_SIZE(calls));
    tcase_add_test(tc, holds_32_regions_and_no_more);
    tcase_add_test(tc, ram_starts_zeroed_also_after_removal);
    tcase_add_test(tc, accesses_cross_regions_and_refuse_holes);
    tcase_add_test(tc, writes_reach_ram_only);
    tcase_add_test(tc, alias_shows_the_same_bytes);
    tcase_add_loop_test(tc, map_returns, 0, ARRAY_SIZE(maps));
    tcase_add_test(tc, memory_is_kept_while_nothing_shows_it);
    tcase_add_test(tc, guest_writes_to_rom_exit_and_change_nothing);
    tcase_add_test(tc, guest_reads_over_region_borders);
    tcase_add_test(tc, guest_sees_memory_come_and_go);
    tcase_add_test(tc, guest_runs_what_is_shown);
    tcase_add_test(tc, write_drops_cached_code);
    tcase_add_test(tc, destroy_allows_null);
    tcase_add_test(tc, eight_vms_and_no_more);
    tcase_add_test(tc, two_vms_take_turns);
    tcase_add_test(tc, one_processor_of_a_known_model);
    tcase_add_test(tc, a_refused_engine_leaves_room_for_another);
    tcase_add_test(tc, every_model_has_a_line_and_runs);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
