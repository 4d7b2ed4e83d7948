; Exceptions in long mode: #UD, and #PF with CR2, the address that was not mapped, and an error code
; that tells a write from a read. The handler maps the page, and the same instruction then succeeds:
; memory on demand.
;
;! mode: long
;! load: 0x8000
;! expect: qword [invalid_at] = 0
;! expect: qword [fault_address] = 0x40000010
;! expect: qword [fault_error] = 2
;! expect: dword [faults] = 1
;! expect: qword [0x100010] = 42
;! expect: rbx = 42
;! expect: rsp = 0x200000

        bits    64
        org     0x8000

PML4            equ 0x1000
PDPT            equ 0x2000
DIRECTORY       equ 0x3000
NEW_DIRECTORY   equ 0x4000
NEW_TABLE       equ 0x5000
FRAME           equ 0x100000            ; the RAM that the handler gives
PRESENT_WRITABLE equ 3
LARGE_PAGE      equ 0x80

        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     qword [PML4], PDPT | PRESENT_WRITABLE
        mov     qword [PDPT], DIRECTORY | PRESENT_WRITABLE
        mov     qword [DIRECTORY], 0 | PRESENT_WRITABLE | LARGE_PAGE
        mov     eax, PML4
        mov     cr3, rax

invalid:
        ud2
        mov     edi, 0x40000010         ; 1 GiB and 16 bytes: nothing is mapped there
        mov     qword [rdi], 42
        mov     rbx, [rdi]
        hlt

; [RSP] RIP, then CS, RFLAGS, RSP and SS: long mode always pushes all five.
invalid_opcode:
        mov     rax, [rsp]
        sub     rax, invalid
        mov     [invalid_at], rax
        add     qword [rsp], 2          ; UD2 has two bytes
        iretq

page_fault:
        pop     qword [fault_error]     ; bit 0: the page was there; bit 1: a write; bit 2: user mode
        inc     dword [faults]
        mov     rax, cr2
        mov     [fault_address], rax
        mov     qword [PDPT + 8], NEW_DIRECTORY | PRESENT_WRITABLE
        mov     qword [NEW_DIRECTORY], NEW_TABLE | PRESENT_WRITABLE
        mov     qword [NEW_TABLE], FRAME | PRESENT_WRITABLE
        iretq                           ; back to the instruction that failed

invalid_at      dq -1
fault_address   dq 0
fault_error     dq 0
faults          dd 0

        align   8
gdt:    dq      0
CODE    equ     $ - gdt
        dq      0x00209A0000000000
        dq      0x0000920000000000
gdt_register:
        dw      $ - gdt - 1
        dq      gdt

; A gate: offset 0-15, selector, present interrupt gate, offset 16-31, offset 32-63.
%macro gate 1
        dw      %1, CODE, 0x8E00, 0
        dd      0, 0
%endmacro
idt:    times   2 * 6 dq 0
        gate    invalid_opcode
        times   2 * 7 dq 0
        gate    page_fault
idt_register:
        dw      $ - idt - 1
        dq      idt
