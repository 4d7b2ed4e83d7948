; Adds, subtracts and records the flags. A sum has the same bits for signed and for unsigned numbers:
; CF tells that the unsigned result did not fit, OF that the signed one did not.
;
;! expect: word [sum_signed] = 0x880
;! expect: word [sum_unsigned] = 0x045
;! expect: word [sum_both] = 0x845
;! expect: word [borrow] = 0x081
;! expect: word [difference] = 0x800
;! expect: word [increment] = 0x044
;! expect: word [negated_zero] = 0x044
;! expect: word [logic] = 0x084

        bits    16

STATUS  equ     0x8C5                   ; OF, SF, ZF, PF, CF: bits 11, 7, 6, 2, 0

        mov     di, records
        mov     al, 127
        add     al, 1                   ; 128 fits unsigned; signed it is -128
        call    record
        mov     al, 255
        add     al, 1                   ; as -1 + 1 the 0 is right; as 255 + 1 it is not
        call    record
        mov     al, 128
        add     al, 128                 ; 0: wrong both for 128 + 128 and for -128 + -128
        call    record
        mov     al, 5
        sub     al, 7                   ; a borrow unsigned; -2 fits
        call    record
        mov     al, -128
        sub     al, 1                   ; 127: wrong signed
        call    record
        mov     al, 255
        clc
        inc     al                      ; 0, but INC and DEC leave CF alone
        call    record
        mov     al, 0
        stc
        neg     al                      ; NEG sets CF for everything but 0
        call    record
        mov     al, 0x80
        stc
        or      al, 1                   ; AND, OR, XOR and TEST clear CF and OF
        call    record
        hlt

; Stores the flags at DI. Neither CALL nor MOV nor PUSHF has changed them.
record: pushf
        pop     ax
        and     ax, STATUS
        mov     [di], ax
        add     di, 2
        ret

records:
sum_signed      dw 0
sum_unsigned    dw 0
sum_both        dw 0
borrow          dw 0
difference      dw 0
increment       dw 0
negated_zero    dw 0
logic           dw 0
