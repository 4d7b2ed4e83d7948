; Ends with a status of its own: what a guest writes to port 0xF4, as on QEMU's isa-debug-exit, is
; reported as its status. Here, how many of its checks failed, and none after that write runs.
;
;! expect: exit = status 2
;! expect: word [after] = 0

        bits    16

        xor     bl, bl
        mov     al, 6
        mov     ah, 7
        mul     ah
        cmp     ax, 42                  ; holds
        je      .second
        inc     bl
.second:
        cmp     ax, 54                  ; does not
        je      .third
        inc     bl
.third: test    ax, 1                   ; neither: 42 is even
        jnz     .end
        inc     bl
.end:   mov     al, bl
        out     0xF4, al
        inc     word [after]
        hlt

after   dw      0
