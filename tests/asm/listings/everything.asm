org 0x7c00
start: mov si, message
mov ax, [message]
mov ax, [message+bx]
call start
jmp 0:start
jmp 0x1234
call 0x1234:0x5678
mov ax, 0xb800
mov ax, message - start
dw message, start, 5, message-start
dd message
dq message
db 'abcdefghijklmnop', 0
dw $, $$
times 3 nop
times 3 dw message
times 3 db 1,2,3
times 40 db 0
times 5 mov ax, message
times 0 nop
resb 5
resb 8
resb 9
resw 3
resb 300
resb 0
incbin "zeros.bin"
incbin "zeros.bin",3,4
%include "lines.inc"
%macro m 1
 mov ax, %1
 %if %1
 nop
 %endif
 n %1
%endmacro
%macro n 1
 mov bx, %1
%endmacro
 m 5
lab: m 5
%rep 2
 db 1
%endrep
%assign i 0
%rep 2
 db i
 %assign i i+1
%endrep
%macro q 0.nolist
 db 9
 db 10
%endmacro
 q
align 16
align 16, db 0
; comment
 nop ; comment
foo equ 5
bar: equ message
%define X 5
 mov ax, X
%if 0
 nop
%else
 hlt
%endif
struc sst
.a: resb 1
.b: resw 2
endstruc
istruc sst
at .a, db 1
at .b, dw 1,2
iend
 dd 1.5, 2.5
 dq 1.5
 dt 1.5
 do 1.5
 db "ab", 5 dup (3), ?
 dw 5 dup (?)
 db 300
message: db "hi"
section .data
 x: dw x, message
section .bss
 resb 5
 y: resb 20
%line 100+1 foo
 nop
 nop
%warning hello
[list -]
 nop
[list +]
 hlt
 mov eax, \
   5
  	nop	; tab
section .text
bits 32
 mov eax, [message]
 mov dword [message], message
 mov dword [message], 5
 mov byte [message+eax*4], 5
 call message
 jmp message
 jz message
 push message
 jmp dword 8:message
bits 64
 mov rax, message
 mov rax, [message]
 mov rax, [rel message]
 mov eax, [rel y]
 lea rax, [rel message]
 jmp message
 call [rel message]
 mov qword [rel message], 5
 mov rax, strict message
 mov eax, message
 dd message-$
 dd $-message
