; The stack grows down and gives back last what it got first. PUSH SP stores the SP before the push
; (the 8086 stored the one after), and PUSHA stores eight registers at once.
;
;! stack: 0x8000
;! expect: sp = 0x8000
;! expect: word [0x7FFE] = 0x8000
;! expect: ax = 3
;! expect: bx = 2
;! expect: cx = 1
;! expect: word [saved_sp] = 0x8000
;! expect: word [pushed] = 14
;! expect: word [0x7FF0] = 17
;! expect: di = 17

        bits    16

        push    1
        push    2
        push    3
        pop     ax
        pop     bx
        pop     cx

        mov     di, 17
        pusha                           ; AX, CX, DX, BX, SP, BP, SI, DI
        mov     bp, sp
        mov     dx, [bp + 6]            ; the SP among them is the one before PUSHA
        mov     [saved_sp], dx
        mov     word [bp + 4], 14       ; POPA brings back what lies there now …
        mov     word [bp + 6], 0        ; … but not SP, which it skips
        mov     di, 0
        popa
        mov     [pushed], bp

        push    sp
        pop     dx
        mov     [0x7FFE], dx
        hlt

saved_sp        dw 0
pushed          dw 0
