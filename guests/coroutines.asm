; Two coroutines: each has a stack of its own, and a switch exchanges stack pointers. The producer makes
; numbers, the consumer prints them, and each goes on where it was as if nothing had happened.
;
;! expect: output = "1 4 9 16 25 36 49 64 81 "
;! expect: word [switches] = 20

        bits    16

END     equ     0

        mov     word [other], producer_stack    ; its first switch "returns" to its beginning

consumer:
        call    switch
        mov     ax, [value]
        cmp     ax, END
        je      .done
        call    print
        jmp     consumer
.done:  hlt

producer:
        mov     cx, 1
.next:  mov     ax, cx
        mul     cx
        mov     [value], ax
        call    switch                  ; CX and the place in the loop survive
        inc     cx
        cmp     cx, 10
        jb      .next
        mov     word [value], END
        call    switch

; Goes on in the other coroutine, where it called this.
switch: inc     word [switches]
        pusha
        xchg    sp, [other]
        popa
        ret

; Prints AX, below 100, and a blank.
print:  aam
        test    ah, ah
        jz      .ones
        xchg    al, ah
        add     al, '0'
        out     0xE9, al
        xchg    al, ah
.ones:  add     al, '0'
        out     0xE9, al
        mov     al, ' '
        out     0xE9, al
        ret

value           dw 0
switches        dw 0
other           dw 0
                times 64 dw 0           ; the producer's stack
producer_stack  times 8 dw 0            ; what POPA takes off …
                dw producer             ; … and RET
