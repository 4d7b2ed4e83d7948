; INT3 is a trap: the IP it pushes is the next instruction's. A debugger puts this one byte over the
; first one of an instruction; here the handler takes it out again and steps back, as a debugger
; does to go on.
;
;! load: 0x1000
;! expect: ax = 8
;! expect: word [distance] = 0
;! expect: word [hits] = 1

        bits    16
        org     0x1000

        mov     word [3 * 4], debugger
        mov     word [3 * 4 + 2], 0
        mov     byte [target], 0xCC     ; the breakpoint
        mov     ax, 3
target: add     ax, 5                   ; what stands here is 83 C0 05
        hlt

debugger:
        push    bp
        mov     bp, sp
        inc     word [hits]
        dec     word [bp + 2]           ; back onto the breakpoint …
        mov     [saved], bx
        mov     bx, [bp + 2]
        mov     byte [bx], 0x83         ; … which is no longer there
        sub     bx, target
        mov     [distance], bx
        mov     bx, [saved]
        pop     bp
        iret

distance        dw -1
hits            dw 0
saved           dw 0
