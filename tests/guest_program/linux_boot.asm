; SPDX-License-Identifier: GPL-2.0-or-later
;
; A Linux kernel, as far as boot loaders can tell: a bzImage of boot protocol PROTOCOL (0x0202 ...), entered
; in 32-bit protected mode. It uses low memory as the decompressors of kernels up to 2.6.1x do, fills all
; that is theirs, and then needs what its loader left: descriptors, command line, memory sizes, initrd.
; Linux/x86 boot protocol, "Memory Layout", "The Real-Mode Kernel Header", "32-bit Boot Protocol".
;
; Started with --ram 64M --append "alpha beta=2" --initrd of "0123456789abcdef\n" 700 times. Ends through the
; exit port with PASSED, or after a line on the debug console with FAILED.

%include "guest_exit.inc"

%define BOOT_CS 0x10
%define BOOT_DS 0x18
%define LOW_BUFFER 0x2000               ; the decompressors' LOW_BUFFER_START and LOW_BUFFER_MAX
%define LOW_BUFFER_MAX 0x90000
%define MOVE_ROUTINE 0x1000             ; they run from there when they are done
%define RAM_KIB (64 * 1024)
%define INITRD_SIZE (17 * 700)
%define LOAD 0x100000

; Offsets in the zero page
%define EXT_MEM_K 0x02
%define ALT_MEM_K 0x1e0
%define E820_ENTRIES 0x1e8
%define LOADER 0x210
%define RAMDISK_IMAGE 0x218
%define RAMDISK_SIZE 0x21c
%define CMD_LINE_PTR 0x228
%define E820_TABLE 0x2d0

; ---- The real-mode part: two sectors ----

bits 16
section .setup start=0 vstart=0
    times 0x1f1 db 0
    db 1                                ; setup_sects
    dw 0                                ; root_flags
    dd (code_size + 15) / 16      ; syssize
    dw 0, 0xffff, 0                     ; ram_size, vid_mode, root_dev
    dw 0xaa55
    jmp short setup
    db "HdrS"
    dw PROTOCOL
    dd 0                                ; realmode_swtch
    dw 0, 0                             ; start_sys_seg, kernel_version
    db 0, 1                             ; type_of_loader, loadflags: LOADED_HIGH
    dw 0                                ; setup_move_size
    dd LOAD                             ; code32_start
    dd 0, 0, 0                          ; ramdisk_image, ramdisk_size, bootsect_kludge
    dw 0, 0                             ; heap_end_ptr, extended loader
    dd 0                                ; cmd_line_ptr
%if PROTOCOL >= 0x203
    dd 0x37ffffff                       ; initrd_addr_max
%endif
%if PROTOCOL >= 0x205
    dd 0x1000                           ; kernel_alignment
    db 0, 0                             ; relocatable_kernel, min_alignment
    dw 0                                ; xloadflags
%endif
%if PROTOCOL >= 0x206
    dd 255                              ; cmdline_size
%endif
%if PROTOCOL >= 0x207
    dd 0                                ; hardware_subarch
    dq 0
%endif
%if PROTOCOL >= 0x208
    dd 0, 0                             ; payload
%endif
%if PROTOCOL >= 0x209
    dq 0                                ; setup_data
%endif
%if PROTOCOL >= 0x20a
    dq LOAD                             ; pref_address
    dd 0x10000                          ; init_size
%endif
%if PROTOCOL >= 0x20b
    dd 0                                ; handover_offset
%endif
%if PROTOCOL >= 0x20f
    dd 0                                ; kernel_info_offset
%endif
setup:
    hlt
    jmp setup
    times 1024 - ($ - $$) db 0

; ---- The protected-mode part ----

bits 32
section .code start=1024 vstart=LOAD

entry:
    mov ebp, esi
    mov ax, cs
    cmp ax, BOOT_CS
    CHECK e, "CS"
    pushfd
    pop eax
    test eax, 0x200
    CHECK z, "interrupts are on"
    mov eax, cr0
    test eax, 0x80000000
    CHECK z, "paging is on"

    ; What is the kernel's, up to its zero page: nothing of it may be needed any more.
    mov ecx, LOW_BUFFER_MAX
    cmp ebp, ecx
    jae .fill
    mov ecx, ebp
.fill:
    sub ecx, LOW_BUFFER
    mov edi, LOW_BUFFER
    mov al, 0xcc
    cld
    rep stosb

    ; The end of a decompressor, and the first instructions of its kernel.
    mov esi, move_routine
    mov edi, MOVE_ROUTINE
    mov ecx, move_routine_end - move_routine
    rep movsb
    jmp BOOT_CS:MOVE_ROUTINE
move_routine:
    jmp BOOT_CS:unpacked
move_routine_end:

unpacked:
    mov eax, BOOT_DS
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esp, stack_top
    push eax
    pop eax

    ; The command line is read only now.
    mov esi, [ebp + CMD_LINE_PTR]
    mov edi, command_line
    mov ecx, command_line_end - command_line
    repe cmpsb
    CHECK e, "command line"
    cmp byte [ebp + LOADER], 0xff
    CHECK e, "type_of_loader"

    ; Memory, by all three accounts: E801 and 88h are all that kernels before 2.1.114 knew.
    cmp dword [ebp + ALT_MEM_K], RAM_KIB - 1024
    CHECK e, "alt_mem_k"
    cmp word [ebp + EXT_MEM_K], RAM_KIB - 1024
    CHECK e, "ext_mem_k"
    movzx ecx, byte [ebp + E820_ENTRIES]
    lea esi, [ebp + E820_TABLE]
.next:
    cmp dword [esi], 0x100000           ; the range from 1 MiB
    je .found
    add esi, 20
    loop .next
    inc ecx                             ; not zero
    CHECK e, "no E820 entry for 1 MiB"
.found:
    cmp dword [esi + 8], (RAM_KIB - 1024) * 1024
    CHECK e, "size of the E820 entry for 1 MiB"
    cmp dword [esi + 16], 1
    CHECK e, "type of the E820 entry for 1 MiB"

    cmp dword [ebp + RAMDISK_SIZE], INITRD_SIZE
    CHECK e, "size of the initrd"
    mov esi, [ebp + RAMDISK_IMAGE]
    mov ebx, 700
.line:
    mov edi, line
    mov ecx, 17
    repe cmpsb
    CHECK e, "contents of the initrd"
    dec ebx
    jnz .line

    mov al, PASSED
    LEAVE_GUEST

fail:
    SAY_FAILURE
    LEAVE_GUEST

command_line: db "alpha beta=2", 0
command_line_end:
line: db "0123456789abcdef", 10
    align 16
    times 512 db 0
stack_top:
code_size equ $ - entry
