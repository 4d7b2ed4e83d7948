; A text of macros: control structures on the context stack, procedures with arguments and local
; variables, enumerations, strings, tables, macros that define macros.

    bits 32
    org 0x1000

; --- Control structures ---

%macro if 3
%push if
    cmp %1, %3
    j%-2 %$otherwise
%endmacro

%macro else 0
%ifctx if
%repl else
    jmp %$end
%$otherwise:
%else
%error "else without if"
%endif
%endmacro

%macro endif 0
%ifctx if
%$otherwise:
%pop
%elifctx else
%$end:
%pop
%else
%error "endif without if"
%endif
%endmacro

%macro while 3
%push while
%$top:
    cmp %1, %3
    j%-2 %$bottom
%endmacro

%macro endwhile 0
    jmp %$top
%$bottom:
%pop while
%endmacro

%macro for 3-4 1 ; register, from, to, step
%push for
%define %$counter %1
%define %$limit %3
%define %$step %4
    mov %1, %2
%$top:
    cmp %$counter, %$limit
    jg %$bottom
%endmacro

%macro next 0
%$continue:
%if %$step = 1
    inc %$counter
%elif %$step = -1
    dec %$counter
%else
    add %$counter, %$step
%endif
    jmp %$top
%$bottom:
%pop for
%endmacro

%macro switch 1
%push switch
%define %$value %1
%assign %$case 0
%endmacro

%macro case 1-*
%ifnctx switch
%error "case without switch"
%endif
%if %$case > 0
    jmp %$end
%$case_%[%$case]:
%endif
%assign %$case %$case + 1
%rep %0 - 1
    cmp %$value, %1
    je %$body_%[%$case]
%rotate 1
%endrep
    cmp %$value, %1
    jne %$case_%[%$case]
%$body_%[%$case]:
%endmacro

%macro endswitch 0
%$case_%[%$case]:
%$end:
%pop switch
%endmacro

; --- Procedures ---

%macro proc 1-*
%push proc
%define %$name %1
%assign %$frame 0
%assign %$argument 8
%1:
    push ebp
    mov ebp, esp
%rep %0 - 1
%rotate 1
%xdefine %1 [ebp + %$argument]
%assign %$argument %$argument + 4
%endrep
%endmacro

%macro var 1-2 4
%assign %$frame %$frame + %2
%xdefine %1 [ebp - %$frame]
%endmacro

%macro begin 0
%if %$frame > 0
    sub esp, %$frame
%endif
%endmacro

%macro endproc 0
    mov esp, ebp
    pop ebp
    ret %$argument - 8
%pop proc
%endmacro

%macro invoke 1-*
%rep %0 - 1
%rotate -1
    push dword %1
%endrep
%rotate -1
    call %1
%endmacro

; --- Tables ---

%macro enum 1-*
%push enum
%define %$prefix %1
%assign %$value 0
%rep %0 - 1
%rotate 1
%[%$prefix]%1 equ %$value
%assign %$value %$value + 1
%endrep
%[%$prefix]count equ %$value
%pop enum
%endmacro

%macro string 1+
%push
    dd %$after - $ - 4
    db %1
%$after:
%pop
%endmacro

%macro reversed 1
%strlen %%length %1
%assign %%at %%length
%rep %%length
%substr %%char %1 %%at
    db %%char
%assign %%at %%at - 1
%endrep
%endmacro

%macro hex_digits 1
%assign %%n %1
%rep 8
    db '0' + (%%n >> 28) + ('A' - '9' - 1) * ((%%n >> 28) / 10)
%assign %%n (%%n << 4) & 0xFFFFFFFF
%endrep
%endmacro

; make_loader name, register: defines a macro that loads the register.
%macro make_loader 2
%define register_of_load_%1 %2
%macro load_%1 1
    mov %[register_of_%?], %1
%endmacro
%endmacro

%macro unsigned 1-2
%ifnum %1
    dd %1
%elifstr %1
%strlen %%length %1
    db %%length, %1
%elifid %1
    dd %1
%ifidni %1, start
    db 1
%endif
%else
    dw %1
%endif
%ifnempty %2
    db %2
%endif
%endmacro

%define low(x) ((x) & 0xFF)
%define high(x) (((x) >> 8) & 0xFF)
%define pair(a, b) (low(a) | (low(b) << 8))
%define max(a, b) (((a) > (b)) * (a) + ((a) <= (b)) * (b))
%xdefine FROZEN max(3, 7)
%define max(a, b, c) max(max(a, b), c)
%strcat RELEASE "1.", "2"
%idefine Version RELEASE
%defstr NAME macro text
%deftok MOVE 'mov'
%strcat GREETING 'Hello, ', "it's ", NAME, `!\n`

; --- Code ---

enum COLOR_, BLACK, BLUE, GREEN, RED, WHITE

start:
    invoke factorial, 10
    invoke greatest, 3, eax, -5
    invoke classify, 'x'
    MOVE ebx, FROZEN
    mov ecx, max(1, 9, 4)
    mov dx, pair(0x1234, 0x5678)
    make_loader count, ecx
    make_loader place, edi
    load_count 5
    load_place strings
    hlt

proc factorial, n
    var total
    begin
    mov dword total, 1
    for ecx, 2, n
        mov eax, total
        imul eax, ecx
        mov total, eax
    next
    mov eax, total
endproc

proc greatest, first, second, third
    mov eax, first
    if eax, l, second
        mov eax, second
        if eax, l, third
            mov eax, third
        endif
    else
        if eax, l, third
            mov eax, third
        else
            nop
        endif
    endif
endproc

proc classify, character
    var class, 8
    var index
    begin
    mov al, character
    switch al
    case 'a', 'e', 'i', 'o', 'u'
        mov dword class, 1
    case '0'
        mov dword class, 2
        while dword index, b, 10
            inc dword index
            if al, e, '5'
                mov dword class, 3
            endif
        endwhile
    case 'x', 'y'
        mov dword class, COLOR_RED
    endswitch
    for edx, 10, 0, -2
        nop
    next
    mov eax, class
endproc

; --- Data ---

strings:
    string "first"
    string 'second', 13, 10
    string GREETING, 0
    reversed 'desserts'
    hex_digits 0xDEADBEEF
    db Version, 0
    unsigned 5
    unsigned 'five', 5
    unsigned start
    unsigned COLOR_count
    unsigned 2 + 3, 0x7F

colors: dd COLOR_BLACK, COLOR_BLUE, COLOR_GREEN, COLOR_RED, COLOR_WHITE

%assign i 0
squares:
%rep 100
%if i * i > 500
%exitrep
%endif
    dw i * i
%assign i i + 1
%endrep

%define square_%[i] done
%ifdef square_23
    db %str(square_23), %strlen(NAME), %eval(1 + 2 * 3)
%endif

%ifmacro if 3
    db 1
%endif
%unmacro string 1+
%ifnmacro string
    db 2
%endif
    dw __LINE__
    db __?FILE?__, __BITS__
    dd __NASM_VERSION_ID__
