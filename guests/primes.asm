; The sieve of Eratosthenes: strikes out the multiples of each prime and counts what is left below
; 1000. One byte a number.
;
;! expect: word [count] = 168
;! expect: word [largest] = 997
;! expect: byte [sieve + 991] = 0
;! expect: byte [sieve + 961] = 1

        bits    16

LIMIT   equ     1000

        mov     bx, 2
.next:  cmp     byte [sieve + bx], 0
        jne     .composite
        inc     word [count]
        mov     [largest], bx
        mov     ax, bx
        mul     bx                      ; smaller multiples have a smaller factor: struck out before
        test    dx, dx
        jnz     .composite
        mov     di, ax
.strike:
        cmp     di, LIMIT
        jae     .composite
        mov     byte [sieve + di], 1
        add     di, bx
        jmp     .strike
.composite:
        inc     bx
        cmp     bx, LIMIT
        jb      .next
        hlt

count           dw 0
largest         dw 0
sieve           times LIMIT db 0
