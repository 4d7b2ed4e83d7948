; Calls the hypervisor, and notes what comes of it, which differs. Where the CPU virtualizes, KVM
; answers, and a call it does not know gives -1000 (KVM_ENOSYS). Elsewhere VMCALL may be an invalid
; opcode; and a KVM that runs the guest through its emulator alone tries it again and again, out of
; which the timer helps here. One of the three happens, and nothing else is changed.
;
;! mode: long
;! load: 0x8000
;! irqchip: yes
;! expect: exit = status 1
;! expect: byte [seen] != 0
;! expect: rbx = 2
;! expect: rcx = 3
;! expect: rdx = 5
;! expect: rsi = 4
;! expect: rsp = 0x200000

        bits    64
        org     0x8000

ENOSYS          equ -1000
UNKNOWN_CALL    equ 0x7FFF

ANSWERED        equ 1                   ; what `seen` can be
INVALID         equ 2
STUCK           equ 3

PIC             equ 0x20
PIT_CHANNEL_0   equ 0x40
PIT_COMMAND     equ 0x43
TIMER           equ 0x20                ; the vector of IRQ 0

%macro outb 2
        mov     al, %2
        out     %1, al
%endmacro

        lgdt    [gdt_register]
        lidt    [idt_register]
        outb    PIC, 0x11               ; see timer_long.asm
        outb    PIC + 1, TIMER
        outb    PIC + 1, 4
        outb    PIC + 1, 1
        outb    PIC + 1, 0xFE
        outb    PIT_COMMAND, 0x34
        outb    PIT_CHANNEL_0, 0
        outb    PIT_CHANNEL_0, 0x40     ; 73 times a second

        mov     eax, UNKNOWN_CALL       ; and four arguments
        mov     ebx, 2
        mov     ecx, 3
        mov     edx, 5
        mov     esi, 4
        sti
        nop                             ; STI takes effect one instruction later
call_it:
        vmcall
        cli
        cmp     rax, ENOSYS
        jne     .end
        mov     byte [seen], ANSWERED
        inc     dword [outcomes]
.end:   mov     al, [outcomes]
        out     0xF4, al

invalid_opcode:
        mov     byte [seen], INVALID
        inc     dword [outcomes]
        add     qword [rsp], 3          ; VMCALL has three bytes
        iretq

tick:   push    rax
        cmp     qword [rsp + 8], call_it
        jne     .done
        inc     dword [ticks]
        cmp     dword [ticks], 3
        jne     .done
        mov     byte [seen], STUCK
        inc     dword [outcomes]
        add     qword [rsp + 8], 3
.done:  mov     al, 0x20                ; end of interrupt
        out     PIC, al
        pop     rax
        iretq

outcomes        dd 0
ticks           dd 0
seen            db 0

        align   8
gdt:    dq      0
        dq      0x00209A0000000000
        dq      0x0000920000000000
gdt_register:
        dw      $ - gdt - 1
        dq      gdt

%macro gate 1
        dw      %1, 8, 0x8E00, 0
        dd      0, 0
%endmacro
idt:    times   2 * 6 dq 0
        gate    invalid_opcode
        times   2 * (TIMER - 7) dq 0
        gate    tick
idt_register:
        dw      $ - idt - 1
        dq      idt
