; Calls functions as C compilers for 32-bit x86 do: arguments on the stack from right to left, EBP for
; the frame, local variables below it, the result in EAX. ENTER and LEAVE make and undo the frame.
;
;! mode: protected
;! expect: dword [distance] = 25
;! expect: dword [same] = 25
;! expect: esp = 0x200000
;! expect: ebp = 0x12345678

        bits    32

        mov     ebp, 0x12345678         ; the caller's frame, which must survive

        push    4
        push    3
        call    squares
        add     esp, 8                  ; the caller takes its arguments off
        mov     [distance], eax

        push    4
        push    3
        call    squares_with_enter
        mov     [same], eax             ; this one takes them off itself
        hlt

; int squares(int a, int b) { int aa = a * a, bb = b * b; return aa + bb; }
squares:
        push    ebp                     ; [EBP] the caller's EBP, [EBP + 4] the return address
        mov     ebp, esp
        sub     esp, 8                  ; two local variables
        mov     eax, [ebp + 8]          ; a
        imul    eax, eax
        mov     [ebp - 4], eax
        mov     eax, [ebp + 12]         ; b
        imul    eax, eax
        mov     [ebp - 8], eax
        add     eax, [ebp - 4]
        mov     esp, ebp
        pop     ebp
        ret

squares_with_enter:
        enter   8, 0                    ; PUSH EBP; MOV EBP, ESP; SUB ESP, 8
        mov     eax, [ebp + 8]
        imul    eax, eax
        mov     [ebp - 4], eax
        mov     eax, [ebp + 12]
        imul    eax, eax
        mov     [ebp - 8], eax
        add     eax, [ebp - 4]
        leave                           ; MOV ESP, EBP; POP EBP
        ret     8

distance        dd 0
same            dd 0
