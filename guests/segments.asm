; Real-mode addresses: segment × 16 + offset, so that many pairs mean the same byte, an offset wraps
; around inside its segment, and FFFF:0010 reaches the first byte above 1 MiB, not address 0.
;
;! load: 0x1000
;! expect: word [0x12345] = 0xBEEF
;! expect: ax = 0xBEEF
;! expect: bx = 0xBEEF
;! expect: byte [0x2FFFF] = 0x11
;! expect: byte [0x20000] = 0x22
;! expect: byte [0x30000] = 0
;! expect: byte [0x100500] = 0x33
;! expect: byte [0x500] = 0
;! expect: word [code_segment] = 0x100

        bits    16
        org     0x1000

        mov     ax, 0x1234
        mov     es, ax
        mov     word [es:5], 0xBEEF     ; 1234:0005
        mov     ax, 0x1000
        mov     es, ax
        mov     bx, [es:0x2345]         ; 1000:2345
        mov     ax, 0x1230
        mov     gs, ax
        mov     ax, [gs:0x45]           ; 1230:0045

        mov     cx, 0x2000
        mov     es, cx
        mov     di, 0xFFFF
        mov     byte [es:di], 0x11      ; 2000:FFFF
        inc     di
        mov     byte [es:di], 0x22      ; 2000:0000, not 3000:0000

        mov     cx, 0xFFFF
        mov     es, cx
        mov     byte [es:0x510], 0x33   ; 0x100500: line A20 is on

        call    0x100:.elsewhere - 0x1000       ; the same code by another name
        hlt
.elsewhere:
        mov     [code_segment], cs
        retf

code_segment    dw 0
