; Ring 3: enters user mode by an IRETQ that it makes up, and is thrown out by #GP when it tries CLI,
; which belongs to the kernel. The CPU then takes its stack from the task-state segment.
;
;! mode: long
;! load: 0x8000
;! expect: qword [came_from] = 0x23
;! expect: qword [distance] = 0
;! expect: qword [error] = 0
;! expect: rsp = 0x6FD0
;! expect: cs = 8

        bits    64
        org     0x8000

PML4            equ 0x1000
PDPT            equ 0x2000
DIRECTORY       equ 0x3000
USER_PAGES      equ 7                   ; present, writable, user
LARGE_PAGE      equ 0x80
KERNEL_STACK    equ 0x7000
USER_STACK      equ 0x6000

        mov     qword [PML4], PDPT | USER_PAGES
        mov     qword [PDPT], DIRECTORY | USER_PAGES
        mov     qword [DIRECTORY], 0 | USER_PAGES | LARGE_PAGE
        mov     eax, PML4
        mov     cr3, rax
        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     ax, TSS
        ltr     ax

        push    USER_DATA | 3           ; what IRETQ takes off: SS, RSP, RFLAGS, CS, RIP
        push    USER_STACK
        push    2
        push    USER_CODE | 3
        push    user
        iretq

user:   cli
        mov     qword [error], -1       ; never reached
.loop:  jmp     .loop

general_protection:
        mov     rax, [rsp]
        mov     [error], rax
        mov     rax, [rsp + 8]
        sub     rax, user
        mov     [distance], rax
        mov     rax, [rsp + 16]
        mov     [came_from], rax
        hlt

came_from       dq 0
distance        dq -1
error           dq -1

        align   8
gdt:    dq      0
        dq      0x00209A0000000000      ; kernel code
        dq      0x0000920000000000      ; kernel data
USER_DATA       equ $ - gdt
        dq      0x0000F20000000000      ; data, ring 3
USER_CODE       equ $ - gdt
        dq      0x0020FA0000000000      ; code, 64 bits, ring 3
TSS             equ $ - gdt
        dw      0x67, task_state        ; 16 bytes long: limit 0-15, base 0-15,
        db      0, 0x89, 0, 0           ; base 16-23, present TSS, limit 16-19, base 24-31,
        dq      0                       ; base 32-63
gdt_register:
        dw      $ - gdt - 1
        dq      gdt

task_state:
        dd      0
        dq      KERNEL_STACK            ; RSP0: the stack for ring 0
        times   0x68 - ($ - task_state) db 0

idt:    times   2 * 13 dq 0
        dw      general_protection, 8, 0x8E00, 0
        dd      0, 0
idt_register:
        dw      $ - idt - 1
        dq      idt
