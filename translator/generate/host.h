/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 64-bit host code. A function for each form the generator writes, named by mnemonic and operands, and one
 * for an instruction given in fields, which alone knows prefixes, REX, ModRM, SIB and displacements.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers as ModRM and REX have them. */
/* clang-format off */
enum host_reg {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
    R8, R9, R10, R11, R12, R13, R14, R15,
    HOST_NO_REG,
};
/* clang-format on */

enum host_cond { HOST_E = 4, HOST_NE = 5 };

/* Code being written. */
struct host_code {
    uint8_t *bytes;
    unsigned size, room;
    bool overflow; /* sticky: something found no room */
};

/* [base + (index << scale) + disp]; in the window: by GS, the sum in 32 bits. */
struct host_memory {
    uint8_t base, index, scale;
    bool window;
    uint32_t disp;
};

enum host_rm { HOST_NO_RM, HOST_RM_OPCODE /* in the opcode's low bits */, HOST_RM_REG, HOST_RM_MEMORY };

/* An instruction in fields. */
struct host_op {
    bool word, lock, wide; /* 66, F0, REX.W */
    uint8_t mandatory;     /* F2 or F3 */
    uint8_t opcode_count, imm_count;
    uint8_t opcode[3];
    uint8_t kind; /* enum host_rm */
    uint8_t reg, rm;
    struct host_memory memory;
    uint8_t imm[6];
};

/* A place that code leads to before it is there: rel32 fields that wait for it are a chain. Begins as zeros.
 */
struct host_label {
    uint16_t uses; /* offset of the last field, which holds that of the one before; 0: none */
};

/* A rel8 that waits. */
struct host_short {
    uint16_t at;
};

/* Does the instruction need a REX prefix? With one, AH to BH cannot be named. */
bool host_needs_rex(const struct host_op *op);
void host_op(struct host_code *c, const struct host_op *op);

void host_nop(struct host_code *c);
void host_pause(struct host_code *c);
void host_rdtsc(struct host_code *c);
void host_fence(struct host_code *c, unsigned digit);
void host_mov_r32_imm32(struct host_code *c, unsigned reg, uint32_t value);
void host_mov_r32_r32(struct host_code *c, unsigned to, unsigned from);
void host_mov_r32_m32(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_mov_m32_r32(struct host_code *c, const struct host_memory *memory, unsigned reg);
void host_mov_m32_imm32(struct host_code *c, const struct host_memory *memory, uint32_t value);
void host_lea_r32_m(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_lea_r64_m(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_not_r64(struct host_code *c, unsigned reg); /* changes no flag */
void host_cmp_r32_imm32(struct host_code *c, unsigned reg, uint32_t value);
void host_string(struct host_code *c, uint8_t opcode, bool word, uint8_t repeat);

/* ---- For flags and segment registers -------------------------------------------------------------- */

void host_pushfq(struct host_code *c);
void host_pop_r64(struct host_code *c, unsigned reg);
void host_mov_r64_r64(struct host_code *c, unsigned to, unsigned from);
void host_mov_r64_m64(struct host_code *c, unsigned reg, const struct host_memory *memory);
/* Without REX: 0 to 3 are AL to BL, 4 to 7 AH to BH. */
void host_mov_r8_r8(struct host_code *c, unsigned to, unsigned from);
void host_movzx_r32_m8(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_movzx_r32_m16(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_mov_m8_r8(struct host_code *c, const struct host_memory *memory, unsigned reg); /* R8B to R15B */
void host_xor_r32_m32(struct host_code *c, unsigned reg, const struct host_memory *memory);
void host_xor_m32_r32(struct host_code *c, const struct host_memory *memory, unsigned reg);
void host_and_r32_imm32(struct host_code *c, unsigned reg, uint32_t value);
void host_test_r32_imm32(struct host_code *c, unsigned reg, uint32_t value);
void host_cmp_m8_imm8(struct host_code *c, const struct host_memory *memory, uint8_t value);
/* The six arithmetic flags from AL, and OF from CF: mov ah, al; setc al; add al, 7fh; sahf. */
void host_flags_from_al_cf(struct host_code *c);
void host_bt_r32_imm8(struct host_code *c, unsigned reg, uint8_t bit);
struct host_short host_jcc_rel8(struct host_code *c, unsigned cond);

/* ---- host_word.c: operands of 16 bits, and of `size` bytes ------------------------------------------ */

void host_movzx_r32_r8(struct host_code *c, unsigned to, unsigned from); /* of AL to BL, R8B to R15B */
void host_movzx_r32_r16(struct host_code *c, unsigned to, unsigned from);
void host_mov_sized(struct host_code *c, unsigned size, unsigned to, unsigned from);
void host_load_sized(struct host_code *c, unsigned size, unsigned reg, const struct host_memory *memory);
void host_load_zero_extended(struct host_code *c, unsigned size, unsigned reg,
                             const struct host_memory *memory);
void host_store_sized(struct host_code *c, unsigned size, const struct host_memory *memory, unsigned reg);
void host_store_imm_sized(struct host_code *c, unsigned size, const struct host_memory *memory,
                          uint32_t value); /* 2 or 4 */
/* reg - [memory] */
void host_cmp_sized(struct host_code *c, unsigned size, unsigned reg, const struct host_memory *memory);
void host_mov_m64_r64(struct host_code *c, const struct host_memory *memory, unsigned reg);

/* ---- Branches ------------------------------------------------------------------------------------ */

void host_ret(struct host_code *c);
void host_jmp_m64(struct host_code *c, const struct host_memory *memory);
void host_call_m64(struct host_code *c, const struct host_memory *memory);

/* Each returns the offset of its rel32 field, which host_aim() fills in. */
unsigned host_jmp_rel32(struct host_code *c);
unsigned host_jcc_rel32(struct host_code *c, unsigned cond);
unsigned host_call_rel32(struct host_code *c);
void host_aim(struct host_code *c, unsigned rel32, unsigned target);

/* Have a field wait for the label; put the label here. */
void host_await(struct host_code *c, unsigned rel32, struct host_label *label);
void host_bind(struct host_code *c, struct host_label *label);

struct host_short host_jmp_rel8(struct host_code *c);
struct host_short host_jrcxz(struct host_code *c);
void host_land(struct host_code *c, struct host_short jump);
/* Have it lead to an offset within its reach. */
void host_aim_short(struct host_code *c, struct host_short jump, unsigned target);
