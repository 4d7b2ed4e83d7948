; Jumps and calls between segments: JMP and CALL with a segment, through a pointer in memory, and
; RETF, which takes the caller's CS off the stack as well and can build a jump out of two pushes.
;
;! load: 0x1000
;! expect: output = "1234"
;! expect: cs = 0x200
;! expect: ip = 9
;! expect: sp = 0x7000

        bits    16
        org     0x1000

        mov     al, '1'
        call    0x100:(print - 0x1000)  ; pushes CS and IP
        mov     al, '2'
        call    far [pointer]           ; the same through memory: offset, then segment
        push    0x100
        push    third - 0x1000
        retf                            ; a jump to 0100:third
third:  mov     al, '3'
        push    cs
        call    print                   ; PUSH CS and a near CALL make a far one
        jmp     0x200:0

print:  out     0xE9, al
        retf

pointer         dw print - 0x1000, 0x100

        times   0x1000 - ($ - $$) db 0  ; now at 0x2000, which is 0200:0000
        mov     al, '4'
        call    0x100:(print - 0x1000)
        nop
        hlt
