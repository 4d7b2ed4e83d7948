; The Fibonacci numbers up to the last that fits into 64 bits: XADD adds and moves on at once. CF tells
; where to stop.
;
;! mode: long
;! expect: qword [last] = 12200160415121876738
;! expect: dword [index] = 93
;! expect: qword [table + 80] = 55
;! expect: qword [table + 400] = 12586269025

        bits    64

        xor     eax, eax                ; F(0)
        mov     edx, 1                  ; F(1)
        xor     ecx, ecx
.next:  mov     [table + rcx * 8], rax
        xadd    rdx, rax                ; RDX = the sum, RAX = what RDX was
        inc     ecx                     ; INC leaves CF alone
        jnc     .next
        mov     [table + rcx * 8], rax  ; the sum did not fit; the number before it did
        mov     [last], rax
        mov     [index], ecx
        hlt

last    dq      0
index   dd      0
        align   8
table   times   100 dq 0
