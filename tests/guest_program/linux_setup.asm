; SPDX-License-Identifier: GPL-2.0-or-later
;
; A Linux kernel whose set-up code has to run: boot protocol PROTOCOL before 2.02, or a zImage (-DZIMAGE), or
; an image without a 32-bit entry point (-DNO_CODE32). It looks at what a boot loader promises set-up code,
; asks the BIOS for memory, goes to protected mode by itself and looks at what is up there.
; Linux/x86 boot protocol, "Memory Layout", "The Kernel Command Line", "Running the Kernel".
;
; Started with --ram 64M --append "alpha beta=2" --initrd of "0123456789abcdef\n" 700 times. Ends through the
; exit port with PASSED, or after a line on the debug console with FAILED.

%include "guest_exit.inc"

%ifdef ZIMAGE
    %define LOADED_HIGH 0
    %define LOAD 0x10000
    %define CODE32_START 0x1000
%else
    %define LOADED_HIGH 1
    %define LOAD 0x100000
    %define CODE32_START 0x100000
%endif
%ifdef NO_CODE32
    %define CODE32_START 0
%endif
%define OLD_SEGMENT 0x9000
%define INITRD_SIZE (17 * 700)

; ---- The real-mode part: four sectors ----

bits 16
section .setup start=0 vstart=0
    times 0x1f1 db 0
    db 3                                ; setup_sects
    dw 0                                ; root_flags
    dd (code_size + 15) / 16            ; syssize
    dw 0, 0xffff, 0                     ; ram_size, vid_mode, root_dev
    dw 0xaa55
    jmp short setup
    db "HdrS"
    dw PROTOCOL
    dd 0                                ; realmode_swtch
    dw 0x1000, 0                        ; start_sys_seg, kernel_version
type_of_loader:
    db 0
loadflags:
    db LOADED_HIGH
setup_move_size:
    dw 0x8000
    dd CODE32_START
ramdisk_image:
    dd 0
ramdisk_size:
    dd 0
    dd 0                                ; bootsect_kludge
%if PROTOCOL >= 0x201
heap_end_ptr:
    dw 0, 0
%endif
%if PROTOCOL >= 0x202
cmd_line_ptr:
    dd 0
%endif
%if PROTOCOL >= 0x203
    dd 0x37ffffff                       ; initrd_addr_max
%endif

setup:
    mov bp, sp
    pushf
    pop ax
    test ax, 0x200
    CHECK z, "interrupts are on"
    mov ax, ds
    mov bx, cs
    sub bx, ax
    cmp bx, 0x20
    CHECK e, "CS is not DS + 20h"
%macro SAME 1
    mov bx, %1
    cmp bx, ax
    CHECK e, "a segment register is not DS"
%endmacro
    SAME es
    SAME fs
    SAME gs
    SAME ss
    cmp dword [0x202], "HdrS"
    CHECK e, "DS is not where the boot sector is"
    cmp byte [type_of_loader], 0xff
    CHECK e, "type_of_loader"

%if PROTOCOL >= 0x201
    test byte [loadflags], 0x80
    CHECK nz, "loadflags: CAN_USE_HEAP"
    mov bx, [heap_end_ptr]
    add bx, 0x200
    cmp bx, bp
    CHECK be, "SP is below the heap's end"
    cmp bx, setup_end + 0x400
    CHECK a, "no heap"
%endif

    ; The command line
%if PROTOCOL >= 0x202
    mov esi, [cmd_line_ptr]
    movzx edi, ax
    shl edi, 4
    sub esi, edi
    cmp esi, 0x10000
    CHECK b, "the command line is in another segment"
    mov fs, ax
%else
    cmp ax, OLD_SEGMENT
    CHECK e, "the segment of all kernels before 2.02"
    cmp word [0x20], 0xa33f
    CHECK e, "magic number of the command line"
    mov si, [0x22]
    cmp word [setup_move_size], si
    CHECK a, "setup_move_size leaves out the command line"
    mov fs, ax
%endif
    cmp si, bp
    CHECK ae, "the command line is in the stack's way"
    mov di, command_line
.next:
    mov al, [fs:si]
    cmp al, [di]
    CHECK e, "command line"
    inc si
    inc di
    test al, al
    jnz .next

    ; Set-up code's question
    sti
    mov ah, 0x88
    int 0x15
    CHECK nc, "INT 15h 88h: carry"
    cmp ax, 63 * 1024
    CHECK e, "INT 15h 88h"
    cli

    ; To protected mode, as set-up code does; ESI is the base.
    xor esi, esi
    mov si, ds
    shl esi, 4
    lea eax, [esi + gdt]
    mov [gdtr + 2], eax
    lgdt [gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 0x10:LOAD

fail:
    push cs
    pop ds
    sub si, 0x200
    SAY_FAILURE
    LEAVE_GUEST

command_line: db "alpha beta=2", 0
    align 8
gdt:
    dq 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw 31
    dd 0
    times 2048 - ($ - $$) db 0
setup_end:

; ---- The protected-mode part ----

bits 32
section .code start=2048 vstart=LOAD

code:
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, stack_top
    mov edi, text_size
    cmp dword [esi + ramdisk_size], INITRD_SIZE
    jne wrong
    mov edi, text_contents
    mov esi, [esi + ramdisk_image]
    mov ebx, 700
.line:
    push edi
    mov edi, line
    mov ecx, 17
    repe cmpsb
    pop edi
    jne wrong
    dec ebx
    jnz .line
    mov al, PASSED
    jmp leave_guest

wrong:
    mov esi, edi
    SAY_FAILURE
leave_guest:
    LEAVE_GUEST

text_size: db "size of the initrd", 10, 0
text_contents: db "contents of the initrd", 10, 0
line: db "0123456789abcdef", 10
    align 16
    times 256 db 0
stack_top:
code_size equ $ - code
