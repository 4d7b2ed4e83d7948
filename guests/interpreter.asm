; An interpreter of a language with eight commands (Urban Müller's, 1993): > < move on a tape of bytes,
; + - change one, . prints it, [ ] repeat while it is not zero. The commands are dispatched through
; a table of addresses.
;
;! mode: protected
;! expect: output = "Hello World!\n"
;! expect: byte [tape + 1] = 0
;! expect: byte [tape + 2] = 72

        bits    32

        mov     esi, program
        mov     edi, tape
next:   movzx   eax, byte [esi]
        inc     esi
        test    al, al
        jz      .end
        sub     al, '+'                 ; the commands lie between + and ]
        cmp     al, ']' - '+'
        ja      next
        movzx   eax, byte [kinds + eax]
        jmp     [commands + eax * 4]
.end:   hlt

right:  inc     edi
        jmp     next
left:   dec     edi
        jmp     next
plus:   inc     byte [edi]
        jmp     next
minus:  dec     byte [edi]
        jmp     next
put:    mov     al, [edi]
        out     0xE9, al
        jmp     next

open:   cmp     byte [edi], 0
        jne     next
        mov     ecx, 1                  ; how deep: on to the ] that belongs to it
.skip:  mov     al, [esi]
        inc     esi
        cmp     al, '['
        jne     .inner
        inc     ecx
.inner: cmp     al, ']'
        jne     .skip
        dec     ecx
        jnz     .skip
        jmp     next

close:  cmp     byte [edi], 0
        je      next
        mov     ecx, 1                  ; back to the [ that belongs to it
        dec     esi
.back:  dec     esi
        cmp     byte [esi], ']'
        jne     .open
        inc     ecx
.open:  cmp     byte [esi], '['
        jne     .back
        dec     ecx
        jnz     .back
        inc     esi
        jmp     next

commands        dd next, right, left, plus, minus, put, open, close

kinds:                                  ; from + to ]: 0 is no command
%assign code '+'
%rep ']' - '+' + 1
%if code = '>'
                db 1
%elif code = '<'
                db 2
%elif code = '+'
                db 3
%elif code = '-'
                db 4
%elif code = '.'
                db 5
%elif code = '['
                db 6
%elif code = ']'
                db 7
%else
                db 0
%endif
%assign code code + 1
%endrep

program         db "[ not run: the cell is 0 [.] . ]"
                db "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]"
                db ">>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++.", 0
tape            times 16 db 0
