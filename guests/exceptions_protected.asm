; Exceptions in protected mode: an interrupt descriptor table with handlers for #DE, #UD and #GP, which
; note what they saw and step over the faulting instruction. #GP comes with an error code: the
; selector that was wrong.
;
; The handlers go back by POPF and RETF instead of IRET, which is a choice of this guest: KVM's
; instruction emulator, through which some hosts run all of this, does not know the 32-bit IRET.
;
;! mode: protected
;! load: 0x1000
;! expect: output = "#DE #UD #GP "
;! expect: dword [selector] = 0x28
;! expect: dword [order] = 0x100060D
;! expect: esp = 0x200000
;! expect: cf = 1

        bits    32
        org     0x1000

        lgdt    [gdt_register]
        jmp     CODE:.reload            ; CS and SS with descriptors of the table just loaded
.reload:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        lidt    [idt_register]

        stc                             ; what the handlers must give back
        xor     ecx, ecx
        mov     eax, 1
        stc
        div     ecx                     ; F7 F1
        ud2                             ; 0F 0B
        mov     ax, 0x28                ; beyond the table's end
        mov     fs, ax                  ; 8E E0
        stc
        hlt

; Every instruction above that fails is two bytes long.
%macro handler 3                        ; vector, name, whether there is an error code
        shl     dword [order], 8
        mov     byte [order], %1
%if %3
        pop     dword [selector]
%endif
        mov     esi, %%name
        mov     ecx, 4
        mov     edx, 0xE9
        rep     outsb
        add     dword [esp], 2          ; [ESP] EIP, [ESP + 4] CS, [ESP + 8] EFLAGS
        push    dword [esp + 8]
        popfd
        retf    4                       ; takes EIP and CS off, and EFLAGS with them
%%name: db      %2
%endmacro

divide_error:
        handler 0, "#DE ", 0
invalid_opcode:
        handler 6, "#UD ", 0
general_protection:
        handler 13, "#GP ", 1

selector        dd 0
order           dd 1

        align   8
gdt:    dq      0
CODE    equ     $ - gdt
        dq      0x00CF9A000000FFFF
DATA    equ     $ - gdt
        dq      0x00CF92000000FFFF
gdt_register:
        dw      $ - gdt - 1
        dd      gdt

; A gate: offset 0-15, selector, present 32-bit interrupt gate, offset 16-31.
%macro gate 1
        dw      %1, CODE, 0x8E00, 0
%endmacro
idt:    gate    divide_error
        times   5 dq 0
        gate    invalid_opcode
        times   6 dq 0
        gate    general_protection
idt_register:
        dw      $ - idt - 1
        dd      idt
