; Says hello on the first serial port, a 16550: sets 115200 baud, 8 bits, no parity, and before each
; character polls the line status register until the transmitter is empty.
;
;! expect: output = "Hello, serial port!\r\n"
;! expect: byte [scratch] = 0xA5
;! expect: byte [latch] = 1
;! expect: byte [line] = 3

        bits    16

COM1            equ 0x3F8
DATA            equ COM1                ; with DLAB set: the divisor's low byte
ENABLE          equ COM1 + 1            ; with DLAB set: its high byte
LINE_CONTROL    equ COM1 + 3
LINE_STATUS     equ COM1 + 5
SCRATCH         equ COM1 + 7
DLAB            equ 0x80
EMPTY           equ 0x20

        mov     dx, SCRATCH             ; is there a 16550 at all?
        mov     al, 0xA5
        out     dx, al
        xor     al, al
        in      al, dx
        mov     [scratch], al

        mov     dx, ENABLE
        xor     al, al                  ; no interrupts
        out     dx, al
        mov     dx, LINE_CONTROL
        mov     al, DLAB
        out     dx, al
        mov     dx, DATA
        mov     al, 1                   ; 115200 / 1
        out     dx, al
        in      al, dx
        mov     [latch], al
        mov     dx, ENABLE
        xor     al, al
        out     dx, al
        mov     dx, LINE_CONTROL
        mov     al, 3                   ; 8 bits, no parity, one stop bit; DLAB off
        out     dx, al
        in      al, dx
        mov     [line], al

        mov     si, hello
next:   lodsb
        test    al, al
        jz      done
        mov     ah, al
        mov     dx, LINE_STATUS
.wait:  in      al, dx
        test    al, EMPTY
        jz      .wait
        mov     dx, DATA
        mov     al, ah
        out     dx, al
        jmp     next
done:   hlt

hello           db "Hello, serial port!", 13, 10, 0
scratch         db 0
latch           db 0
line            db 0
