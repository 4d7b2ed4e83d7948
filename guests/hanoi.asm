; The Towers of Hanoi: moves three discs from A to C. Recursion in which every call has three
; arguments of its own, kept on the stack.
;
;! expect: output = "AC AB CB AC BA BC AC "
;! expect: word [moves] = 7

        bits    16

        mov     cx, 3
        mov     bl, 'A'                 ; from
        mov     bh, 'C'                 ; to
        mov     dl, 'B'                 ; by way of
        call    move
        hlt

; Moves the CX uppermost discs from BL to BH, by way of DL.
move:   jcxz    .done
        push    cx
        push    bx
        push    dx
        dec     cx
        xchg    bh, dl                  ; first the smaller ones out of the way
        call    move
        pop     dx
        pop     bx
        mov     al, bl                  ; then the largest
        out     0xE9, al
        mov     al, bh
        out     0xE9, al
        mov     al, ' '
        out     0xE9, al
        inc     word [moves]
        push    bx
        push    dx
        xchg    bl, dl                  ; and the smaller ones onto it
        call    move
        pop     dx
        pop     bx
        pop     cx
.done:  ret

moves   dw      0
