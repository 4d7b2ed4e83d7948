; Model-specific registers: FS and GS have no base but the one in an MSR in long mode, SWAPGS
; exchanges two of them, and an MSR that does not exist is a #GP.
;
;! mode: long
;! load: 0x8000
;! expect: qword [by_fs] = 0xF5
;! expect: qword [by_gs] = 0x65
;! expect: qword [by_swapped_gs] = 0xBEEF
;! expect: dword [read_back] = 0x9000
;! expect: dword [read_back + 4] = 0x1
;! expect: qword [faults] = 1
;! expect: qword [distance] = 0

        bits    64
        org     0x8000

FS_BASE         equ 0xC0000100
GS_BASE         equ 0xC0000101
KERNEL_GS_BASE  equ 0xC0000102
NO_SUCH_MSR     equ 0x12345678

        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     qword [0x9008], 0xF5
        mov     qword [0xA008], 0x65
        mov     qword [0xB008], 0xBEEF

        mov     ecx, FS_BASE            ; an MSR's value is EDX:EAX
        mov     eax, 0x9000
        xor     edx, edx
        wrmsr
        mov     ecx, GS_BASE
        mov     eax, 0xA000
        wrmsr
        mov     ecx, KERNEL_GS_BASE
        mov     eax, 0xB000
        wrmsr
        mov     rax, [fs:8]
        mov     [by_fs], rax
        mov     rax, [gs:8]
        mov     [by_gs], rax
        swapgs
        mov     rax, [gs:8]
        mov     [by_swapped_gs], rax

        mov     ecx, FS_BASE
        mov     eax, 0x9000
        mov     edx, 1
        wrmsr
        xor     eax, eax
        xor     edx, edx
        rdmsr
        mov     [read_back], eax
        mov     [read_back + 4], edx

        mov     ecx, NO_SUCH_MSR
unknown:
        rdmsr
        hlt

general_protection:
        add     rsp, 8                  ; the error code
        inc     qword [faults]
        mov     rax, [rsp]
        sub     rax, unknown
        mov     [distance], rax
        add     qword [rsp], 2          ; RDMSR has two bytes
        iretq

by_fs           dq 0
by_gs           dq 0
by_swapped_gs   dq 0
read_back       dq 0
faults          dq 0
distance        dq -1

        align   8
gdt:    dq      0
        dq      0x00209A0000000000
        dq      0x0000920000000000
gdt_register:
        dw      $ - gdt - 1
        dq      gdt
idt:    times   2 * 13 dq 0
        dw      general_protection, 8, 0x8E00, 0
        dd      0, 0
idt_register:
        dw      $ - idt - 1
        dq      idt
