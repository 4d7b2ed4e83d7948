; Writes a port 5,000 times.
        bits    16
        mov     cx, 5000
.next:  out     0x42, al
        loop    .next
        hlt
