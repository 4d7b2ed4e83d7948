; memset, memcpy, memmove, memcmp, strlen, strcmp, strchr, itoa and atoi, for 32 and for 64 bits from
; one source: the macros hide the registers.

%macro prologue 0
%if WIDTH = 64
    push rbp
    mov rbp, rsp
    push rbx
%else
    push ebp
    mov ebp, esp
    push ebx
    push esi
    push edi
    mov edi, [ebp + 8]
    mov esi, [ebp + 12]
    mov ecx, [ebp + 16]
%endif
%endmacro

%macro epilogue 0
%if WIDTH = 64
    pop rbx
    pop rbp
%else
    pop edi
    pop esi
    pop ebx
    leave
%endif
    ret
%endmacro

%macro routine 1
    align 16
%1_%[WIDTH]:
%push routine
%define %$name %1
    prologue
%endmacro

%macro endroutine 0
%ifnctx routine
%error endroutine without routine
%endif
    epilogue
%pop routine
%endmacro

%macro library 1
%assign WIDTH %1
    bits %1
%if %1 = 64
%define xax rax
%define xbx rbx
%define xcx rcx
%define xdx rdx
%define xsi rsi
%define xdi rdi
%define xsp rsp
%define PTR qword
%else
%define xax eax
%define xbx ebx
%define xcx ecx
%define xdx edx
%define xsi esi
%define xdi edi
%define xsp esp
%define PTR dword
%endif

routine memset                      ; xdi: to, sil or the second argument: the byte, xcx: how many
    mov eax, esi
    movzx eax, al
    imul eax, eax, 0x01010101
    mov xdx, xcx
    shr xcx, 2
    cld
    rep stosd
    mov xcx, xdx
    and ecx, 3
    rep stosb
endroutine

routine memcpy
    mov xax, xdi
    mov xdx, xcx
%if WIDTH = 64
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
%else
    shr ecx, 2
    rep movsd
    mov ecx, edx
    and ecx, 3
%endif
    rep movsb
endroutine

routine memmove
    cmp xdi, xsi
    jbe %$forward
    lea xsi, [xsi + xcx - 1]
    lea xdi, [xdi + xcx - 1]
    std
%$forward:
    rep movsb
    cld
endroutine

routine memcmp
    xor eax, eax
    repe cmpsb
    je %$same
    seta al
    sbb ecx, ecx
    or eax, ecx
%$same:
endroutine

routine strlen
    mov xcx, -1
    xor eax, eax
    repne scasb
    not xcx
    lea xax, [xcx - 1]
endroutine

routine strcmp
%$next:
    mov al, [xdi]
    mov bl, [xsi]
    inc xdi
    inc xsi
    cmp al, bl
    jne %$differ
    test al, al
    jnz %$next
    xor eax, eax
    jmp %$done
%$differ:
    sbb eax, eax
    or eax, 1
%$done:
endroutine

routine strchr
    mov ecx, esi
%$next:
    mov al, [xdi]
    cmp al, cl
    je %$found
    inc xdi
    test al, al
    jnz %$next
    xor edi, edi
%$found:
    mov xax, xdi
endroutine

routine itoa                        ; xdi: buffer, xsi: number, xcx: base
    mov xax, xsi
    mov xbx, xcx
    test xax, xax
    jns %$positive
    cmp xbx, 10
    jne %$positive
    mov byte [xdi], '-'
    inc xdi
    neg xax
%$positive:
    xor ecx, ecx
%$digit:
    xor edx, edx
    div xbx
    push xdx
    inc ecx
    test xax, xax
    jnz %$digit
%$write:
    pop xdx
    mov al, [digits + xdx]
    stosb
    dec ecx
    jnz %$write
    mov byte [xdi], 0
endroutine

routine atoi
    xor eax, eax
    xor ecx, ecx
    cmp byte [xdi], '-'
    sete cl
    add xdi, xcx
%$next:
    movzx edx, byte [xdi]
    sub dl, '0'
    cmp dl, 9
    ja %$done
    lea xax, [xax + xax * 4]
    lea xax, [xdx + xax * 2]
    inc xdi
    jmp %$next
%$done:
    test ecx, ecx
    jz %$positive
    neg xax
%$positive:
endroutine

%undef xax
%undef xbx
%undef xcx
%undef xdx
%undef xsi
%undef xdi
%undef xsp
%undef PTR
%endmacro

    org 0x10000
    library 32
    library 64

    align 4
digits: db "0123456789abcdefghijklmnopqrstuvwxyz"
table:
%macro entries 1-*
%rep %0
    dd %1_32, %1_64
    dw %1_64 - %1_32
%rotate 1
%endrep
%endmacro
    entries memset, memcpy, memmove, memcmp, strlen, strcmp, strchr, itoa, atoi
.count equ ($ - table) / 10
