; Sorts 20 signed numbers by quicksort, the recursive one by Hoare: divides around a pivot and sorts
; both parts.
;
;! mode: long
;! expect: dword [numbers] = -2147483648
;! expect: dword [numbers + 4] = -99
;! expect: dword [numbers + 72] = 1000000
;! expect: dword [numbers + 76] = 2147483647
;! expect: dword [disorder] = 0
;! expect: dword [sum_changed] = 0

        bits    64

COUNT   equ     20

        call    sum
        mov     ebx, eax
        mov     rdi, numbers
        mov     rsi, numbers + (COUNT - 1) * 4
        call    sort
        call    sum
        sub     eax, ebx                ; nothing was lost and nothing was made up
        mov     [sum_changed], eax

        xor     ebx, ebx
        mov     rsi, numbers
        mov     ecx, COUNT - 1
.check: lodsd
        cmp     eax, [rsi]
        setg    bl
        add     [disorder], ebx
        loop    .check
        hlt

; Sorts the numbers from RDI to RSI, both inclusive.
sort:   cmp     rdi, rsi
        jae     .done
        mov     rcx, rdi                ; i
        mov     rdx, rsi                ; j
        lea     rax, [rsi + rdi]
        shr     rax, 3
        mov     eax, [rax * 4]          ; the pivot: the one in the middle
.up:    cmp     [rcx], eax
        jge     .down
        add     rcx, 4
        jmp     .up
.down:  cmp     [rdx], eax
        jle     .exchange
        sub     rdx, 4
        jmp     .down
.exchange:
        cmp     rcx, rdx
        ja      .divided
        mov     r8d, [rcx]
        xchg    r8d, [rdx]
        mov     [rcx], r8d
        add     rcx, 4
        sub     rdx, 4
        cmp     rcx, rdx
        jbe     .up
.divided:
        push    rsi
        push    rcx
        mov     rsi, rdx
        call    sort                    ; RDI to j
        pop     rdi
        pop     rsi
        jmp     sort                    ; i to RSI: the last call is a jump
.done:  ret

; EAX = the sum of the numbers, modulo 2^32.
sum:    xor     eax, eax
        mov     ecx, COUNT
.add:   add     eax, [numbers + rcx * 4 - 4]
        loop    .add
        ret

        align   4
numbers         dd 5, -3, 99, 0, 2147483647, -2147483648, 7, 7, -99, 12
                dd 1000000, 1, -1, 42, 17, -50, 8, 63, 7, 3
disorder        dd 0
sum_changed     dd -1
