; Writes a port 10,000 times.
        bits    16
        mov     cx, 10000
.next:  out     0x42, al
        loop    .next
        hlt
