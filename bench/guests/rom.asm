; guests/real.asm as the ROM of a PC: the CPU begins at its last 16 bytes (Intel SDM vol. 3A
; §10.1.4), and what the host program would check, the guest checks itself. It ends through QEMU's
; isa-debug-exit: the value 0 is the exit code 1, and any other value is another code.

        bits    16

size    equ     0x10000
answer  equ     0x400

start:  mov     si, message
.next:  cs lodsb
        test    al, al
        jz      .done
        out     0xE9, al
        jmp     .next
.done:  mov     word [answer], 42
        mov     ax, [answer]
        sub     ax, 42
        out     0xF4, al
        hlt

message db      "Hello, world!", 10, 0

        times   size - 16 - ($ - $$) db 0xFF
        jmp     start                   ; near, relative: CS keeps the base it has after a reset
        times   size - ($ - $$) db 0xFF
