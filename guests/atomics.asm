; What locks are made of: XCHG with memory locks the bus by itself, CMPXCHG stores only if nothing has
; changed and tells by ZF, XADD gives what was there before, CMPXCHG8B does it for eight bytes.
;
;! mode: long
;! expect: byte [first_try] = 0
;! expect: byte [second_try] = 1
;! expect: byte [released] = 0
;! expect: dword [value] = 20
;! expect: byte [swapped] = 1
;! expect: byte [swapped_again] = 0
;! expect: dword [seen] = 20
;! expect: dword [ticket] = 6
;! expect: dword [next_ticket] = 10
;! expect: qword [wide] = 0x1111111122222222
;! expect: byte [wide_swapped] = 1

        bits    64

        mov     al, 1                   ; take the lock: 0 before means that it was free
        xchg    [lock_byte], al
        mov     [first_try], al
        mov     al, 1
        xchg    [lock_byte], al
        mov     [second_try], al
        mov     byte [lock_byte], 0     ; a plain store releases it
        mov     al, [lock_byte]
        mov     [released], al

        mov     eax, 10                 ; expected
        mov     ebx, 20                 ; wanted
        lock cmpxchg [value], ebx
        setz    [swapped]
        mov     eax, 10                 ; no longer true …
        mov     ebx, 30
        lock cmpxchg [value], ebx
        setz    [swapped_again]
        mov     [seen], eax             ; … and EAX learns what is

        mov     eax, 4                  ; four tickets at once
        lock xadd [next_ticket], eax
        mov     [ticket], eax           ; the first of them

        mov     edx, 0xAAAAAAAA
        mov     eax, 0xBBBBBBBB
        mov     ecx, 0x11111111
        mov     ebx, 0x22222222
        lock cmpxchg8b [wide]
        setz    [wide_swapped]
        hlt

        align   8
wide            dq 0xAAAAAAAABBBBBBBB
value           dd 10
seen            dd 0
ticket          dd 0
next_ticket     dd 6
lock_byte       db 0
first_try       db 0xFF
second_try      db 0xFF
released        db 0xFF
swapped         db 0xFF
swapped_again   db 0xFF
wide_swapped    db 0xFF
