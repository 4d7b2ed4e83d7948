; About 60,000 instructions: three in a loop.
        bits    16
        mov     cx, 20000
.next:  add     ax, cx
        mov     [0x400], ax
        loop    .next
        hlt
