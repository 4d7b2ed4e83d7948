; A boot sector: greets through int 10h, reads the next sectors with int 13h, shows what it does in
; hexadecimal, and jumps to what it has read.

bits 16
org 0x7c00

STAGE2_SEGMENT equ 0x1000
STAGE2_SECTORS equ 4
RETRIES        equ 3
CR equ 13
LF equ 10

%macro print 1
    mov si, %1
    call puts
%endmacro

%macro save 1-*
%rep %0
    push %1
%rotate 1
%endrep
%endmacro

%macro restore 1-*
%rep %0
%rotate -1
    pop %1
%endrep
%endmacro

start:
    jmp short entry
    nop

; The BIOS parameter block of a 1.44 MB floppy disk.
bpb:
.oem:             db "HLTBOOT "
.bytes_sector:    dw 512
.sectors_cluster: db 1
.reserved:        dw 1 + STAGE2_SECTORS
.fats:            db 2
.root_entries:    dw 224
.sectors:         dw 2880
.media:           db 0xF0
.sectors_fat:     dw 9
.sectors_track:   dw 18
.heads:           dw 2
.hidden:          dd 0
.large:           dd 0
.drive:           db 0
                  db 0
.signature:       db 0x29
.serial:          dd 0x12345678
.label:           db "HLT TEST   "
.type:            db "FAT12   "

entry:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    cld
    jmp 0:.here                 ; CS is 0 from now on, whatever the BIOS chose
.here:
    mov [bpb.drive], dl
    print hello
    mov al, dl
    call puthex

.read:
    mov cx, RETRIES
.again:
    save cx, es
    mov ax, STAGE2_SEGMENT
    mov es, ax
    xor bx, bx
    mov ax, 0x0200 | STAGE2_SECTORS
    mov cx, 0x0002              ; cylinder 0, sector 2
    mov dh, 0
    mov dl, [bpb.drive]
    int 0x13
    restore cx, es
    jnc .loaded
    push cx
    mov al, ah
    call puthex
    xor ah, ah
    int 0x13                    ; reset the drive
    pop cx
    loop .again
    print failed
.stop:
    hlt
    jmp .stop

.loaded:
    print loaded
    mov al, STAGE2_SECTORS
    call puthex
    cmp word [es:0], 0
    mov dl, [bpb.drive]
    jmp STAGE2_SEGMENT:0

; Prints the string at DS:SI, which ends with 0.
puts:
    push ax
    push bx
    mov ah, 0x0E
    mov bx, 0x0007
.next:
    lodsb
    test al, al
    jz .done
    int 0x10
    jmp .next
.done:
    pop bx
    pop ax
    ret

; Prints AL in hexadecimal.
puthex:
    push ax
    mov ah, al
    shr al, 4
    call .digit
    mov al, ah
    call .digit
    pop ax
    ret
.digit:
    and al, 0x0F
    cmp al, 10
    sbb al, 0x69
    das
    push ax
    push bx
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    pop bx
    pop ax
    ret

hello:  db CR, LF, "Booting from drive ", 0
failed: db CR, LF, "Cannot read the disk", CR, LF, 0
loaded: db CR, LF, "Sectors read: ", 0

%if ($ - $$) > 446
    %error The code runs into the partition table
%endif
    times 446 - ($ - $$) db 0

%macro partition 4 ; status, type, first, count
    db %1, 0, 0, 0, %2, 0, 0, 0
    dd %3, %4
%endmacro
    partition 0x80, 0x83, 2048, 204800
    partition 0, 0x82, 206848, 65536
    partition 0, 0, 0, 0
    partition 0, 0, 0, 0

    dw 0xAA55
