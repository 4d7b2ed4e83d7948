; Says hello in 64-bit long mode: 2 MiB pages, mapped to themselves.
;
;! mode: long
;! expect: rax = 42
;! expect: qword [0x400] = 42
;! expect: output = "Hello, world!\n"

        bits    64

answer  equ     0x400

        mov     rsi, message
.next:  lodsb                           ; AL = the next character
        test    al, al
        jz      .done
        out     0xE9, al                ; the debug console: one exit to the host a character
        jmp     .next
.done:  mov     qword [answer], 42
        mov     rax, [answer]
        hlt                             ; back to the host program

message db      "Hello, world!", 10, 0
