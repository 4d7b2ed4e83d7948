; The time-stamp counter: RDTSC never goes backward, and it does go on. A thousand readings, each
; compared with the one before.
;
;! mode: long
;! expect: dword [readings] = 1000
;! expect: dword [backward] = 0
;! expect: qword [elapsed] > 0

        bits    64

        call    read
        mov     rbx, rax                ; the reading before
        mov     rsi, rax                ; the first
        mov     ecx, 1000
.next:  call    read
        cmp     rax, rbx
        jae     .fine
        inc     dword [backward]
.fine:  mov     rbx, rax
        inc     dword [readings]
        dec     ecx
        jnz     .next
        sub     rax, rsi
        mov     [elapsed], rax
        hlt

; RAX = the counter, which RDTSC gives as EDX:EAX.
read:   rdtsc
        shl     rdx, 32
        or      rax, rdx
        ret

elapsed         dq 0
readings        dd 0
backward        dd 0
