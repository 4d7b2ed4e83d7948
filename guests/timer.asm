; A clock: the timer chip (8254 PIT) ticks 1000 times a second, the interrupt controller (8259 PIC)
; turns a tick into vector 8, and the CPU sleeps in HLT between them. After ten ticks it stops.
;
;! irqchip: yes
;! load: 0x1000
;! expect: exit = status 10
;! expect: word [ticks] = 10
;! expect: word [woken] = 1..50

        bits    16
        org     0x1000

PIC_COMMAND     equ 0x20
PIC_DATA        equ 0x21
PIT_CHANNEL_0   equ 0x40
PIT_COMMAND     equ 0x43
STATUS          equ 0xF4
DIVISOR         equ 1193182 / 1000      ; the chip counts 1193182 times a second

        mov     word [8 * 4], tick
        mov     word [8 * 4 + 2], 0

        mov     al, 0x11                ; ICW1: initialize, ICW4 follows
        out     PIC_COMMAND, al
        mov     al, 8                   ; ICW2: IRQ 0 is vector 8, as a BIOS has it
        out     PIC_DATA, al
        mov     al, 4                   ; ICW3: the second PIC is at IRQ 2
        out     PIC_DATA, al
        mov     al, 1                   ; ICW4: 8086 mode
        out     PIC_DATA, al
        mov     al, ~1 & 0xFF           ; mask all but IRQ 0
        out     PIC_DATA, al

        mov     al, 0x34                ; channel 0, low byte then high byte, mode 2: a rate
        out     PIT_COMMAND, al
        mov     al, DIVISOR & 0xFF
        out     PIT_CHANNEL_0, al
        mov     al, DIVISOR >> 8
        out     PIT_CHANNEL_0, al

sleep:  sti                             ; takes effect after the next instruction: no tick is missed
        hlt                             ; waits for the interrupt, then goes on here
        cli
        ; Once a tick, or less often on a busy host. Where the host program interrupts KVM, HLT may
        ; also end for nothing (seen on Linux 6.1); if it did not wait, this would be thousands.
        inc     word [woken]
        cmp     word [ticks], 10
        jb      sleep
        mov     al, [ticks]
        out     STATUS, al              ; HLT would wait for ever

tick:   push    ax
        inc     word [ticks]
        cmp     word [ticks], 10
        jb      .more
        mov     al, 0xFF                ; enough: mask the timer, so that a slow host sees ten too
        out     PIC_DATA, al
.more:  mov     al, 0x20                ; end of interrupt: the PIC may send the next
        out     PIC_COMMAND, al
        pop     ax
        iret

ticks           dw 0
woken           dw 0
