; Changes its own code: overwrites the operand of an instruction, then its opcode, then an instruction
; that it has just run in a loop. The CPU must see each change after the next jump, and x86 does.
;
;! mode: protected
;! expect: dword [operand] = 42
;! expect: dword [opcode] = 93
;! expect: dword [loop_sum] = 15

        bits    32

        mov     dword [patched + 1], 42
        jmp     patched                 ; a jump: what was fetched before is fetched again
patched:
        mov     eax, 7                  ; B8 and four bytes: no longer 7
        mov     [operand], eax

        mov     ebx, 100
        mov     ecx, 7
        mov     byte [turned], 0x29     ; ADD is 01 /r, SUB is 29 /r
        jmp     turned
turned: add     ebx, ecx
        mov     [opcode], ebx

        xor     eax, eax                ; 1 + 2 + 3 + 4 + 5, the addend counted up in the code
        mov     ecx, 5
again:  add     eax, strict dword 1     ; 05 and four bytes
        inc     dword [again + 1]
        loop    again
        mov     [loop_sum], eax
        hlt

operand         dd 0
opcode          dd 0
loop_sum        dd 0
