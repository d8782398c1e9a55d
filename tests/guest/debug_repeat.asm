; SPDX-License-Identifier: GPL-2.0-or-later
; RF lasts through a repeated string instruction: whatever comes between two of its iterations pushes RF set, so that
; a breakpoint on the instruction does not strike again when it goes on; after the last one RF is clear.
; SDM 3B, "Instruction-Breakpoint Exception Condition".
%include "debug.inc"

%define SMALL FIRST_FREE                ; a data segment of 256 bytes
%define MMIO 0x2000000                  ; run_guest has a device there
%define FROM SCRATCH + 0x100
%define TO SCRATCH + 0x200

%define FIRST
; REPEAT label, count, instruction: at label_at, behind FIRST, and before INT 41h. An exception comes to label_done.
%macro REPEAT 3+
    mov esi, FROM
    mov edi, TO
    mov ecx, %2
    mov edx, PORT_STRING
    ARM %1_done
    FIRST
%1_at:
    %3
%1_end:
    int 0x41
%1_done:
%endmacro

; It is over, without anything else
%macro OVER 1
    CHECK_EQ dword [got_vector], 0x41
    CHECK_EQ dword [got_eip], %1_end + 2
    CHECK_EQ ecx, 0
%endmacro

; STEPPED label, instruction: of three iterations, with TF. A trap after each
%macro STEPPED 2+
    mov esi, FROM
    mov edi, TO
    mov ecx, 3
    mov edx, PORT_RESTART
    out dx, al
    mov dx, PORT_STRING
    ARM %1_end
    push dword 2 | TF
    popfd
%1_at:
    %2
%1_end:
    TRAP_AT %1_at, BS
    RF_WAS nz
    GO_ON %1_end2
%1_end2:
    TRAP_AT %1_at, BS
    RF_WAS nz
    GO_ON %1_end3
%1_end3:
    TRAP_AT %1_end, BS
    RF_WAS z
    CHECK_EQ ecx, 0
%endmacro

start:
    ENTER_PROTECTED
    cld
    mov edi, SCRATCH
    mov ecx, 0x400
    xor eax, eax
    rep stosb
    mov dr6, eax

    ; ---- single-stepping, each string instruction ---------------------------------------------------------------
    STEPPED .movs, rep movsb
    STEPPED .stos, rep stosd
    STEPPED .lods, rep lodsw
    STEPPED .cmps, repe cmpsb
    mov al, 1
    STEPPED .scas, repne scasb
    STEPPED .ins, rep insb
    mov dword [FROM], 0x020100
    STEPPED .outs, rep outsb
    mov dword [FROM], 0
    ; CMPS and SCAS end before their counter does: that was the last iteration
    mov byte [TO + 1], 7
    mov al, 7
    mov edi, TO
    mov ecx, 10
    ARM .found1
    push dword 2 | TF
    popfd
.find:
    repne scasb
.find_end:
.found1:
    TRAP_AT .find, BS
    RF_WAS nz
    GO_ON .found2
.found2:
    TRAP_AT .find_end, BS
    RF_WAS z
    CHECK_EQ ecx, 8
    ; not repeated, or once: nothing in the middle
    ARM .single1
    push dword 2 | TF
    popfd
    movsb
.single_at:
.single1:
    TRAP_AT .single_at, BS
    RF_WAS z
    mov ecx, 1
    ARM .once1
    push dword 2 | TF
    popfd
    rep movsb
.once_at:
.once1:
    TRAP_AT .once_at, BS
    RF_WAS z

    ; ---- a breakpoint on the instruction strikes once ---------------------------------------------------------------
    ADDRESS 0, .both_at
    ADDRESS 1, TO + 1
    ADDRESS 2, TO + 3
    WATCH_FOR WATCH(0, FETCH, 1) | WATCH(1, WRITE, 1) | WATCH(2, WRITE, 1)
    REPEAT .both, 4, rep movsb
    TRAP_AT .both_at, B(0)
    RF_WAS z
    CHECK_EQ ecx, 4
    or dword [got_eflags], RF            ; as debuggers do
    GO_ON .both2
.both2:
    TRAP_AT .both_at, B(1)
    RF_WAS nz
    CHECK_EQ ecx, 2
    GO_ON .both3
.both3:
    TRAP_AT .both_end, B(2)
    RF_WAS z
    CHECK_EQ ecx, 0
    ; a fault in the middle
    WATCH_FOR WATCH(0, FETCH, 1)
    ADDRESS 0, .fault_at
    mov dx, SMALL
    mov fs, dx
    REPEAT .fault, 4, fs rep lodsb
    TRAP_AT .fault_at, B(0)
    mov esi, 0xfe                        ; the limit is FF
    or dword [got_eflags], RF
    GO_ON .fault2
.fault2:
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_eip], .fault_at
    RF_WAS nz
    CHECK_EQ ecx, 2
    mov esi, 0
    GO_ON .fault3
.fault3:
    OVER .fault
    ; an interrupt: STI lets one iteration pass
    WATCH_FOR 0
    mov al, 0x60
    out PORT_INTERRUPT, al
%define FIRST sti
    REPEAT .interrupt, 4, rep movsb
%define FIRST
    CHECK_EQ dword [got_vector], 0x60
    CHECK_EQ dword [got_eip], .interrupt_at
    RF_WAS nz
    CHECK_EQ ecx, 3
    ADDRESS 0, .interrupt_at
    WATCH_FOR WATCH(0, FETCH, 1)         ; by whoever was switched to
    GO_ON .interrupt2
.interrupt2:
    cli
    OVER .interrupt
    ; the trap of an I/O or data breakpoint is one of these; an exit to a device is none
    ADDRESS 0, .leaves_at
    mov dx, PORT_RESTART
    out dx, al
    mov dword [FROM], 0x03020100
    REPEAT .leaves, 4, rep outsb
    TRAP_AT .leaves_at, B(0)
    or dword [got_eflags], RF
    GO_ON .leaves2
.leaves2:
    OVER .leaves
    ADDRESS 0, .device_at
    REPEAT .device, 4, rep movsb
    TRAP_AT .device_at, B(0)
    mov edi, MMIO
    or dword [got_eflags], RF
    GO_ON .device2
.device2:
    OVER .device
    WATCH_FOR 0
    PASS

BEGIN_GDT
    DESC SCRATCH, 0xff, 0x93, 4
gdt_end:
