; Prints 32,768 characters to the debug console, one by one.
        bits    16
        mov     cx, 32768
        mov     al, '.'
.next:  out     0xE9, al
        loop    .next
        hlt
