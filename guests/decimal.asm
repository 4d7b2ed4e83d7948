; Decimal arithmetic: AAM splits a binary number into two digits, AAD puts them together, and DAS
; corrects a subtraction of packed digits, two in a byte, as pocket calculators keep them.
;
;! expect: word [digits] = 0x0703
;! expect: byte [together] = 73
;! expect: byte [base_12] = 0x11
;! expect: dword [difference] = 0x02469135
;! expect: byte [borrow] = 0
;! expect: output = "73"

        bits    16

        mov     al, 73
        aam                             ; AH = AL / 10, AL = AL mod 10
        mov     [digits], ax
        push    ax
        add     ax, '00'
        xchg    al, ah
        out     0xE9, al
        xchg    al, ah
        out     0xE9, al
        pop     ax
        aad                             ; AL = AH × 10 + AL, AH = 0
        mov     [together], al
        mov     ah, 1
        mov     al, 5
        aad     12                      ; the same with another base
        mov     [base_12], al

        mov     si, minuend             ; 12345678 - 09876543 = 02469135, from the lowest byte up
        mov     di, difference
        mov     cx, 4
        clc
.next:  mov     al, [si]
        sbb     al, [si + subtrahend - minuend]
        das                             ; the digits of AL are decimal again, CF is the borrow
        mov     [di], al
        inc     si
        inc     di
        loop    .next                   ; LOOP and INC leave CF alone
        setc    [borrow]
        hlt

minuend         dd 0x12345678
subtrahend      dd 0x09876543
difference      dd 0
digits          dw 0
together        db 0
base_12         db 0
borrow          db 0xFF
