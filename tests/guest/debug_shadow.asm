; SPDX-License-Identifier: GPL-2.0-or-later
; What MOV SS and POP SS hold back until the instruction after them is over: its instruction breakpoint, and the trap
; of a data breakpoint they met themselves. Not so LSS and STI. SDM 3A, "Masking Exceptions and Interrupts When
; Switching Stacks"; SDM 3B, "Instruction-Breakpoint Exception Condition", "Data Memory and I/O Breakpoint
; Exception Conditions".
%include "debug.inc"

%define SS_AT SCRATCH + 8               ; a selector for SS, watched by breakpoint 2
%define OTHER SCRATCH + 16              ; watched by breakpoint 3
%define WATCH_SS (WATCH(2, ACCESS, 2))

start:
    ENTER_PROTECTED
    mov dword [SS_AT], DATA32
    mov dword [OTHER], 0
    mov cx, ss
    ADDRESS 2, SS_AT
    ADDRESS 3, OTHER
    xor eax, eax
    mov dr6, eax

    ; ---- instruction breakpoints on the next instruction ------------------------------------------------------
    ADDRESS 0, .after_mov
    ADDRESS 1, .after_pop
    WATCH_FOR WATCH(0, FETCH, 1) | WATCH(1, FETCH, 1)
    ARM .held_done
    mov ss, cx
.after_mov:
    nop
    push ss
    pop ss
.after_pop:
    nop
.held_done:
    CHECK_EQ dword [got_vector], NOTHING
    ; ... but on the one after that
    ADDRESS 0, .second
    ARM .second_done
    mov ss, cx
    nop
.second:
    nop
.second_done:
    TRAP_AT .second, B(0)
    RF_WAS z
    ; a string instruction is held back to its end
    ADDRESS 0, .string
    mov dword [got_vector], NOTHING
    mov edi, SCRATCH + 0x100
    mov ecx, 3
    mov dx, ss
    mov ss, dx
.string:
    rep stosb
    CHECK_EQ dword [got_vector], NOTHING
    CHECK_EQ ecx, 0
    ; one that leaves for a device is the same instruction when it starts over
    ADDRESS 0, .device
    mov ss, dx
.device:
    in al, PORT_COUNT
    CHECK_EQ dword [got_vector], NOTHING
    mov cx, ss
    ; LSS and STI hold nothing back
    ADDRESS 0, .after_lss
    ARM .after_lss_done
    mov [OTHER], esp
    mov [OTHER + 4], ss
    lss esp, [OTHER]
.after_lss:
    nop
.after_lss_done:
    TRAP_AT .after_lss, B(0)
    ADDRESS 0, .after_sti
    ARM .after_sti_done
    sti
.after_sti:
    nop
.after_sti_done:
    cli
    TRAP_AT .after_sti, B(0)
    ; nor do loads of other segment registers
    ADDRESS 0, .after_es
    ARM .after_es_done
    mov es, cx
.after_es:
    nop
.after_es_done:
    TRAP_AT .after_es, B(0)

    ; ---- data breakpoints: one instruction later ---------------------------------------------------------------
    WATCH_FOR WATCH_SS | WATCH(3, ACCESS, 4)
    ARM .data1_done
    mov ss, [SS_AT]
    inc ecx
.data1:
    nop
.data1_done:
    TRAP_AT .data1, B(2)
    RF_WAS z
    ; POP SS: from the stack
    ARM .data2_done
    mov ebx, esp
    mov esp, SS_AT
    pop ss
    mov esp, ebx
.data2:
    nop
.data2_done:
    TRAP_AT .data2, B(2)
    ; together with one of the next instruction
    ARM .data3_done
    mov ss, [SS_AT]
    mov eax, [OTHER]
.data3:
    nop
.data3_done:
    TRAP_AT .data3, B(2) | B(3)
    ; and with single-stepping, which skips MOV SS
    ARM .data4_done
    push dword 0x102
    popfd
    mov ss, [SS_AT]
    nop
.data4:
    nop
.data4_done:
    TRAP_AT .data4, B(2) | BS
    ; after one iteration of a REP
    ARM .data5_done
    mov edi, SCRATCH + 0x100
    mov ecx, 3
    mov ss, [SS_AT]
.data5:
    rep stosb
.data5_done:
    TRAP_AT .data5, B(2)
    CHECK_EQ ecx, 2
    ; the next instruction leaves for a device and starts over
    ARM .data6_done
    mov ss, [SS_AT]
    in al, PORT_COUNT
.data6:
    nop
.data6_done:
    TRAP_AT .data6, B(2)
    ; the next one switches the breakpoints off
    ARM .data7_done
    xor eax, eax
    mov ss, [SS_AT]
    mov dr7, eax
.data7:
    nop
.data7_done:
    TRAP_AT .data7, B(2)
    WATCH_FOR WATCH_SS | WATCH(3, ACCESS, 4)
    ; once only
    RUNS nop
    ; LSS traps at once
    mov [SS_AT - 4], esp
    ARM .data8_done
    lss esp, [SS_AT - 4]
.data8:
    nop
.data8_done:
    TRAP_AT .data8, B(2)
    ; MOV SS that faults was not executed
    WATCH_FOR 0
    mov word [SS_AT], CODE32
    WATCH_FOR WATCH_SS
    RAISES GP, CODE32, mov ss, [SS_AT]
    WATCH_FOR 0
    mov word [SS_AT], DATA32
    WATCH_FOR WATCH_SS
    RUNS nop
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0

    ; ---- the next instruction raises something -------------------------------------------------------------------
    ; a fault: the breakpoint is lost
    ARM .fault_done
    mov ss, [SS_AT]
.fault:
    ud2
.fault_done:
    CHECK_EQ dword [got_vector], UD
    CHECK_EQ dword [got_eip], .fault
    RUNS nop
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0
    ; INT n: the trap is there before its handler's first instruction
    ARM .int_done
    mov ss, [SS_AT]
    int 0x40
.int_done:
    TRAP_AT STUBS_AT + 16 * 0x40, B(2)
    ARM .int3_done
    mov ss, [SS_AT]
    int3
.int3_done:
    TRAP_AT STUBS_AT + 16 * BP, B(2)
    ; INT1 is a debug exception by itself, and the only one
    ARM .int1_done
    mov ss, [SS_AT]
    db 0xf1
.int1:
.int1_done:
    TRAP_AT .int1, 0
    RUNS nop
    WATCH_FOR 0
    PASS

BEGIN_GDT
gdt_end:
