; Says hello in 16-bit real mode: the mode in which every x86 CPU wakes up.
;
;! mode: real
;! expect: ax = 42
;! expect: word [0x400] = 42
;! expect: output = "Hello, world!\n"

        bits    16

answer  equ     0x400

        mov     si, message
.next:  lodsb                           ; AL = the next character
        test    al, al
        jz      .done
        out     0xE9, al                ; the debug console: one exit to the host a character
        jmp     .next
.done:  mov     word [answer], 42
        mov     ax, [answer]
        hlt                             ; back to the host program

message db      "Hello, world!", 10, 0
