; Multiplies and divides. A product has twice the width of its factors, signed and unsigned differ
; in the upper half only, and the signed quotient is rounded toward zero.
;
;! expect: word [unsigned_product] = 40000
;! expect: word [signed_product] = 3136
;! expect: dword [wide_product] = 2500000000
;! expect: word [short_product] = -30
;! expect: byte [fits] = 0
;! expect: byte [fits_not] = 1
;! expect: word [quotient] = 58823
;! expect: word [remainder] = 12
;! expect: word [signed_quotient] = -3
;! expect: word [signed_remainder] = -1

        bits    16

        mov     al, 200
        mov     bl, 200
        mul     bl                      ; AX = AL × BL
        mov     [unsigned_product], ax
        mov     al, 200                 ; the same bits are -56 …
        imul    bl                      ; … and -56 × -56 is another product
        mov     [signed_product], ax

        mov     ax, 50000
        mov     bx, 50000
        mul     bx                      ; DX:AX = AX × BX
        mov     [wide_product], ax
        mov     [wide_product + 2], dx

        mov     cx, -5
        imul    cx, cx, 6               ; the form with three operands keeps the lower half alone
        mov     [short_product], cx
        seto    [fits]                  ; OF tells whether that was all of it
        imul    dx, bx, 3
        seto    [fits_not]

        mov     dx, 15                  ; 15 × 65536 + 16963 = 1000003
        mov     ax, 16963
        mov     bx, 17
        div     bx                      ; AX = DX:AX ÷ BX, DX = what is left over
        mov     [quotient], ax
        mov     [remainder], dx

        mov     ax, -7
        cwd                             ; DX = the sign of AX, 16 times
        mov     bx, 2
        idiv    bx
        mov     [signed_quotient], ax
        mov     [signed_remainder], dx  ; has the sign of the dividend
        hlt

unsigned_product dw 0
signed_product   dw 0
wide_product     dd 0
short_product    dw 0
quotient         dw 0
remainder        dw 0
signed_quotient  dw 0
signed_remainder dw 0
fits             db 0xFF
fits_not         db 0xFF
