; A timer interrupt in long mode: moves the PIC's vectors away from those of the exceptions, lets the
; PIT tick 1000 times a second, and counts in a loop until the handler has seen five ticks. The
; loop's registers are the same after every interrupt.
;
;! mode: long
;! irqchip: yes
;! load: 0x8000
;! expect: exit = status 5
;! expect: rbx = 0x1234567890ABCDEF
;! expect: dword [ticks] = 5
;! expect: qword [count] > 0

        bits    64
        org     0x8000

PIC_1           equ 0x20                ; command port; data port one above
PIC_2           equ 0xA0
PIT_CHANNEL_0   equ 0x40
PIT_COMMAND     equ 0x43
TIMER           equ 0x20                ; the vector of IRQ 0: 0 to 31 belong to exceptions
DIVISOR         equ 1193182 / 1000

%macro outb 2
        mov     al, %2
        out     %1, al
%endmacro

        lgdt    [gdt_register]
        lidt    [idt_register]

        outb    PIC_1, 0x11             ; ICW1: initialize, ICW4 follows
        outb    PIC_2, 0x11
        outb    PIC_1 + 1, TIMER        ; ICW2: the first vector
        outb    PIC_2 + 1, TIMER + 8
        outb    PIC_1 + 1, 4            ; ICW3: the second PIC is at IRQ 2 of the first
        outb    PIC_2 + 1, 2
        outb    PIC_1 + 1, 1            ; ICW4: 8086 mode
        outb    PIC_2 + 1, 1
        outb    PIC_1 + 1, 0xFE         ; mask all but IRQ 0
        outb    PIC_2 + 1, 0xFF

        outb    PIT_COMMAND, 0x34       ; channel 0, low byte then high byte, mode 2: a rate
        outb    PIT_CHANNEL_0, DIVISOR & 0xFF
        outb    PIT_CHANNEL_0, DIVISOR >> 8

        mov     rbx, 0x1234567890ABCDEF
        sti
.wait:  inc     qword [count]
        cmp     dword [ticks], 5
        jb      .wait
        cli
        mov     eax, [ticks]
        out     0xF4, al                ; the status; HLT would wait for ever

tick:   push    rax
        push    rbx
        xor     ebx, ebx                ; a handler may use what it saves
        inc     dword [ticks]
        cmp     dword [ticks], 5
        jb      .more
        outb    PIC_1 + 1, 0xFF         ; enough: mask the timer, so that a slow host sees five too
.more:  outb    PIC_1, 0x20             ; end of interrupt
        pop     rbx
        pop     rax
        iretq

count           dq 0
ticks           dd 0

        align   8
gdt:    dq      0
        dq      0x00209A0000000000
        dq      0x0000920000000000
gdt_register:
        dw      $ - gdt - 1
        dq      gdt
idt:    times   2 * TIMER dq 0
        dw      tick, 8, 0x8E00, 0
        dd      0, 0
idt_register:
        dw      $ - idt - 1
        dq      idt
