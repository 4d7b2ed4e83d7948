; Recursion: n! = n × (n - 1)!, each call with an n of its own on the stack. 20! is the last that
; fits into 64 bits: OF tells that 21! does not.
;
;! mode: long
;! stack: 0x8000
;! expect: qword [twenty] = 2432902008176640000
;! expect: byte [overflowed] = 1
;! expect: qword [deepest] = 0x7EC8
;! expect: rsp = 0x8000

        bits    64

        mov     qword [deepest], 0x8000
        mov     edi, 20
        call    factorial
        mov     [twenty], rax
        mov     edi, 21
        imul    rdi, rax                ; signed: 63 bits and a sign
        seto    [overflowed]
        hlt

; RAX = RDI!
factorial:
        cmp     rsp, [deepest]
        jae     .known
        mov     [deepest], rsp          ; how far the stack grew: 16 bytes a call
.known: mov     eax, 1
        cmp     rdi, 1
        jbe     .done
        push    rdi
        dec     rdi
        call    factorial
        pop     rdi
        mul     rdi
.done:  ret

twenty          dq 0
deepest         dq 0
overflowed      db 0
