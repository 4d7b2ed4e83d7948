; Divides by zero in real mode. The CPU looks up vector 0 in the table at address 0, pushes FLAGS, CS
; and IP and jumps there. IP is that of the DIV, a fault, so that the handler can repair what was
; wrong and let it run again.
;
;! load: 0x1000
;! expect: word [quotient] = 25
;! expect: word [count] = 1
;! expect: word [distance] = 0
;! expect: df = 1
;! expect: sp = 0x7000

        bits    16
        org     0x1000                  ; the first 1024 bytes belong to the vectors

        mov     word [0 * 4], repair
        mov     word [0 * 4 + 2], 0     ; its segment

        mov     dx, 0
        mov     ax, 100
        mov     bx, 0
        std                             ; a flag that the handler must give back
division:
        div     bx
        mov     [quotient], ax
        hlt

; The stack: [SP] IP, [SP + 2] CS, [SP + 4] FLAGS.
repair: cld
        push    bp
        mov     bp, sp
        mov     bx, [bp + 2]
        sub     bx, division
        mov     [distance], bx
        pop     bp
        inc     word [count]
        mov     bx, 4
        iret                            ; takes IP, CS and FLAGS off

quotient        dw 0
count           dw 0
distance        dw -1
