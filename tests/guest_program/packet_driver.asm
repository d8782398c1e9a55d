; SPDX-License-Identifier: GPL-2.0-or-later
;
; A floppy with what a packet driver of DOS does with an NE2000, in real mode under the distribution's BIOS: find the
; board (at 300h, or with PCI defined as RTL8029 by the PCI BIOS), read its address PROM, try its memory, set it up, and
; send and receive, with its interrupt. Behind the NAT (--net user,tftp=FOLDER) it gets a lease by DHCP, finds the
; gateway by ARP, pings it, sends many pings more than the board has room for the answers before it looks at the first
; one, and gets words.asm's file by TFTP. National Semiconductor DP8390D datasheet, AN-729, AN-874; RFC 826, 951, 1350,
; 2131; PCI BIOS Specification 2.1.
;
; Ends through the exit port with PASSED, or after a line on the debug console with FAILED.

bits 16
cpu 386
org 0x7c00

%include "guest_exit.inc"

%define SECTORS 8                       ; of this program

; Registers: page 0, or 1 where it says so
%define CR 0x00
%define PSTART 0x01
%define PSTOP 0x02
%define BNRY 0x03
%define TPSR 0x04
%define TBCR0 0x05
%define ISR 0x07
%define RSAR0 0x08
%define RBCR0 0x0a
%define RCR 0x0c
%define TCR 0x0d
%define DCR 0x0e
%define IMR 0x0f
%define PAR0_PAGE_1 0x01
%define CURR_PAGE_1 0x07
%define DATA 0x10
%define RESET 0x1f

%define ISR_PRX 0x01
%define ISR_PTX 0x02
%define ISR_RDC 0x40
%define ISR_RST 0x80

%define SEND_PAGE 0x40
%define FIRST_PAGE 0x46
%define END_PAGE 0x80

%define PIC 0x20
%define PIC_2 0xa0
%define TICKS 0x46c                     ; of the BIOS, 18.2 a second
%define PATIENCE 18 * 60

%define MY_PORT 0xd007                  ; 2000, as it is on the cable
%define PING_DATA 1000
%define PINGS 60

; Buffers
%define rx 0x9000                       ; the frame that came last
%define tx 0xa000
%define tx_ip tx + 14
%define tx_data tx + 34
%define scratch 0xb000

; Write AL, or what is given, to a register.
%macro OUTR 1-2
%if %0 == 2
    mov al, %2
%endif
    mov dx, [base]
    add dx, %1
    out dx, al
%endmacro

%macro INR 1
    mov dx, [base]
    add dx, %1
    in al, dx
%endmacro

boot:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    cld
    jmp 0:.here
.here:
    mov ax, 0x0200 + SECTORS - 1
    mov bx, 0x7e00
    mov cx, 0x0002
    mov dh, 0
    int 0x13
    CHECK nc, "the floppy cannot be read"
    jmp main

fail:
    SAY_FAILURE
finish:
    LEAVE_GUEST

    times 510 - ($ - $$) db 0
    dw 0xaa55

main:
    mov eax, [TICKS]
    mov [started], eax
    call find
    call hook
    call prom
    call memory
    call set_up
    call dhcp
    call arp
    call ping
    call many_pings
    call tftp
    mov al, PASSED
    jmp finish

; ---- The board --------------------------------------------------------------------------------------

find:
%ifdef PCI
    mov ax, 0xb101
    int 0x1a
    CHECK nc, "there is no PCI BIOS"
    cmp edx, 'PCI '
    CHECK e, "the PCI BIOS has no signature"
    mov ax, 0xb102
    mov cx, 0x8029
    mov dx, 0x10ec
    xor si, si
    int 0x1a
    CHECK nc, "there is no RTL8029"
    mov ax, 0xb10a
    mov di, 0x10
    int 0x1a
    CHECK nc, "its base address cannot be read"
    test cl, 1
    CHECK nz, "it has no ports"
    and cl, 0xfc
    mov [base], cx
    mov ax, 0xb108
    mov di, 0x3c
    int 0x1a
    mov [irq], cl
    mov ax, 0xb109
    mov di, 0x04
    int 0x1a
    test cl, 1
    CHECK nz, "the BIOS has not enabled its ports"
%endif
    ; The reset port, and what says that it is done.
    INR RESET
    OUTR RESET
    mov cx, 1000
.wait:
    INR ISR
    test al, ISR_RST
    jnz .done
    loop .wait
.done:
    test al, ISR_RST
    CHECK nz, "nobody is reset there"
    INR CR
    cmp al, 0x21
    CHECK e, "it is not stopped after a reset"
    ret

; Its interrupt to `interrupt`, and through the controllers.
hook:
    cli
    movzx bx, byte [irq]
    add bx, 0x08
    cmp bx, 0x10
    jb .first
    add bx, 0x70 - 0x10
.first:
    shl bx, 2
    mov word [bx], interrupt
    mov word [bx + 2], 0
    mov cl, [irq]
    mov bx, 1
    shl bx, cl
    not bx
    in al, PIC + 1
    and al, bl
    and al, 0xfb                        ; the second one's
    out PIC + 1, al
    in al, PIC_2 + 1
    and al, bh
    out PIC_2 + 1, al
    sti
    ret

interrupt:
    push ax
    push dx
    push ds
    xor ax, ax
    mov ds, ax
    inc word [interrupts]
.next:                                  ; until there are none: ISA's interrupts are edges
    INR ISR
    and al, ISR_PRX | ISR_PTX
    jz .end
    or [events], al
    OUTR ISR
    jmp .next
.end:
    mov al, 0x20
    cmp byte [irq], 8
    jb .first
    out PIC_2, al
.first:
    out PIC, al
    pop ds
    pop dx
    pop ax
    iret

; Its address, each byte of which is there twice, and what says that it is an NE2000.
prom:
    OUTR CR, 0x21
    OUTR DCR, 0x48                      ; bytes
    OUTR RBCR0, 0
    OUTR RBCR0 + 1, 0
    OUTR IMR, 0
    OUTR ISR, 0xff
    OUTR RCR, 0x20
    OUTR TCR, 0x02
    mov ax, 0
    mov cx, 32
    call remote
    OUTR CR, 0x0a
    mov di, scratch
    mov dx, [base]
    add dx, DATA
    rep insb
    OUTR DCR, 0x49                      ; words from now on
    mov si, scratch
    mov di, mac
    mov cx, 6
.next:
    lodsw
    cmp al, ah
    CHECK e, "a byte of its address is not there twice"
    stosb
    loop .next
    cmp dword [scratch + 28], 0x57575757
    CHECK e, "it is no NE2000 of 16 bits"
    cmp word [mac], 0x5452
    CHECK e, "its address is not what --net says"
    cmp dword [mac + 2], 0x56341200
    CHECK e, "its address is not what --net says"
    ret

; The board's memory keeps what is written, all 16 KiB of it.
memory:
    mov di, scratch
    mov cx, 0x2000
    mov ax, 0x1234
.fill:
    stosw
    add ax, 0x9e37
    loop .fill
    mov ax, SEND_PAGE << 8
    mov cx, 0x4000
    mov si, scratch
    call remote_write
    mov di, scratch
    mov cx, 0x2000
    xor ax, ax
    rep stosw
    mov ax, SEND_PAGE << 8
    mov cx, 0x4000
    mov di, scratch
    call remote_read
    mov si, scratch
    mov cx, 0x2000
    mov bx, 0x1234
.check:
    lodsw
    cmp ax, bx
    CHECK e, "its memory does not keep what is written"
    add bx, 0x9e37
    loop .check
    ret

set_up:
    OUTR PSTART, FIRST_PAGE
    OUTR BNRY, FIRST_PAGE
    OUTR PSTOP, END_PAGE
    OUTR CR, 0x61                       ; page 1
    mov si, mac
    mov cx, 6
    mov dx, [base]
.address:
    inc dx
    lodsb
    out dx, al
    loop .address
    OUTR CURR_PAGE_1, FIRST_PAGE + 1
    mov byte [next], FIRST_PAGE + 1
    OUTR CR, 0x21
    OUTR ISR, 0xff
    OUTR IMR, ISR_PRX | ISR_PTX
    OUTR RCR, 0x04                      ; and what is for all
    OUTR CR, 0x22
    OUTR TCR, 0
    ret

; Where remote DMA begins, AX, and for how many bytes, CX.
remote:
    push ax
    mov bx, ax
    OUTR RBCR0, cl
    OUTR RBCR0 + 1, ch
    OUTR RSAR0, bl
    OUTR RSAR0 + 1, bh
    pop ax
    ret

; From AX on the board CX bytes to DI, and a few more at most.
remote_read:
    call round
    call remote
    OUTR CR, 0x0a
    mov dx, [base]
    add dx, DATA
%ifdef PCI
    shr cx, 2
    rep insd
%else
    shr cx, 1
    rep insw
%endif
    jmp remote_done

; From SI CX bytes to AX on the board.
remote_write:
    call round
    call remote
    OUTR CR, 0x12
    mov dx, [base]
    add dx, DATA
%ifdef PCI
    shr cx, 2
    rep outsd
%else
    shr cx, 1
    rep outsw
%endif
remote_done:
    INR ISR
    test al, ISR_RDC
    CHECK nz, "remote DMA does not come to its end"
    OUTR ISR, ISR_RDC
    ret

round:
%ifdef PCI
    add cx, 3
    and cl, 0xfc
%else
    inc cx
    and cl, 0xfe
%endif
    ret

; ---- Frames -----------------------------------------------------------------------------------------

; Wait for an interrupt, whatever it is. IF is 0 before and after.
wait_a_little:
    mov eax, [TICKS]
    sub eax, [started]
    cmp eax, PATIENCE
    CHECK b, "nothing comes for a minute"
    sti
    hlt
    cli
    ret

; Send the CX bytes at `tx`.
send:
    cmp cx, 60
    jae .long
    mov cx, 60
.long:
    and byte [events], ~ISR_PTX
    push cx
    mov ax, SEND_PAGE << 8
    mov si, tx
    call remote_write
    pop cx
    OUTR TPSR, SEND_PAGE
    OUTR TBCR0, cl
    OUTR TBCR0 + 1, ch
    OUTR CR, 0x26
    cmp byte [deaf], 0
    jne .poll
    cli
.wait:
    test byte [events], ISR_PTX
    jnz .sent
    call wait_a_little
    jmp .wait
.sent:
    sti
    jmp .look
.poll:
    INR ISR
    test al, ISR_PTX
    CHECK nz, "a frame is not sent at once"
    OUTR ISR, ISR_PTX
.look:
    INR TPSR                            ; TSR when it is read
    test al, 0x01
    CHECK nz, "a frame is not sent well"
    ret

; The next frame to `rx`; CX: its bytes.
receive:
    cli
    OUTR CR, 0x62
    INR CURR_PAGE_1
    mov bl, al
    OUTR CR, 0x22
    cmp bl, [next]
    jne .some
    call wait_a_little
    jmp receive
.some:
    sti
    mov ah, [next]
    mov al, 0
    mov cx, 4
    mov di, scratch
    call remote_read
    test byte [scratch], 0x01
    CHECK nz, "a frame came that is not whole"
    mov al, [scratch + 1]
    cmp al, FIRST_PAGE
    CHECK ae, "the next page is before the ring"
    cmp al, END_PAGE
    CHECK b, "the next page is behind the ring"
    mov cx, [scratch + 2]
    sub cx, 4
    cmp cx, 60
    CHECK ae, "a frame is too short"
    cmp cx, 1514
    CHECK be, "a frame is too long"
    push cx
    mov ah, [next]
    mov al, 4
    mov di, rx
    call remote_read
    mov al, [scratch + 1]
    mov [next], al
    dec al
    cmp al, FIRST_PAGE
    jae .no_wrap
    mov al, END_PAGE - 1
.no_wrap:
    OUTR BNRY
    pop cx
    ret

; The Internet checksum of CX bytes at SI, an even number: AX, as it is stored.
checksum:
    push si
    push cx
    shr cx, 1
    xor bx, bx
.next:
    lodsw
    add bx, ax
    adc bx, 0
    loop .next
    mov ax, bx
    not ax
    pop cx
    pop si
    ret

; Send CX bytes (even) at tx_data as protocol AL to [peer].
send_ip:
    mov [tx_ip + 9], al
    mov di, tx
    mov si, gateway_mac
    movsd
    movsw
    mov si, mac
    movsd
    movsw
    mov ax, 0x0008
    stosw
    mov word [tx_ip], 0x0045
    add cx, 20
    mov al, ch
    mov ah, cl
    mov [tx_ip + 2], ax
    inc word [tx_ip + 4]
    mov word [tx_ip + 6], 0
    mov byte [tx_ip + 8], 64
    mov eax, [address]
    mov [tx_ip + 12], eax
    mov eax, [peer]
    mov [tx_ip + 16], eax
    mov word [tx_ip + 10], 0
    push cx
    mov si, tx_ip
    mov cx, 20
    call checksum
    mov [tx_ip + 10], ax
    pop cx
    add cx, 14
    jmp send

; Send CX bytes at tx_data + 8 by UDP, from port AX to port BX, both as they are on the cable.
send_udp:
    mov [tx_data], ax
    mov [tx_data + 2], bx
    add cx, 8
    mov ah, cl
    mov al, ch
    mov [tx_data + 4], ax
    mov word [tx_data + 6], 0           ; without a checksum
    mov al, 17
    inc cx
    and cl, 0xfe
    jmp send_ip

; The next IP packet of protocol AL.
receive_ip:
    mov [wanted], al
.next:
    call receive
    cmp word [rx + 12], 0x0008
    jne .next
    mov al, [rx + 23]
    cmp al, [wanted]
    jne .next
    cmp byte [rx + 14], 0x45
    CHECK e, "an IP packet has options"
    mov si, rx + 14
    mov cx, 20
    call checksum
    test ax, ax
    CHECK z, "an IP packet has a wrong checksum"
    ret

; ---- What is said -----------------------------------------------------------------------------------

; DHCPDISCOVER, DHCPREQUEST: a lease, which is in [address] then.
dhcp:
    mov dword [gateway_mac], -1
    mov word [gateway_mac + 4], -1
    mov dword [peer], -1
    mov al, 1
    call dhcp_ask
    cmp al, 2
    CHECK e, "the answer to DHCPDISCOVER is no offer"
    mov eax, [rx + 42 + 16]
    mov [offered], eax
    mov al, 3
    call dhcp_ask
    cmp al, 5
    CHECK e, "DHCPREQUEST is not acknowledged"
    mov eax, [rx + 42 + 16]
    mov [address], eax
    cmp eax, 0x0f02000a
    CHECK e, "the lease is not for 10.0.2.15"
    ret

; Send a message of kind AL; AL: the answer's.
dhcp_ask:
    push ax
    mov di, tx_data
    mov cx, 160
    xor eax, eax
    rep stosd
    mov dword [tx_data + 8], 0x00060101
    mov dword [tx_data + 12], 'd86!'
    mov word [tx_data + 18], 0x0080     ; to all
    mov si, mac
    mov di, tx_data + 8 + 28
    movsd
    movsw
    mov di, tx_data + 8 + 236
    mov eax, 0x63538263
    stosd
    mov ax, 0x0135
    stosw
    pop ax
    stosb
    cmp al, 3
    jne .end
    mov ax, 0x0432
    stosw
    mov eax, [offered]
    stosd
    mov ax, 0x0436
    stosw
    mov eax, 0x0202000a
    stosd
.end:
    mov al, 0xff
    stosb
    mov ax, 0x4400
    mov bx, 0x4300
    mov cx, 300
    call send_udp
.next:
    mov al, 17
    call receive_ip
    cmp word [rx + 36], 0x4400
    jne .next
    cmp dword [rx + 46], 'd86!'
    jne .next
    mov si, rx + 42 + 240
.option:
    lodsw                               ; kind, length
    cmp al, 53
    je .kind
    cmp al, 255
    CHECK ne, "an answer of DHCP's has no kind"
    mov al, ah
    mov ah, 0
    add si, ax
    jmp .option
.kind:
    lodsb
    ret

; Who has 10.0.2.2?
arp:
    mov di, tx
    mov eax, -1
    stosd
    stosw
    mov si, mac
    movsd
    movsw
    mov si, arp_request
    mov cx, 10
    rep movsb
    mov si, mac
    movsd
    movsw
    mov eax, [address]
    stosd
    xor eax, eax
    stosd
    stosw
    mov eax, 0x0202000a
    stosd
    mov [peer], eax
    mov cx, 42
    call send
.next:
    call receive
    cmp word [rx + 12], 0x0608
    jne .next
    cmp word [rx + 20], 0x0200
    jne .next
    cmp dword [rx + 28], 0x0202000a
    jne .next
    mov si, rx + 22
    mov di, gateway_mac
    movsd
    movsw
    ret

; One that has some data.
ping:
    mov ax, 0
    call send_ping
    mov ax, 0
    jmp receive_ping

; Answers to many wait on the cable, since the board has room for a quarter of them.
many_pings:
    cli
    mov byte [deaf], 1
    mov cx, 0
.send:
    push cx
    mov ax, cx
    call send_ping
    pop cx
    inc cx
    cmp cx, PINGS
    jb .send
    mov byte [deaf], 0
    sti
    mov cx, 0
.receive:
    push cx
    mov ax, cx
    call receive_ping
    pop cx
    inc cx
    cmp cx, PINGS
    jb .receive
    ret

; Number AX
send_ping:
    mov di, tx_data
    push ax
    mov eax, 8
    stosd
    mov ax, 'pd'
    stosw
    pop ax
    stosw
    mov cx, PING_DATA / 2
.fill:
    stosw
    add ax, 0x3f1d
    loop .fill
    mov si, tx_data
    mov cx, 8 + PING_DATA
    call checksum
    mov [tx_data + 2], ax
    mov al, 1
    jmp send_ip

receive_ping:
    push ax
    mov al, 1
    call receive_ip
    pop ax
    cmp word [rx + 34], 0
    CHECK e, "a ping is not answered"
    mov si, rx + 34 + 6
    mov cx, PING_DATA / 2 + 1
    mov bx, ax
    lodsw
    cmp ax, bx
    CHECK e, "answers to pings are lost, or come in another order"
    dec cx
.next:
    lodsw
    cmp ax, bx
    CHECK e, "the answer to a ping has other data"
    add bx, 0x3f1d
    loop .next
    ret

; The file, block by block.
tftp:
    mov si, read_request
    mov di, tx_data + 8
    mov cx, READ_REQUEST_SIZE
    rep movsb
    mov cx, READ_REQUEST_SIZE
    mov bx, 0x4500
    mov word [block], 1
.ask:
    mov ax, MY_PORT
    call send_udp
.next:
    mov al, 17
    call receive_ip
    cmp word [rx + 36], MY_PORT
    jne .next
    cmp word [rx + 42], 0x0300
    CHECK e, "the file is not given"
    mov ax, [rx + 44]
    xchg al, ah
    cmp ax, [block]
    jne .next                           ; it came twice
    mov bx, ax
    dec bx
    shl bx, 8                           ; the first word
    mov cx, [rx + 38]
    xchg cl, ch
    sub cx, 8 + 4
    push cx
    shr cx, 1
    jz .checked
    mov si, rx + 46
.check:
    lodsw
    cmp ax, bx
    CHECK e, "the file has other words"
    inc bx
    loop .check
.checked:
    mov word [tx_data + 8], 0x0400
    mov ax, [rx + 44]
    mov [tx_data + 10], ax
    mov bx, [rx + 34]
    pop cx
    cmp cx, 512
    jb .last
    mov cx, 4
    inc word [block]
    jmp .ask
.last:
    mov cx, 4
    mov ax, MY_PORT
    call send_udp
    cmp word [block], 79
    CHECK e, "the file is too short"
    cmp word [interrupts], 79
    CHECK ae, "there were not enough interrupts"
    ret

; ---- Data -------------------------------------------------------------------------------------------

arp_request: db 8, 6, 0, 1, 8, 0, 6, 4, 0, 1
read_request: db 0, 1, "words", 0, "octet", 0
READ_REQUEST_SIZE equ $ - read_request

base: dw 0x300
irq: db 3
next: db 0                              ; the page that the next frame begins in
deaf: db 0                              ; interrupts are off, and what is sent is polled for
events: db 0
wanted: db 0
align 4
interrupts: dw 0
block: dw 0
started: dd 0
address: dd 0
offered: dd 0
peer: dd 0
mac: times 6 db 0
gateway_mac: times 6 db 0

    times SECTORS * 512 - ($ - $$) db 0
