; An IDT for long mode: stubs for the exceptions made by a macro that knows which of them push an
; error code, a common handler that saves every register, the PIC moved out of the way, a timer and
; a keyboard handler.

bits 64
default rel
org 0x100000

struc gate
.offset_low:    resw 1
.selector:      resw 1
.ist:           resb 1
.type:          resb 1
.offset_middle: resw 1
.offset_high:   resd 1
.reserved:      resd 1
endstruc

struc frame
.r15:    resq 1
.r14:    resq 1
.r13:    resq 1
.r12:    resq 1
.r11:    resq 1
.r10:    resq 1
.r9:     resq 1
.r8:     resq 1
.rdi:    resq 1
.rsi:    resq 1
.rbp:    resq 1
.rdx:    resq 1
.rcx:    resq 1
.rbx:    resq 1
.rax:    resq 1
.vector: resq 1
.error:  resq 1
.rip:    resq 1
.cs:     resq 1
.rflags: resq 1
.rsp:    resq 1
.ss:     resq 1
endstruc

struc gate_pointer_layout
.limit: resw 1
.base:  resq 1
endstruc

INTERRUPT_GATE equ 0x8E
TRAP_GATE      equ 0x8F
KERNEL_CODE    equ 8
IRQ_BASE       equ 32
EXCEPTIONS     equ 32
PIC1           equ 0x20
PIC2           equ 0xA0
EOI            equ 0x20

; The exceptions that push an error code: 8, 10 to 14, 17, 21, 29, 30.
%assign WITH_ERROR (1 << 8) | (31 << 10) | (1 << 17) | (1 << 21) | (3 << 29)

%macro stub 1
    align 8
stub_%1:
%if (WITH_ERROR >> %1) & 1 == 0 || %1 >= EXCEPTIONS
    push qword 0
%endif
    push qword %1
    jmp dispatch
%endmacro

%macro set_gate 2-3 INTERRUPT_GATE ; vector, handler, type
    mov rax, %2
    lea rdi, [idt + (%1) * gate_size]
    mov [rdi + gate.offset_low], ax
    mov word [rdi + gate.selector], KERNEL_CODE
    mov byte [rdi + gate.ist], 0
    mov byte [rdi + gate.type], %3
    shr rax, 16
    mov [rdi + gate.offset_middle], ax
    shr rax, 16
    mov [rdi + gate.offset_high], eax
    mov dword [rdi + gate.reserved], 0
%endmacro

%macro outb 2
    mov al, %2
    out %1, al
    jmp short %%wait
%%wait:
%endmacro

start:
    call fill_idt
    lidt [idt_pointer]
    call move_pic
    sti
.idle:
    hlt
    jmp .idle

fill_idt:
%assign vector 0
%rep 4
    set_gate vector, stub_%[vector], TRAP_GATE
%assign vector vector + 1
%endrep
    ; The others lie behind each other at equal distances.
    mov rax, stub_4
    lea rdi, [idt + 4 * gate_size]
    mov ecx, EXCEPTIONS + 16 - 4
.next:
    mov rdx, rax
    mov [rdi], dx
    mov word [rdi + gate.selector], KERNEL_CODE
    mov word [rdi + gate.ist], INTERRUPT_GATE << 8
    shr rdx, 16
    mov [rdi + gate.offset_middle], dx
    shr rdx, 16
    mov [rdi + gate.offset_high], rdx
    add rax, 16
    add rdi, gate_size
    dec ecx
    jnz .next
    set_gate IRQ_BASE + 0, timer
    set_gate IRQ_BASE + 1, keyboard
    ret

move_pic:
    outb PIC1, 0x11
    outb PIC2, 0x11
    outb PIC1 + 1, IRQ_BASE
    outb PIC2 + 1, IRQ_BASE + 8
    outb PIC1 + 1, 4
    outb PIC2 + 1, 2
    outb PIC1 + 1, 1
    outb PIC2 + 1, 1
    outb PIC1 + 1, ~3 & 0xFF
    outb PIC2 + 1, 0xFF
    ret

%assign vector 0
%rep EXCEPTIONS + 16
    stub vector
%assign vector vector + 1
%endrep

%define SAVED rax, rbx, rcx, rdx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15

%macro push_all 1-*
%rep %0
    push %1
%rotate 1
%endrep
%endmacro

%macro pop_all 1-*
%rep %0
%rotate -1
    pop %1
%endrep
%endmacro

dispatch:
    push_all SAVED
    cld
    mov rdi, rsp
    mov rax, [rdi + frame.vector]
    cmp eax, 14
    jne .other
    mov rsi, cr2
    mov [last_address], rsi
.other:
    inc dword [counts + rax * 4]
    mov rdx, [rdi + frame.error]
    mov [last_error], rdx
    test byte [rdi + frame.cs], 3
    jz .kernel
    swapgs
.kernel:
    call report
    pop_all SAVED
    add rsp, 16
    iretq

report:
    mov rax, [rdi + frame.rip]
    mov [last_rip], rax
    ret

timer:
    push rax
    lock inc qword [ticks]
    mov al, EOI
    out PIC1, al
    pop rax
    iretq

keyboard:
    push rax
    push rbx
    in al, 0x60
    movzx ebx, byte [head]
    mov [ring + rbx], al
    inc bl
    and bl, ring.size - 1
    mov [head], bl
    mov al, EOI
    out PIC1, al
    pop rbx
    pop rax
    iretq

    align 16
idt: times 256 * gate_size db 0
idt_pointer:
    istruc gate_pointer_layout
    at .limit, dw 256 * gate_size - 1
    at .base, dq idt
    iend

    align 8
ticks:        dq 0
last_rip:     dq 0
last_error:   dq 0
last_address: dq 0
counts: times 256 dd 0
head: db 0
ring: times 64 db 0
.size equ $ - ring
