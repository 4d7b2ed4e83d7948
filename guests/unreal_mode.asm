; Real mode with 32-bit addresses: a segment register keeps the limit it got in protected mode, even
; after the return, until it is loaded there again. Boot loaders copied kernels above 1 MiB this way.
;
;! load: 0x1000
;! ram: 4M
;! expect: dword [0x200000] = 0x12345678
;! expect: ds = 0x20
;! expect: word [0x700] = 0xCAFE
;! expect: cr0 = 0x10

        bits    16
        org     0x1000

        cli
        lgdt    [gdt_register]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        mov     bx, 8
        mov     ds, bx                  ; a data segment of 4 GiB
        and     al, ~1
        mov     cr0, eax
        jmp     0:real                  ; real mode again
real:   mov     ebx, 0x200000
        mov     dword [ebx], 0x12345678 ; beyond the 64 KiB of a real-mode segment
        mov     bx, 0x20
        mov     ds, bx                  ; a new base, 0x200; the limit stays
        mov     word [0x500], 0xCAFE
        hlt

        align   8
gdt:    dq      0
        dq      0x00CF92000000FFFF
gdt_register:
        dw      $ - gdt - 1
        dd      gdt
