; The greatest common divisor, by Euclid's divisions and by Stein's shifts and subtractions, which must
; agree; and the least common multiple made from it.
;
;! mode: protected
;! expect: dword [by_division] = 1386
;! expect: dword [by_shifts] = 1386
;! expect: dword [multiple] = 60984
;! expect: dword [of_primes] = 1

        bits    32

A       equ     1386 * 11               ; 1386 = 2 × 3 × 3 × 7 × 11
B       equ     1386 * 4

        mov     eax, A
        mov     ebx, B
        call    euclid
        mov     [by_division], eax
        mov     eax, A
        mov     ebx, B
        call    stein
        mov     [by_shifts], eax

        mov     eax, A                  ; A / gcd × B: dividing first keeps it small
        xor     edx, edx
        div     dword [by_division]
        imul    eax, B
        mov     [multiple], eax

        mov     eax, 65537
        mov     ebx, 65521
        call    euclid
        mov     [of_primes], eax
        hlt

; EAX = gcd(EAX, EBX): the remainder takes the place of the larger one until it is 0.
euclid: test    ebx, ebx
        jz      .done
        xor     edx, edx
        div     ebx
        mov     eax, ebx
        mov     ebx, edx
        jmp     euclid
.done:  ret

; EAX = gcd(EAX, EBX), both positive, without a division.
stein:  mov     edx, eax
        or      edx, ebx
        bsf     edx, edx                ; the twos that both have
        bsf     ecx, eax
        shr     eax, cl
.next:  bsf     ecx, ebx
        shr     ebx, cl                 ; both odd now
        cmp     eax, ebx
        jbe     .subtract
        xchg    eax, ebx
.subtract:
        sub     ebx, eax                ; even, or 0
        jnz     .next
        mov     ecx, edx
        shl     eax, cl
        ret

by_division     dd 0
by_shifts       dd 0
multiple        dd 0
of_primes       dd 0
