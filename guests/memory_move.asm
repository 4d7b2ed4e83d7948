; Moves a block onto a place that overlaps it, as C's memmove does. Copied forward, an overlapping
; block that moves up overwrites what it has yet to copy; copied backward, it arrives whole.
;
;! mode: long
;! expect: [forward] = "abababababXY"
;! expect: [backward] = "ababcdefghXY"
;! expect: [down] = "cdefghghijXY"

        bits    64

        mov     rsi, forward
        lea     rdi, [rsi + 2]
        mov     ecx, 8
        cld
        rep     movsb                   ; naive: "ab" is copied over and over

        mov     rdi, backward + 2
        mov     rsi, backward
        mov     ecx, 8
        call    memmove
        mov     rdi, down
        mov     rsi, down + 2
        mov     ecx, 6
        call    memmove
        hlt

; Moves RCX bytes from RSI to RDI, which may overlap.
memmove:
        mov     rax, rdi
        sub     rax, rsi
        cmp     rax, rcx                ; unsigned: below only if RDI lies inside the source
        jb      .backward
        rep     movsb
        ret
.backward:
        lea     rsi, [rsi + rcx - 1]
        lea     rdi, [rdi + rcx - 1]
        std
        rep     movsb
        cld
        ret

forward         db "abcdefghijXY"
backward        db "abcdefghijXY"
down            db "abcdefghijXY"
