; Adds and subtracts numbers of 128 bits, 16 bits at a time: ADC and SBB pass the carry on from word
; to word, and LEA, DEC and JNZ, which count the words, leave it alone.
;
;! expect: qword [sum] = 0
;! expect: qword [sum + 8] = 0x123456789ABCDEF1
;! expect: qword [difference] = 2
;! expect: qword [difference + 8] = -0x123456789ABCDEEF

        bits    16

WORDS   equ     8

        mov     si, first
        mov     di, second
        mov     bx, sum
        mov     cx, WORDS
        clc
.add:   mov     ax, [si]
        adc     ax, [di]
        mov     [bx], ax
        lea     si, [si + 2]
        lea     di, [di + 2]
        lea     bx, [bx + 2]
        dec     cx
        jnz     .add

        mov     si, second              ; the smaller minus the larger: a borrow to the very top
        mov     di, first
        mov     bx, difference
        mov     cx, WORDS
        clc
.sub:   mov     ax, [si]
        sbb     ax, [di]
        mov     [bx], ax
        lea     si, [si + 2]
        lea     di, [di + 2]
        lea     bx, [bx + 2]
        dec     cx
        jnz     .sub
        hlt

first           dq 0xFFFFFFFFFFFFFFFF, 0x123456789ABCDEEF
second          dq 0x0000000000000001, 0x0000000000000001
sum             times 2 dq -1
difference      times 2 dq -1
