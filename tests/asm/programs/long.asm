; From real mode straight to long mode: identity-mapped page tables with large pages, EFER, CR0, and
; 64-bit code that uses what only long mode has.

bits 16
org 0x7c00

PAGE_TABLES equ 0x1000
PML4        equ PAGE_TABLES
PDPT        equ PAGE_TABLES + 0x1000
PD          equ PAGE_TABLES + 0x2000

PTE_PRESENT  equ 1 << 0
PTE_WRITABLE equ 1 << 1
PTE_LARGE    equ 1 << 7

MSR_EFER equ 0xC0000080
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11
CR0_PE   equ 1 << 0
CR0_WP   equ 1 << 16
CR0_PG   equ 1 << 31
CR4_PSE  equ 1 << 4
CR4_PAE  equ 1 << 5
CR4_PGE  equ 1 << 7

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, start

    ; Is there long mode at all?
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb .none
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jc tables
.none:
    hlt
    jmp .none

tables:
    mov edi, PAGE_TABLES
    mov cr3, edi
    xor eax, eax
    mov ecx, 3 * 0x1000 / 4
    rep stosd
    mov dword [PML4], PDPT | PTE_PRESENT | PTE_WRITABLE
    mov dword [PDPT], PD | PTE_PRESENT | PTE_WRITABLE
    mov edi, PD
    mov eax, PTE_PRESENT | PTE_WRITABLE | PTE_LARGE
    mov cx, 512
.next:
    mov [di], eax
    add eax, 0x200000
    add di, 8
    loop .next

    mov eax, cr4
    or eax, CR4_PAE | CR4_PGE
    mov cr4, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, cr0
    or eax, CR0_PG | CR0_PE | CR0_WP
    mov cr0, eax
    lgdt [gdt.pointer]
    jmp gdt.code:long_mode

bits 64
default rel
long_mode:
    mov eax, gdt.data
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov rsp, 0x7c00
    mov rax, 0x123456789ABCDEF0
    mov [value], rax
    mov rbx, [value]
    bswap rbx
    mov r8, rbx
    mov r9d, 0xFFFFFFFF
    mov r10, -1
    cmp r9, r10
    setne r11b
    movzx r11, r11b
    lea r12, [r8 + r9 * 8 + 0x40]
    lea r13, [rel message]
    mov r14, message
    sub r13, r14
    jnz fail
    mov rcx, [abs value]
    xor edx, edx
    mov rax, rbx
    mov ecx, 10
    div rcx
    mov [quotient], rax
    mov [remainder], rdx
    movsxd rdi, dword [minus]
    cmp rdi, -5
    jne fail
    mov qword [minus64], -5
    push qword [minus64]
    pop rsi
    sub rsi, rdi
    jnz fail
    call .routine
    mov edi, 0xB8000
    lea rsi, [message]
    mov ah, 0x2F
.print:
    lodsb
    test al, al
    jz .end
    stosw
    jmp .print
.end:
    swapgs
    syscall_frame equ 0
    cli
    hlt
    jmp .end
.routine:
    push rbp
    mov rbp, rsp
    sub rsp, 32
    mov [rbp - 8], r8
    mov [rbp - 16], r9
    xchg r8, [rbp - 16]
    lock cmpxchg [value], r9
    lock xadd [value], r10
    mov rsp, rbp
    pop rbp
    ret

fail:
    ud2

    align 16
gdt:
    dq 0
.code equ $ - gdt
    dq 0x00209A0000000000
.data equ $ - gdt
    dq 0x0000920000000000
.pointer:
    dw $ - gdt - 1
    dd gdt

message:   db "In long mode", 0
minus:     dd -5
    align 8, db 0
value:     dq 0
quotient:  dq 0
remainder: dq 0
minus64:   dq 0

    times 510 - ($ - $$) db 0
    dw 0xAA55
