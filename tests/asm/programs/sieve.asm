; The sieve of Eratosthenes as a DOS program: the primes below 4096, printed in columns. A table of
; the first ones is also worked out by the preprocessor and compared.

    org 0x100
    cpu 186

LIMIT   equ 4096
COLUMNS equ 10

section .text

start:
    mov di, sieve
    mov cx, LIMIT
    mov al, 1
    cld
    rep stosb
    mov word [sieve], 0             ; 0 and 1 are no primes

    mov bx, 2
.outer:
    cmp byte [sieve + bx], 0
    je .next
    mov ax, bx
    mul bx
    test dx, dx
    jnz .counted
    cmp ax, LIMIT
    jae .counted
    mov si, ax
.strike:
    mov byte [si + sieve], 0
    add si, bx
    cmp si, LIMIT
    jb .strike
.next:
    inc bx
    jmp .outer

.counted:
    xor bx, bx
    xor bp, bp
    mov si, first_primes
.print:
    cmp byte [sieve + bx], 1
    jne .skip
    inc bp
    cmp si, first_primes.end
    jae .trusted
    cmp [si], bx
    jne mismatch
    add si, 2
.trusted:
    mov ax, bx
    call print_number
    mov ax, bp
    xor dx, dx
    mov cx, COLUMNS
    div cx
    test dx, dx
    jnz .skip
    mov dx, line_end
    mov ah, 9
    int 0x21
.skip:
    inc bx
    cmp bx, LIMIT
    jb .print
    mov [count], bp
    mov ax, 0x4C00
    int 0x21

mismatch:
    mov dx, wrong
    mov ah, 9
    int 0x21
    mov ax, 0x4C01
    int 0x21

; Prints AX right-aligned in six columns.
print_number:
    pusha
    mov di, number + 6
    mov cx, 6
.digit:
    dec di
    xor dx, dx
    mov bx, 10
    div bx
    add dl, '0'
    mov [di], dl
    dec cx
    test ax, ax
    jnz .digit
    jcxz .full
.blank:
    dec di
    mov byte [di], ' '
    loop .blank
.full:
    mov dx, number
    mov ah, 9
    int 0x21
    popa
    ret

section .data

line_end: db 13, 10, '$'
wrong:    db "The tables differ", 13, 10, '$'
number:   times 6 db ' '
          db '$'
    align 2, db 0
count:    dw 0

first_primes:
%assign candidate 2
%rep 200
    %assign is_prime 1
    %assign divisor 2
    %rep 20
        %if divisor * divisor > candidate
            %exitrep
        %endif
        %if candidate % divisor == 0
            %assign is_prime 0
            %exitrep
        %endif
        %assign divisor divisor + 1
    %endrep
    %if is_prime
    dw candidate
    %endif
    %assign candidate candidate + 1
%endrep
.end:
.count equ (.end - first_primes) / 2

section .bss

sieve: resb LIMIT
stack: resw 128
