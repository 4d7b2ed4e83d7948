start:
 loop 0x10
 jmp short 0x10
 jz 0x10
 call 0x10
 times 3 db 1,2,3,4,5,6
 times 3 db 1,2,3,4,5,6,7,8,9,10
 times 3 dw start,start
 times 3 dw start,start,5,6
 db 3 dup (1, ?)
 db 9 dup (?)
 db 5 dup (?,?)
 db ?,?,?,?,?,?,?,?,?,?
 db 5 dup (5 dup (?))
 dw 3 dup (start)
 times 3 resb 5
 times 3 resb 50
 times 3 db ?
 times 1 nop
 times 2 nop
 alignb 16
 nop
 alignb 4
 nop
 alignb 32
 nop
 align 16, db 5
 nop
 align 4, dw 5
 align 4, resb 1
 nop
 align 64, resb 1
x: times 20 dw $
 jmp start
 jmp near start
 mov ax,[start+5]
%macro d0 0
d1
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d1 0
d2
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d2 0
d3
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d3 0
d4
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d4 0
d5
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d5 0
d6
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d6 0
d7
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d7 0
d8
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d8 0
d9
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d9 0
d10
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d10 0
d11
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d11 0
d12
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
%macro d12 0
nop
 db 1,2,3,4,5,6,7,8,9,10,11
%endmacro
 d0
%macro nl 0.nolist
 times 3 nop
 mov ax, start
 db 1,2,3,4,5,6,7,8,9
 %include "lines.inc"
%endmacro
 nl
lbl: nl
lbl2 nl
 nop

   
%define m(x) \
  x+1 \
  +2
 db m(5) ; tail
 nop
%ifdef foo
 db 1
%elifdef bar
 db 2
%else
 db 3
%endif
%rep 3
%rep 2
 nop
%endrep
%endrep
%rep 2
 nl
%endrep
%rep 0
 nop
%endrep
%macro e 0
%endmacro
 e
%macro e2 0
 ; only a comment

%endmacro
 e2
 e2 ; c
.loc: e2
 [bits 32]
 [section .data]
 db 1
 [section .text]
 db 2
 align 16
absolute 0x100
 a1: resb 4
section .text
 incbin "zeros.bin",0,0
 incbin "zeros.bin",0,1
 dq start
 dd start, 1
 mov eax,[start+ecx*4+5]
 call start
 call 0x10:start
 mov ax, start
 section .data align=16
 dw start
 q: dd q
 jmp start
 call start
 jmp short $
 mov eax,[start]
 q2:
 section .bss
 z: resd 1
lea ax, 5
lea ax, foo
foo:
        dq      0, ?, 0, 1.5
        dw      1, 2, 3, 4, ?, 5
