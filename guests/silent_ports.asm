; Reads where there is no device: a port and an address that nobody answers give all ones, as on a
; bus where no one drives the lines, and what is written there is lost. So PCs look for hardware.
;
;! mode: protected
;! io: ignore
;! expect: al = 0xFF
;! expect: bx = 0xFFFF
;! expect: ecx = 0xFFFFFFFF
;! expect: edx = 0xFFFFFFFF
;! expect: esi = 0xFFFF1234

        bits    32

NOBODY          equ 0xD0000000          ; between the RAM and 4 GiB lie devices, if any

        in      ax, 0x99
        mov     ebx, eax
        in      eax, 0x9C
        mov     ecx, eax
        mov     dword [NOBODY], 42
        mov     edx, [NOBODY]
        mov     esi, -1
        mov     si, [NOBODY + 2]
        mov     si, 0x1234
        xor     eax, eax
        in      al, 0x99
        hlt
