; Prints 1 MiB to the debug console, character by character.
        bits    16
        mov     dx, 16
        mov     al, '.'
.part:  xor     cx, cx                  ; LOOP takes 0 as 65,536
.next:  out     0xE9, al
        loop    .next
        dec     dx
        jnz     .part
        hlt
