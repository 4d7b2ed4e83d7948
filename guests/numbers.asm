; Prints numbers: divides by the base until nothing is left, which gives the digits from the last to
; the first, so they go through the stack. Decimal, signed and unsigned, and hexadecimal.
;
;! mode: long
;! expect: output = "0 42 -42 18446744073709551615 -9223372036854775808 1badb002\n"

        bits    64

        xor     eax, eax
        call    print_signed
        mov     eax, 42
        call    print_signed
        mov     rax, -42
        call    print_signed
        mov     rax, -1
        call    print_unsigned
        mov     rax, 1 << 63            ; its own negative, and yet right
        call    print_signed
        mov     eax, 0x1BADB002
        mov     ebx, 16
        call    print
        mov     al, 10
        out     0xE9, al
        hlt

; Prints RAX in decimal and a blank.
print_signed:
        test    rax, rax
        jns     print_unsigned
        neg     rax
        push    rax
        mov     al, '-'
        out     0xE9, al
        pop     rax
print_unsigned:
        mov     ebx, 10
        call    print
        mov     al, ' '
        out     0xE9, al
        ret

; Prints RAX in the base RBX.
print:  xor     ecx, ecx
.digit: xor     edx, edx
        div     rbx                     ; RDX = the last digit
        push    rdx
        inc     ecx
        test    rax, rax
        jnz     .digit
.put:   pop     rdx
        mov     al, [digits + rdx]
        out     0xE9, al
        loop    .put
        ret

digits  db      "0123456789abcdef"
