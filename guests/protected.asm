; Says hello in 32-bit protected mode, with flat segments and without paging.
;
;! mode: protected
;! expect: eax = 42
;! expect: dword [0x400] = 42
;! expect: output = "Hello, world!\n"

        bits    32

answer  equ     0x400

        mov     esi, message
.next:  lodsb                           ; AL = the next character
        test    al, al
        jz      .done
        out     0xE9, al                ; the debug console: one exit to the host a character
        jmp     .next
.done:  mov     dword [answer], 42
        mov     eax, [answer]
        hlt                             ; back to the host program

message db      "Hello, world!", 10, 0
