/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 32-bit code in this 64-bit program, as the executor runs the guest's: a loop in compatibility mode, entered
 * and left by far jumps. Selectors are Linux's (__USER32_CS, __USER_CS, __USER_DS).
 */
#include "probe.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CODE = 0x20000000, /* the loop */
    GATE = 0x20001000, /* where it comes out: 64-bit code that jumps to code32_back */
    STACK = 0x20003000,
};

void code32_enter(uint32_t eip, uint32_t esp);
extern const char code32_back[];

/* A 64-bit program starts with null selectors in DS and ES, and 32-bit code needs real ones. R15 keeps RSP.
 */
__asm__("        .text\n"
        "code32_enter:\n"
        "        push    %rbx\n"
        "        push    %rbp\n"
        "        push    %r12\n"
        "        push    %r13\n"
        "        push    %r14\n"
        "        push    %r15\n"
        "        mov     %rsp, %r15\n"
        "        mov     $0x2b, %edx\n"
        "        mov     %edx, %ds\n"
        "        mov     %edx, %es\n"
        "        sub     $16, %rsp\n"
        "        mov     %edi, (%rsp)\n"
        "        movl    $0x23, 4(%rsp)\n"
        "        mov     %rsp, %rax\n"
        "        mov     %edx, %ss\n"
        "        mov     %esi, %esp\n"
        "        ljmpl   *(%rax)\n"
        "code32_back:\n"
        "        mov     %r15, %rsp\n"
        "        pop     %r15\n"
        "        pop     %r14\n"
        "        pop     %r13\n"
        "        pop     %r12\n"
        "        pop     %rbp\n"
        "        pop     %rbx\n"
        "        cld\n"
        "        ret\n");

static uint8_t *put(uint8_t *p, const void *bytes, size_t size)
{
    memcpy(p, bytes, size);
    return p + size;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
    return put(p, &value, sizeof(value));
}

/* MOV ECX, rounds; body; DEC ECX; JNZ; JMP FAR to the gate. */
static void write_loop(const unsigned char *body, unsigned size, unsigned rounds)
{
    uint8_t *p = (uint8_t *)(uintptr_t)CODE, *top;
    *p++ = 0xb9;
    p = top = put32(p, rounds);
    p = put(p, body, size);
    p = put(p, "\x49\x0f\x85", 3);
    p = put32(p, (uint32_t)(top - (p + 4)));
    *p++ = 0xea;
    p = put32(p, GATE);
    put(p, "\x33\x00", 2);
}

/* MOVABS RAX, code32_back; JMP RAX. */
static void write_gate(void)
{
    uint64_t back = (uintptr_t)code32_back;
    uint8_t *p = put((uint8_t *)(uintptr_t)GATE, "\x48\xb8", 2);
    put(put(p, &back, sizeof(back)), "\xff\xe0", 2);
}

bool code32_load(const unsigned char *body, unsigned size, unsigned rounds)
{
    void *at = mmap((void *)(uintptr_t)CODE, STACK - CODE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (void *)(uintptr_t)CODE)
        return false;
    write_loop(body, size, rounds);
    write_gate();
    return mprotect(at, 2 * CODE32_SIZE, PROT_READ | PROT_EXEC) == 0;
}

void code32_run(void)
{
    code32_enter(CODE, STACK - 16);
}
