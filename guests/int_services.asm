; Software interrupts as system calls, as DOS and the BIOS had them: INT 0x21 with the service's
; number in AH, handlers in a table, errors told by CF in the FLAGS that IRET brings back.
;
;! load: 0x1000
;! expect: output = "Hello, DOS\r\n"
;! expect: word [length] = 12
;! expect: byte [version] = 7
;! expect: byte [refused] = 1

        bits    16
        org     0x1000

        mov     word [0x21 * 4], services
        mov     [0x21 * 4 + 2], cs

        mov     dx, hello
        mov     ah, 9                   ; print the string at DX, up to "$"
        int     0x21
        setc    [refused]
        mov     [length], ax

        mov     ah, 0x30                ; tell the version
        int     0x21
        mov     [version], al

        mov     ah, 0xEE                ; there is none
        int     0x21
        setc    [refused]
        hlt

services:
        push    bp
        mov     bp, sp
        and     word [bp + 6], ~1       ; CF of the caller's FLAGS: no error
        cmp     ah, 9
        je      .print
        cmp     ah, 0x30
        je      .tell_version
        or      word [bp + 6], 1
        jmp     .done
.tell_version:
        mov     al, 7
        jmp     .done
.print: push    si
        mov     si, dx
.next:  lodsb
        cmp     al, '$'
        je      .printed
        out     0xE9, al
        jmp     .next
.printed:
        mov     ax, si
        sub     ax, dx
        dec     ax                      ; AX = how many it printed
        pop     si
.done:  pop     bp
        iret

hello           db "Hello, DOS", 13, 10, "$"
length          dw 0
version         db 0
refused         db 0xFF
