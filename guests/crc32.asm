; CRC-32, as Ethernet, ZIP and PNG have it: builds the table of 256 remainders, then takes a step a
; byte. "123456789" is the input that everybody checks with.
;
;! mode: protected
;! expect: dword [checksum] = 0xCBF43926
;! expect: dword [of_nothing] = 0
;! expect: dword [table + 4] = 0x77073096
;! expect: dword [table + 1020] = 0x2D02EF8D

        bits    32

POLYNOMIAL      equ 0xEDB88320          ; bit 0 stands for the highest power

        xor     ebx, ebx
.entry: mov     eax, ebx
        mov     ecx, 8
.bit:   shr     eax, 1
        jnc     .even
        xor     eax, POLYNOMIAL
.even:  loop    .bit
        mov     [table + ebx * 4], eax
        inc     bl
        jnz     .entry

        mov     esi, input
        mov     ecx, input_end - input
        call    compute
        mov     [checksum], eax
        xor     ecx, ecx
        call    compute
        mov     [of_nothing], eax
        hlt

; EAX = the CRC of ECX bytes at ESI.
compute:
        mov     eax, -1
        jecxz   .done
.next:  movzx   edx, byte [esi]
        xor     dl, al
        shr     eax, 8
        xor     eax, [table + edx * 4]
        inc     esi
        loop    .next
.done:  not     eax
        ret

input           db "123456789"
input_end:
checksum        dd 0
of_nothing      dd -1
        align   4
table           times 256 dd 0
