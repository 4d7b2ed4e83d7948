; Goes from real mode to 32-bit protected mode: loads a table of segment descriptors, sets CR0.PE and
; makes a far jump, which loads CS with a descriptor. From there on it reaches beyond 1 MiB.
;
;! load: 0x1000
;! ram: 4M
;! expect: dword [0x300000] = 0x12345678
;! expect: cs = 8
;! expect: ds = 16
;! expect: cr0 = 0x11
;! expect: eax = 0x10000
;! expect: word [limit] = 23

        bits    16
        org     0x1000

        cli                             ; the vectors at address 0 are of no use in protected mode
        lgdt    [gdt_register]
        mov     eax, cr0
        or      al, 1                   ; CR0.PE
        mov     cr0, eax
        jmp     CODE:protected

        bits    32
protected:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, 0x7000
        mov     dword [0x300000], 0x12345678
        sgdt    [limit]
        mov     eax, 0xFFFF
        inc     eax                     ; 32 bits: no wrap-around at 64 KiB
        hlt

        align   8
gdt:    dq      0                       ; the first descriptor is never used
CODE    equ     $ - gdt
        dw      0xFFFF, 0               ; limit 0-15, base 0-15
        db      0, 0x9A, 0xCF, 0        ; base 16-23; present, code; 4 KiB units, 32 bits; base 24-31
DATA    equ     $ - gdt
        dw      0xFFFF, 0
        db      0, 0x92, 0xCF, 0        ; the same, but data
gdt_register:
        dw      $ - gdt - 1
        dd      gdt

limit           dw 0, 0, 0
