; From real mode to protected mode: A20, a GDT made by macros, the far jump, and 32-bit code that
; writes to the screen and comes back.

bits 16
org 0x8000

%define SELECTOR(name) (gdt. %+ name - gdt)

; A segment descriptor: base, limit, access byte, flags.
%macro descriptor 4
    dw (%2) & 0xFFFF
    dw (%1) & 0xFFFF
    db ((%1) >> 16) & 0xFF
    db %3
    db (((%2) >> 16) & 0x0F) | ((%4) << 4)
    db ((%1) >> 24) & 0xFF
%endmacro

PRESENT     equ 0x80
SYSTEM      equ 0x10                ; code or data, not a system segment
EXECUTABLE  equ 0x08
WRITABLE    equ 0x02
PAGES       equ 8
BITS32      equ 4
CODE_ACCESS equ PRESENT | SYSTEM | EXECUTABLE | WRITABLE
DATA_ACCESS equ PRESENT | SYSTEM | WRITABLE
CR0_PE      equ 1

start:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, start
    call enable_a20
    jnz .no_a20
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    jmp dword SELECTOR(code32):protected
.no_a20:
    hlt
    jmp .no_a20

; Opens the A20 gate through port 0x92, then through the keyboard controller; ZF if it is open.
enable_a20:
    in al, 0x92
    or al, 2
    and al, ~1
    out 0x92, al
    call test_a20
    jz .done
    call .wait_command
    mov al, 0xD1
    out 0x64, al
    call .wait_command
    mov al, 0xDF
    out 0x60, al
    call .wait_command
    call test_a20
.done:
    ret
.wait_command:
    in al, 0x64
    test al, 2
    jnz .wait_command
    ret

test_a20:
    push ds
    push es
    xor ax, ax
    mov es, ax
    not ax
    mov ds, ax
    mov di, 0x0500
    mov si, 0x0510
    mov byte [es:di], 0
    mov byte [ds:si], 0xFF
    cmp byte [es:di], 0
    pop es
    pop ds
    ret

bits 32
protected:
    mov ax, SELECTOR(data32)
%macro load_all 1-*
%rep %0
    mov %1, ax
%rotate 1
%endrep
%endmacro
    load_all ds, es, fs, gs, ss
    mov esp, 0x9FC00
    mov esi, message
    mov edi, 0xB8000 + (80 * 12 + 30) * 2
    mov ah, 0x1F
.next:
    lodsb
    test al, al
    jz .done
    stosw
    jmp .next
.done:
    mov ecx, 100
    xor eax, eax
    lea edx, [eax + ecx * 4 + 8]
.sum:
    add eax, ecx
    loop .sum
    mov [result], eax
    imul eax, eax, 3
    movzx ebx, byte [message]
    bt ebx, 5
    setc [flag]
    cmovnc eax, [result]
    shld eax, ebx, 4
    jmp SELECTOR(code16):leave32

bits 16
leave32:
    mov ax, SELECTOR(data16)
    mov ds, ax
    mov ss, ax
    mov eax, cr0
    and al, ~CR0_PE
    mov cr0, eax
    jmp 0:.real
.real:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov ax, [result]
    hlt

    align 8
gdt:
    dq 0
.code32: descriptor 0, 0xFFFFF, CODE_ACCESS, PAGES | BITS32
.data32: descriptor 0, 0xFFFFF, DATA_ACCESS, PAGES | BITS32
.code16: descriptor 0, 0xFFFF, CODE_ACCESS, 0
.data16: descriptor 0, 0xFFFF, DATA_ACCESS, 0
.end:

gdt_pointer:
    dw gdt.end - gdt - 1
    dd gdt

message: db "In protected mode", 0
flag:    db 0
    align 4
result:  dd 0
