; Prints a string with one instruction: REP OUTSB writes CX bytes from [SI] to the port in DX. DF
; decides the direction; SI and CX tell how far it came.
;
;! expect: output = "Hello, rep outsb!\nolleH"
;! expect: cx = 0
;! expect: ax = -1

        bits    16

        mov     dx, 0xE9
        mov     si, message
        mov     cx, length
        cld
        rep     outsb
        mov     si, message + 4
        mov     cx, 5
        std
        rep     outsb                   ; backward
        mov     ax, si
        sub     ax, message             ; one before the first
        hlt

        db      0
message db      "Hello, rep outsb!", 10
length  equ     $ - message
