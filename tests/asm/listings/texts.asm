%macro m 1-*
   mov	ax ,	 %1   ; comment
	
%%l:  jmp   %%l ;c
 %ifdef a ; x
 %endif;y
 db "a;b" , %{1:-1}  
 %[x]%%q: dw 1
%endmacro
	m   5   ; hello
lab:   m 1,  2
lab2   m 1
 .x m 1
%rep 1
  nop  ; c  

;z
%endrep
%macro k 0
%00: nop
%endmacro
a: k
b k
%include "comments.inc" ; c
%if 1 ; c
%endif ; d
 struc aa ; b
 .x: resb 1 ; c
 endstruc
%rep 2 ; x
%rep 1 ; y
 nop ; z
%endrep ; v
%endrep ; w
