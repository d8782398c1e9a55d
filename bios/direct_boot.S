/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Firmware of a guest that is started without a BIOS: the last 4 KiB below 1 MiB. Its interrupts keep the time
 * of day and acknowledge what nobody handles; its services are those that 16-bit set-up code asks for, memory
 * sizes first of all, with COM1 for screen and keyboard. Every other BIOS call returns "function not
 * supported". The reset vector, where kernels jump to restart a PC, pulls the processor's reset line.
 * IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupts", "BIOS Data Area"; 8042 command FEh.
 */
    .section .rodata.direct_boot, "a", @progbits
    .code16

    .globl direct_boot_rom, direct_boot_rom_end, direct_boot_vectors, direct_boot_screen
    .balign 16
direct_boot_rom:

    .set    PIC1, 0x20
    .set    PIC2, 0xa0
    .set    PIC_EOI, 0x20
    .set    PIC_READ_ISR, 0x0b

    .set    BDA, 0x40               /* segment; offsets in it: */
    .set    BDA_COM1, 0x00
    .set    BDA_EBDA, 0x0e
    .set    BDA_EQUIPMENT, 0x10
    .set    BDA_MEMORY, 0x13
    .set    BDA_KEYS_HEAD, 0x1a
    .set    BDA_KEYS_TAIL, 0x1c
    .set    BDA_CURSOR, 0x50
    .set    BDA_CURSOR_SHAPE, 0x60
    .set    BDA_TICKS, 0x6c
    .set    BDA_MIDNIGHT, 0x70
    .set    BDA_KEYS_START, 0x80
    .set    BDA_KEYS_END, 0x82

    .set    EBDA_MAP_COUNT, 0x10    /* frontend/boot/firmware.c */
    .set    EBDA_MAP, 0x14
    .set    MAP_ENTRY, 20

    .set    TICKS_A_DAY, 0x1800b0
    .set    CF, 0x01
    .set    ZF, 0x40

/* ---- Hardware interrupts -------------------------------------------------------------------------- */

/* IRQ 0, 18.2 times a second: count, and tell who hooked INT 1Ch. */
timer:
    pushw   %ds
    pushl   %eax
    pushw   $BDA
    popw    %ds
    movl    BDA_TICKS, %eax
    incl    %eax
    cmpl    $TICKS_A_DAY, %eax
    jb      1f
    xorl    %eax, %eax
    movb    $1, BDA_MIDNIGHT
1:  movl    %eax, BDA_TICKS
    int     $0x1c
    movb    $PIC_EOI, %al
    outb    %al, $PIC1
    popl    %eax
    popw    %ds
    iretw

/* IRQ 1: the byte must be taken, or no other comes. */
key:
    pushw   %ax
    inb     $0x60, %al
    jmp     end_master

/* IRQ 8: likewise for the clock's flags. */
clock:
    pushw   %ax
    movb    $0x0c, %al
    outb    %al, $0x70
    inb     $0x71, %al
    jmp     end_slave

/* IRQ 13: an x87 error. Programs of the 8087's time hooked the NMI. */
x87_error:
    pushw   %ax
    xorb    %al, %al
    outb    %al, $0xf0
    movb    $PIC_EOI, %al
    outb    %al, $PIC2
    outb    %al, $PIC1
    popw    %ax
    int     $0x02
    iretw

/* The others. A vector may also be called or be an exception's: then nothing is in service. */
slave:
    pushw   %ax
end_slave:
    movb    $PIC_READ_ISR, %al
    outb    %al, $PIC2
    inb     $PIC2, %al
    testb   %al, %al
    jz      end_master
    movb    $PIC_EOI, %al
    outb    %al, $PIC2
    jmp     end_master
master:
    pushw   %ax
end_master:
    movb    $PIC_READ_ISR, %al
    outb    %al, $PIC1
    inb     $PIC1, %al
    testb   %al, %al
    jz      1f
    movb    $PIC_EOI, %al
    outb    %al, $PIC1
1:  popw    %ax
ignore:
    iretw

/* ---- How services end ----------------------------------------------------------------------------- */

/* Carry set in the caller's flags, AH = 86h. */
unsupported:
    movb    $0x86, %ah
    pushw   %bp
    movw    %sp, %bp
    orb     $CF, 6(%bp)             /* saved BP, IP, CS, then FLAGS */
    popw    %bp
    iretw

success:
    pushw   %bp
    movw    %sp, %bp
    andb    $~CF, 6(%bp)
    popw    %bp
    iretw

/* ---- INT 10h: the screen is COM1 ------------------------------------------------------------------ */

/* What is not here leaves all registers alone: so one asks for adapters, and there is none. */
video:
    cmpb    $0x0e, %ah
    je      teletype
    cmpb    $0x03, %ah
    je      cursor
    cmpb    $0x0f, %ah
    jne     ignore
    movw    $80 << 8 | 3, %ax       /* columns, mode */
    movb    $0, %bh
    iretw

cursor:
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    BDA_CURSOR_SHAPE, %cx
    movw    BDA_CURSOR, %dx
    popw    %ds
    iretw

/* The serial port of this machine is always ready to send. */
teletype:
    pushw   %ds
    pushw   %dx
    pushw   $BDA
    popw    %ds
    movw    BDA_COM1, %dx
    testw   %dx, %dx
    jz      1f
    outb    %al, %dx
1:  popw    %dx
    popw    %ds
    iretw

/* ---- INT 11h, INT 12h ----------------------------------------------------------------------------- */

equipment:
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    BDA_EQUIPMENT, %ax
    popw    %ds
    iretw

memory_size:
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    BDA_MEMORY, %ax
    popw    %ds
    iretw

/* ---- INT 15h: memory and the A20 gate ------------------------------------------------------------- */

system:
    cmpw    $0xe820, %ax
    je      memory_map
    cmpw    $0xe801, %ax
    je      extended_memory_large
    cmpb    $0x88, %ah
    je      extended_memory
    cmpb    $0x24, %ah
    jne     unsupported

    cmpb    $0x01, %al
    je      a20_open
    jb      a20_close
    cmpb    $0x03, %al
    ja      unsupported
    je      1f
    inb     $0x92, %al
    shrb    $1, %al
    andw    $1, %ax                 /* AH = 0 as well */
    jmp     success
1:  movw    $0x03, %bx              /* keyboard controller and port 92h */
    jmp     2f
a20_open:
    inb     $0x92, %al
    orb     $0x02, %al
    jmp     1f
a20_close:
    inb     $0x92, %al
    andb    $~0x02, %al
1:  andb    $~0x01, %al             /* the other bit resets */
    outb    %al, $0x92
2:  movb    $0, %ah
    jmp     success

/* KiB from 1 MiB up, to 64 MiB at most */
extended_memory:
    movb    $0x30, %al
    call    cmos_word
    jmp     success

/* The same to 16 MiB at most, and 64-KiB blocks from there; both twice */
extended_memory_large:
    movb    $0x30, %al
    call    cmos_word
    cmpw    $15 << 10, %ax
    jbe     1f
    movw    $15 << 10, %ax
1:  movw    %ax, %cx
    movb    $0x34, %al
    call    cmos_word
    movw    %ax, %bx
    movw    %ax, %dx
    movw    %cx, %ax
    jmp     success

/* EBX: which entry, and afterwards which is next or 0; ES:DI, ECX: where it goes */
memory_map:
    cmpl    $0x534d4150, %edx       /* "SMAP" */
    jne     unsupported
    cmpl    $MAP_ENTRY, %ecx
    jb      unsupported
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    BDA_EBDA, %ds
    movzbl  EBDA_MAP_COUNT, %eax
    cmpl    %eax, %ebx
    jb      1f
    popw    %ds
    jmp     unsupported
1:  pushw   %si
    pushw   %di
    imulw   $MAP_ENTRY, %bx, %si
    addw    $EBDA_MAP, %si
    movw    $MAP_ENTRY, %cx
    cld
    rep movsb
    popw    %di
    popw    %si
    popw    %ds
    movl    $MAP_ENTRY, %ecx
    incl    %ebx
    cmpl    %eax, %ebx
    jb      2f
    xorl    %ebx, %ebx
2:  movl    %edx, %eax
    jmp     success

/* AL: the lower index; AX: both bytes */
cmos_word:
    incb    %al
    outb    %al, $0x70
    decb    %al
    movb    %al, %ah
    inb     $0x71, %al
    xchgb   %al, %ah
cmos_low:
    outb    %al, $0x70
    inb     $0x71, %al
    ret

/* ---- INT 16h: the keyboard is COM1 ---------------------------------------------------------------- */

keyboard:
    pushw   %ds
    pushw   %bx
    pushw   $BDA
    popw    %ds
    andb    $~0x10, %ah             /* 10h-12h are 00h-02h for the keyboard with 101 keys */
    jz      read_key
    cmpb    $0x01, %ah
    je      look_for_key
    movb    $0, %al                 /* 02h: no Shift key is down */
    popw    %bx
    popw    %ds
    iretw

read_key:
    call    find_key
    jnz     1f
    sti
    hlt                             /* the next tick ends it, if nothing else does */
    cli
    jmp     read_key
1:  addw    $2, %bx
    cmpw    BDA_KEYS_END, %bx
    jb      2f
    movw    BDA_KEYS_START, %bx
2:  movw    %bx, BDA_KEYS_HEAD
    popw    %bx
    popw    %ds
    iretw

look_for_key:
    call    find_key
    popw    %bx
    popw    %ds
    pushw   %bp
    movw    %sp, %bp
    jz      1f
    andb    $~ZF, 6(%bp)
    popw    %bp
    iretw
1:  orb     $ZF, 6(%bp)
    popw    %bp
    iretw

/* AX: the oldest key in the buffer, BX: where; ZF: there is none. Bytes of COM1 are keys without a scan code. */
find_key:
    movw    BDA_KEYS_HEAD, %bx
    cmpw    BDA_KEYS_TAIL, %bx
    jne     1f
    pushw   %dx
    movw    BDA_COM1, %dx
    testw   %dx, %dx
    jz      2f
    addw    $5, %dx                 /* LSR */
    inb     %dx, %al
    testb   $0x01, %al              /* data ready */
    jz      2f
    subw    $5, %dx
    inb     %dx, %al
    movb    $0, %ah
    movw    %ax, (%bx)              /* the buffer is empty */
    movw    %bx, %dx
    addw    $2, %dx
    cmpw    BDA_KEYS_END, %dx
    jb      3f
    movw    BDA_KEYS_START, %dx
3:  movw    %dx, BDA_KEYS_TAIL
    testw   %dx, %dx                /* not zero */
2:  popw    %dx
    jnz     1f
    ret
1:  movw    (%bx), %ax
    ret

/* ---- INT 1Ah: ticks and the clock ----------------------------------------------------------------- */

time:
    cmpb    $0x01, %ah
    jb      read_ticks
    je      set_ticks
    cmpb    $0x02, %ah
    je      read_time
    cmpb    $0x04, %ah
    jne     unsupported

    call    wait_for_update         /* all of it in BCD */
    movb    $0x32, %al
    call    cmos_low
    movb    %al, %ch
    movb    $0x09, %al
    call    cmos_low
    movb    %al, %cl
    movb    $0x08, %al
    call    cmos_low
    movb    %al, %dh
    movb    $0x07, %al
    call    cmos_low
    movb    %al, %dl
    jmp     success

read_time:
    call    wait_for_update
    movb    $0x04, %al
    call    cmos_low
    movb    %al, %ch
    movb    $0x02, %al
    call    cmos_low
    movb    %al, %cl
    movb    $0x00, %al
    call    cmos_low
    movb    %al, %dh
    movb    $0, %dl                 /* no daylight saving */
    jmp     success

wait_for_update:
    movb    $0x0a, %al
    call    cmos_low
    testb   %al, %al
    js      wait_for_update
    ret

read_ticks:
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    BDA_TICKS, %dx
    movw    BDA_TICKS + 2, %cx
    xorb    %al, %al
    xchgb   %al, BDA_MIDNIGHT
    popw    %ds
    jmp     success

set_ticks:
    pushw   %ds
    pushw   $BDA
    popw    %ds
    movw    %dx, BDA_TICKS
    movw    %cx, BDA_TICKS + 2
    movb    $0, BDA_MIDNIGHT
    popw    %ds
    jmp     success

/* ---- The screen --------------------------------------------------------------------------------------- */

/*
 * Where a guest begins whose screen somebody sees. Its display adapter's BIOS is copied to C0000h: it gets the adapter
 * going and takes INT 10h. Then what is in `start` at HANDOFF (struct firmware_start) is made so, and the kernel begins.
 * The stack is in memory that no kernel may claim.
 */
    .set    VGA_SEGMENT, 0xc000
    .set    VGA_INIT, 3
    .set    VGA_FUNCTION, 2 << 3    /* its slot on the PCI bus */
    .set    STACK_TOP, 0x1000
    .set    CS_FLAT, 0x10
    .set    DS_FLAT, 0x18
    .set    ROM_BASE, 0xf0000
    .set    HANDOFF, 0x2000         /* in the ROM's segment; frontend/boot/firmware.c */
    .set    START_EIP, HANDOFF
    .set    START_EAX, HANDOFF + 4
    .set    START_EBX, HANDOFF + 8
    .set    START_ESI, HANDOFF + 12
    .set    START_ESP, HANDOFF + 16
    .set    START_GDTR, HANDOFF + 20
    .set    START_IDTR, HANDOFF + 26
    .set    START_IP_CS, HANDOFF + 32
    .set    START_SEGMENT, HANDOFF + 36
    .set    START_REAL, HANDOFF + 38

screen:
    xorw    %ax, %ax
    movw    %ax, %ss
    movw    $STACK_TOP, %sp
    movw    %ax, %ds
    movw    %ax, %es
    movw    $VGA_FUNCTION, %ax
    lcall   $VGA_SEGMENT, $VGA_INIT
    movw    $0x03, %ax              /* 80x25 text */
    int     $0x10
    cli
    cld
    xorl    %ecx, %ecx
    xorl    %edx, %edx
    xorl    %edi, %edi
    xorl    %ebp, %ebp
    lgdtl   %cs:START_GDTR
    cmpb    $0, %cs:START_REAL
    jne     1f
    lidtl   %cs:START_IDTR
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ljmpl   $CS_FLAT, $flat - direct_boot_rom + 0xff000

1:  movw    %cs:START_SEGMENT, %ax
    movw    %ax, %ss
    movl    %cs:START_ESP, %esp
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %fs
    movw    %ax, %gs
    movl    %cs:START_EAX, %eax
    movl    %cs:START_EBX, %ebx
    movl    %cs:START_ESI, %esi
    ljmpw   *%cs:START_IP_CS

    .code32
flat:
    movl    $DS_FLAT, %eax
    movl    %eax, %ss
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    ROM_BASE + START_ESP, %esp
    movl    ROM_BASE + START_EAX, %eax
    movl    ROM_BASE + START_EBX, %ebx
    movl    ROM_BASE + START_ESI, %esi
    jmp     *ROM_BASE + START_EIP
    .code16

/* ---- Ends ----------------------------------------------------------------------------------------- */

/* INT 18h: the guest has nothing to start. */
nothing:
    movw    $nothing_text - direct_boot_rom + 0xf000, %si
1:  lodsb   %cs:(%si), %al
    testb   %al, %al
    jz      2f
    movb    $0x0e, %ah
    int     $0x10
    jmp     1b
2:  cli
    hlt
    jmp     2b
nothing_text:
    .asciz  "Nothing to boot.\r\n"

/* INT 19h and the reset vector */
restart:
    cli
1:  inb     $0x64, %al
    testb   $2, %al                 /* input buffer full */
    jnz     1b
    movb    $0xfe, %al              /* pulse output port bit 0: reset */
    outb    %al, $0x64
2:  hlt
    jmp     2b

/* What vectors that are no code point at: parameters of drives and of screens that are not there */
none:
    .skip   16

    .org    direct_boot_rom + 0xff0, 0
    .byte   0xea                    /* JMP FAR F000:restart */
    .word   restart - direct_boot_rom + 0xf000
    .word   0xf000
    .ascii  "01/01/00"              /* BIOS date */
    .byte   0
    .byte   0xfc                    /* model: PC/AT */
    .byte   0
direct_boot_rom_end:

/* Where the interrupt vectors 00h-77h point, as offsets in the ROM. */
    .macro  vector first, last, handler
    .rept   \last - \first + 1
    .word   \handler - direct_boot_rom
    .endr
    .endm
    .balign 4
direct_boot_vectors:
    vector  0x00, 0x07, ignore
    vector  0x08, 0x08, timer
    vector  0x09, 0x09, key
    vector  0x0a, 0x0f, master
    vector  0x10, 0x10, video
    vector  0x11, 0x11, equipment
    vector  0x12, 0x12, memory_size
    vector  0x13, 0x14, unsupported /* disks, serial ports */
    vector  0x15, 0x15, system
    vector  0x16, 0x16, keyboard
    vector  0x17, 0x17, unsupported /* printers */
    vector  0x18, 0x18, nothing
    vector  0x19, 0x19, restart
    vector  0x1a, 0x1a, time
    vector  0x1b, 0x1c, ignore      /* Ctrl-Break, tick: for others to hook */
    vector  0x1d, 0x1f, none
    vector  0x20, 0x40, ignore
    vector  0x41, 0x41, none
    vector  0x42, 0x45, ignore
    vector  0x46, 0x46, none
    vector  0x47, 0x6f, ignore
    vector  0x70, 0x70, clock
    vector  0x71, 0x74, slave
    vector  0x75, 0x75, x87_error
    vector  0x76, 0x77, slave

/* Where `screen` is in the ROM. */
direct_boot_screen:
    .word   screen - direct_boot_rom

    .section .note.GNU-stack, "", @progbits
