; SPDX-License-Identifier: GPL-2.0-or-later
;
; A disk that starts a monitor like those of DOS's memory managers: paging, one task in virtual-8086 mode, and in it whatever
; is on the floppy, with the PC's BIOS, as if it had the machine for itself. Interrupts come to the monitor, which hands them on by
; the table at 0; what IOPL keeps from the task it does itself. Memory from the second MiB is at D0000h, as "upper memory", and INT 15h
; 87h, for which a BIOS would go to protected mode, is the monitor's. SDM 3B, "8086 Emulation".
;
; Assembled with IOPL: 0, every instruction that has to do with IF is the monitor's, or 3, interrupts alone are. The program on the
; floppy ends through the exit port; what goes wrong here does, too, with FAILED.

%include "guest_exit.inc"

%define BASE 0x60000
%define SEGMENT (BASE >> 4)
%define SECTORS 15                      ; of the monitor
%define TSS_AT 0x63000
%define IO_BITMAP 104
%define IDT_AT 0x66000
%define STACK_TOP 0x69000
%define DIRECTORY 0x69000
%define TABLE 0x6a000                   ; of the first 4 MiB
%define V86_STACK 0x7000
%define UPPER 0xd0000
%define UPPER_SIZE 0x10000
%define UPPER_MEMORY 0x200000
%define IRQ_VECTOR 0x50                 ; of IRQ 0 to 7: away from the processor's
%define MONITOR_CALL 0xf0               ; INT by which the task asks for the check of the upper memory
%define MAGIC 0x8086
%define STUB_SIZE 16

%define CODE_SELECTOR 8
%define DATA_SELECTOR 16
%define TSS_SELECTOR 24

%define FLAG_IF 0x200
%define FLAG_TF 0x100
%define FLAG_VM 0x20000
%define FLAGS_OF_TASK 0x0dd5            ; what POPF and IRET change, IF apart
%define SHOWN (3 << 12)                 ; what IOPL it sees

%define GATE_386 0x8e00
%define EXCEPTION_GP 13

org BASE - 512

; ---- Real mode ----

bits 16
boot:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov ax, SEGMENT
    mov es, ax
    xor bx, bx
    mov ax, 0x0200 | SECTORS
    mov cx, 2
    mov dh, 0
    int 0x13
    jnc .read
    mov al, FAILED
    LEAVE_GUEST
.read:
    jmp SEGMENT:0

times 510 - ($ - $$) db 0
    dw 0xaa55

real:
    mov ax, cs
    mov ds, ax
    cli
    in al, 0x21
    mov ah, al
    mov al, 0x11                        ; ICW1 to ICW4 of the master, and its mask again
    out 0x20, al
    mov al, IRQ_VECTOR
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, ah
    out 0x21, al
    mov ax, 0x2401
    int 0x15                            ; A20
    cli
    lgdt [gdt_pointer - real]         ; `real` is at offset 0
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword CODE_SELECTOR:protected

; ---- The monitor ----

bits 32
protected:
    mov ax, DATA_SELECTOR
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, STACK_TOP
    cld
    call make_pages
    call make_gates
    call make_tss
    mov dword [UPPER], MAGIC << 16      ; by the mapping
    ; the task: 0:7000h is its stack, and it begins at `task`
    push dword 0
    push dword 0
    push dword 0
    push dword 0
    push dword 0                        ; SS
    push dword V86_STACK
    push dword FLAG_VM | FLAG_IF | IOPL << 12 | 2
    push dword SEGMENT
    push dword task - BASE
    iretd

; 4 MiB as they are, but for the upper memory.
make_pages:
    mov edi, DIRECTORY
    mov eax, TABLE | 7
    stosd
    xor eax, eax
    mov ecx, 1023
    rep stosd
    mov eax, 7
.next:
    stosd
    add eax, 4096
    cmp eax, 0x400007
    jb .next
    mov edi, TABLE + UPPER / 4096 * 4
    mov eax, UPPER_MEMORY | 7
    mov ecx, UPPER_SIZE / 4096
.upper:
    stosd
    add eax, 4096
    loop .upper
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp .paging
.paging:
    ret

; A program that is let use INT directly may do so with all that are no exceptions with an error code.
make_gates:
    mov edi, IDT_AT
    mov edx, stubs
    xor ecx, ecx
.next:
    mov eax, CODE_SELECTOR << 16
    mov ax, dx
    stosd
    mov eax, edx
    mov ax, GATE_386 | IOPL << 13
    cmp ecx, 8
    je .closed
    cmp ecx, 10
    jb .open
    cmp ecx, 14
    ja .open
.closed:
    mov ax, GATE_386
.open:
    stosd
    add edx, STUB_SIZE
    inc ecx
    cmp ecx, 256
    jb .next
    lidt [idt_pointer]
    ret

; All ports are the task's.
make_tss:
    mov edi, TSS_AT
    xor eax, eax
    mov ecx, (IO_BITMAP + 8192) / 4
    rep stosd
    dec eax
    stosd
    mov dword [TSS_AT + 4], STACK_TOP
    mov dword [TSS_AT + 8], DATA_SELECTOR
    mov word [TSS_AT + 102], IO_BITMAP
    mov ax, TSS_SELECTOR
    ltr ax
    ret

; Of the same size each: the number, behind an error code.
align STUB_SIZE
stubs:
%assign n 0
%rep 256
    align STUB_SIZE
    %if n != 8 && (n < 10 || n > 14)
    push dword 0
    %endif
    push dword n
    jmp near entered
%assign n n + 1
%endrep

struc frame
    .edi: resd 1
    .esi: resd 1
    .ebp: resd 1
    .esp: resd 1
    .ebx: resd 1
    .edx: resd 1
    .ecx: resd 1
    .eax: resd 1
    .vector: resd 1
    .error: resd 1
    .eip: resd 1
    .cs: resd 1
    .eflags: resd 1
    .sp: resd 1
    .ss: resd 1
    .es: resd 1
    .ds: resd 1
endstruc

; EBP points to the frame from here on.
entered:
    pushad
    mov ebp, esp
    mov ax, DATA_SELECTOR
    mov ds, ax
    mov es, ax
    cld
    test dword [ebp + frame.eflags], FLAG_VM
    CHECK nz, "an exception in the monitor"
    mov eax, [ebp + frame.vector]
    cmp eax, EXCEPTION_GP
    je .protection
    cmp eax, IRQ_VECTOR
    jb .software
    cmp eax, IRQ_VECTOR + 8
    jae .software
    sub eax, IRQ_VECTOR - 8
    call hand_on
    jmp leave_monitor
.software:
    cmp eax, 6
    CHECK ne, "an invalid instruction"
    call interrupt
    jmp leave_monitor
.protection:
    call emulate
leave_monitor:
    mov esp, ebp
    popad
    add esp, 8
    iretd

; EAX: the vector of an INT.
interrupt:
    cmp eax, MONITOR_CALL
    je check_upper
    cmp eax, 0x15
    jne hand_on
    cmp byte [ebp + frame.eax + 1], 0x87
    je move_memory
    ; fall through

; The task goes on at the real-mode vector EAX, and comes back by IRET.
hand_on:
    mov dx, [ebp + frame.eflags]
    or dx, SHOWN
    call push_word
    mov dx, [ebp + frame.cs]
    call push_word
    mov dx, [ebp + frame.eip]
    call push_word
    and dword [ebp + frame.eflags], ~(FLAG_IF | FLAG_TF)
    movzx edx, word [eax * 4]
    mov [ebp + frame.eip], edx
    movzx edx, word [eax * 4 + 2]
    mov [ebp + frame.cs], edx
    ret

; EDI = the linear address of the task's stack
stack_address:
    movzx edi, word [ebp + frame.ss]
    shl edi, 4
    movzx ebx, word [ebp + frame.sp]
    add edi, ebx
    ret

push_word:
    sub word [ebp + frame.sp], 2
    call stack_address
    mov [edi], dx
    ret

pop_word:
    call stack_address
    mov dx, [edi]
    add word [ebp + frame.sp], 2
    ret

; The task sees what it wrote; VM and IOPL are not its own. DX: flags
take_flags:
    and dword [ebp + frame.eflags], ~(FLAGS_OF_TASK | FLAG_IF)
    and edx, FLAGS_OF_TASK | FLAG_IF
    or [ebp + frame.eflags], edx
    ret

; The instruction that IOPL forbids.
emulate:
    movzx esi, word [ebp + frame.cs]
    shl esi, 4
    movzx eax, word [ebp + frame.eip]
    add esi, eax
    mov ch, 0                           ; 1: with an operand-size prefix
.next:
    lodsb
    inc word [ebp + frame.eip]
    cmp al, 0x66
    jne .opcode
    mov ch, 1
    jmp .next
.opcode:
    cmp al, 0xf4                        ; HLT: its loop asks again
    je .done
    cmp al, 0xcd
    je .int
%if IOPL == 0
    cmp al, 0xfa
    je .cli
    cmp al, 0xfb
    je .sti
    cmp al, 0x9c
    je .pushf
    cmp al, 0x9d
    je .popf
    cmp al, 0xcf
    je .iret
%endif
    cmp al, al
    CHECK ne, "an instruction nobody does"
.int:
    movzx eax, byte [esi]
    inc word [ebp + frame.eip]
    jmp interrupt
.cli:
    and dword [ebp + frame.eflags], ~FLAG_IF
    ret
.sti:
    or dword [ebp + frame.eflags], FLAG_IF
    ret
.pushf:
    test ch, ch
    jz .pushf_word
    mov dx, [ebp + frame.eflags + 2]
    and dx, ~(FLAG_VM >> 16)
    call push_word
.pushf_word:
    mov dx, [ebp + frame.eflags]
    or dx, SHOWN
    jmp push_word
.popf:
    call pop_word
    call take_flags
    jmp .upper_half
.iret:
    call pop_word
    mov [ebp + frame.eip], dx
    test ch, ch
    jz .iret_cs
    call pop_word
.iret_cs:
    call pop_word
    mov [ebp + frame.cs], dx
    test ch, ch
    jz .iret_flags
    call pop_word
.iret_flags:
    call pop_word
    call take_flags
.upper_half:
    test ch, ch
    jz .done
    call pop_word
.done:
    ret

; INT 15h 87h: CX words, by the descriptors at ES:SI + 10h and 18h. The task's memory is mapped as it is but for the
; upper part, and so is the second MiB.
move_memory:
    movzx ebx, word [ebp + frame.es]
    shl ebx, 4
    movzx eax, word [ebp + frame.esi]
    add ebx, eax
    mov esi, [ebx + 0x12]
    and esi, 0xffffff
    mov edi, [ebx + 0x1a]
    and edi, 0xffffff
    movzx ecx, word [ebp + frame.ecx]
    rep movsw
    mov byte [ebp + frame.eax + 1], 0
    and dword [ebp + frame.eflags], ~1
    ret

check_upper:
    cmp dword [UPPER_MEMORY], MAGIC << 16 | MAGIC
    CHECK e, "the upper memory is not where it is mapped"
    ret

fail:
    SAY_FAILURE
    LEAVE_GUEST

; ---- The task: what starts a PC's floppy ----

bits 16
task:
    mov ax, UPPER >> 4
    mov es, ax
    mov word [es:0], MAGIC
    int MONITOR_CALL
    xor ax, ax
    mov es, ax
    mov cx, 3
.try:
    push cx
    mov ax, 0x0201
    mov bx, 0x7c00
    mov cx, 1
    mov dx, 0
    int 0x13
    pop cx
    jnc .read
    loop .try
    mov al, FAILED
    LEAVE_GUEST
.read:
    mov dl, 0
    jmp 0:0x7c00

; ---- Tables ----

align 8
gdt:
    dq 0
    dq 0x00cf9a000000ffff
    dq 0x00cf92000000ffff
    dw IO_BITMAP + 8192, TSS_AT & 0xffff, 0x8900 | TSS_AT >> 16, 0
gdt_pointer:
    dw $ - gdt - 1
    dd gdt
idt_pointer:
    dw 256 * 8 - 1
    dd IDT_AT

times (SECTORS + 1) * 512 - ($ - $$) db 0
times 1048576 - ($ - $$) db 0
