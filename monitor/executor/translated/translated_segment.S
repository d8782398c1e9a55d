/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Loading a segment register from translated code: R9D is the selector, R8D the number of the call-out that does
 * it otherwise. A selector that was loaded before is loaded from the cache if its descriptor has not changed; the
 * interpreter's TLB says where the guest's memory has it. What has to be checked was checked then, and at CPL 0 comes
 * out the same. Nothing here faults; a signal that is for the run to end lets it go on, an instruction at a time.
 * Executor process; offsets: T_* are checked in translated_segment.c.
 */
        .text

#include "translated_offsets.h"

        .set    ES, 0
        .set    DS, 3
        .set    FS, 4
        .set    GS, 5

        .macro  function name
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:
        .endm

/* EAX and the flags give way: to R10D and T_ARITH, which is nobody's while translated code runs. */
        .macro  save_flags
        mov     %eax, %r10d
        lahf
        seto    %al
        mov     %ax, T_ARITH(%r15)
        .endm

        .macro  restore_flags
        movzwl  T_ARITH(%r15), %eax
        add     $0x7f, %al              /* OF, from SETO's 0 or 1 */
        sahf
        mov     %r10d, %eax
        .endm

/* R9D is no null selector. R11 = the cache's entry; to `miss` if it is not the selector's, or no longer what is in memory. */
        .macro  find_descriptor
        mov     %r9d, %r11d
        and     $0x78, %r11d
        lea     T_CACHED(%r15, %r11, 8), %r11
        cmp     %r9w, T_CACHED_SELECTOR(%r11)
        jne     translated_segment_miss
        mov     T_CACHED_TLB(%r11), %rax
        mov     T_CACHED_PAGE(%r11), %r9d
        cmp     %r9d, T_TLB_READ_TAG(%rax)
        jne     translated_segment_miss
        mov     T_TLB_ADDEND(%rax), %rax
        mov     T_CACHED_LA(%r11), %r9d
        mov     (%rax, %r9), %rax
        cmp     %rax, T_CACHED_DESCRIPTOR(%r11)
        jne     translated_segment_miss
        .endm

        .macro  load_found sreg
        .irp    at, 0, 8, 16
        mov     T_CACHED_SEGMENT+\at(%r11), %rax
        mov     %rax, T_SEGMENTS+\sreg*T_SEGMENT_SIZE+\at(%r15)
        .endr
        .endm

        .macro  load_null sreg
        movzwl  %r9w, %r9d
        mov     $T_SEGMENT_UNUSABLE, %rax
        or      %rax, %r9
        xor     %eax, %eax
        mov     %rax, T_SEGMENTS+\sreg*T_SEGMENT_SIZE(%r15)
        mov     %r9, T_SEGMENTS+\sreg*T_SEGMENT_SIZE+8(%r15)
        mov     %rax, T_SEGMENTS+\sreg*T_SEGMENT_SIZE+16(%r15)
        .endm

        .macro  pop_selector pop
        .if     \pop
        lea     4(%r14), %r14d
        .endif
        .endm

/* ES and DS: what is not flat is another mode, and so is a null selector. */
        .macro  data_segment name, sreg, pop
        function \name
        save_flags
        test    $0xfffc, %r9d
        jz      translated_segment_miss
        find_descriptor
        cmpb    $0, T_CACHED_FLAT(%r11)
        je      translated_segment_miss
        load_found \sreg
        restore_flags
        pop_selector \pop
        ret
        .endm

        .macro  other_segment name, sreg, pop
        function \name
        save_flags
        test    $0xfffc, %r9d
        jz      1f
        find_descriptor
        load_found \sreg
        .if     \sreg == FS
        mov     T_CACHED_SEGMENT(%r11), %eax
        mov     %eax, T_FS_BASE(%r15)
        mov     T_NOTHING(%r15), %r12
        cmpb    $0, T_CACHED_OPEN(%r11)
        cmovne  T_WINDOW(%r15), %r12
        mov     %r12, T_FS_WINDOW(%r15)
        .endif
        jmp     2f
1:      load_null \sreg
        .if     \sreg == FS
        mov     %eax, T_FS_BASE(%r15)
        mov     T_NOTHING(%r15), %r12
        mov     %r12, T_FS_WINDOW(%r15)
        .endif
2:      restore_flags
        pop_selector \pop
        ret
        .endm

        function translated_segments
        data_segment translated_load_es, ES, 0
        data_segment translated_pop_es, ES, 1
        data_segment translated_load_ds, DS, 0
        data_segment translated_pop_ds, DS, 1
        other_segment translated_load_fs, FS, 0
        other_segment translated_pop_fs, FS, 1
        other_segment translated_load_gs, GS, 0
        other_segment translated_pop_gs, GS, 1
translated_segment_miss:
        restore_flags
        jmp     translated_exit_call_out
        function translated_segments_end

        .section .note.GNU-stack, "", @progbits
