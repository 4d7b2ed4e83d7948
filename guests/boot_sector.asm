; A boot sector: the 512 bytes that a BIOS reads from a disk to 0x7C00 and jumps to, if they end in
; 0x55, 0xAA. It may count on nothing else, so it sets up its segments and its stack itself.
;
;! load: 0x7C00
;! set: dl = 0x80
;! expect: output = "Booted from drive 80\r\n"
;! expect: word [0x7DFE] = 0xAA55
;! expect: cs = 0
;! expect: sp = 0x7C00

        bits    16
        org     0x7C00

        jmp     0:start                 ; some BIOSes come with CS = 0x7C0, IP = 0
start:  xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7C00              ; grows down, away from the code
        cld

        mov     si, message
        call    print
        mov     al, dl                  ; the BIOS leaves the drive's number in DL
        call    print_hex
        mov     si, newline
        call    print
        cli
        hlt

; Prints the string at SI, up to a 0.
print:  lodsb
        test    al, al
        jz      .done
        out     0xE9, al
        jmp     print
.done:  ret

; Prints AL in hexadecimal.
print_hex:
        push    ax
        shr     al, 4
        call    .digit
        pop     ax
        and     al, 15
.digit: add     al, '0'
        cmp     al, '9'
        jbe     .put
        add     al, 'A' - '9' - 1
.put:   out     0xE9, al
        ret

message         db "Booted from drive ", 0
newline         db 13, 10, 0

        times   510 - ($ - $$) db 0
        dw      0xAA55
