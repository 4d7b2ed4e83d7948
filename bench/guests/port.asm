; Writes a port 200,000 times.
        bits    16
        mov     ecx, 200000
.next:  out     0x42, al
        dec     ecx
        jnz     .next
        hlt
