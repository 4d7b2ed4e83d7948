; From the mode a PC wakes up in to 64-bit long mode: real mode, protected mode, page tables, long
; mode. Every step is this guest's own work; a boot loader does the same.
;
;! load: 0x8000
;! expect: output = "real, protected, long"
;! expect: rax = 0x123456789ABCDEF0
;! expect: cs = 0x18
;! expect: cr0 = 0x80000011
;! expect: cr4 = 0x20
;! expect: efer = 0x500

        bits    16
        org     0x8000

PML4            equ 0x1000              ; three page tables of 4 KiB
PDPT            equ 0x2000
DIRECTORY       equ 0x3000
PRESENT_WRITABLE equ 3
LARGE_PAGE      equ 0x80                ; an entry of the directory maps 2 MiB by itself
EFER            equ 0xC0000080

%macro print 1
        mov     esi, %%text
        mov     ecx, %%end - %%text
        mov     dx, 0xE9
        rep     outsb
        jmp     %%end
%%text: db      %1
%%end:
%endmacro

        print   "real, "

        cli
        lgdt    [gdt_register]
        mov     eax, cr0
        or      al, 1                   ; CR0.PE
        mov     cr0, eax
        jmp     CODE32:protected_mode

        bits    32
protected_mode:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, 0x7000
        print   "protected, "

        mov     dword [PML4], PDPT | PRESENT_WRITABLE
        mov     dword [PDPT], DIRECTORY | PRESENT_WRITABLE
        mov     dword [DIRECTORY], 0 | PRESENT_WRITABLE | LARGE_PAGE

        mov     eax, cr4
        or      eax, 1 << 5             ; CR4.PAE: entries of 8 bytes
        mov     cr4, eax
        mov     eax, PML4
        mov     cr3, eax
        mov     ecx, EFER
        rdmsr
        or      eax, 1 << 8             ; EFER.LME: paging will mean long mode
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31            ; CR0.PG
        mov     cr0, eax                ; now in its 32-bit compatibility mode …
        jmp     CODE64:long_mode        ; … until CS is a 64-bit segment

        bits    64
long_mode:
        print   "long"
        mov     rax, 0x123456789ABCDEF0
        hlt

        align   8
gdt:    dq      0
CODE32  equ     $ - gdt
        dq      0x00CF9A000000FFFF      ; base 0, 4 GiB, code, 32 bits
DATA    equ     $ - gdt
        dq      0x00CF92000000FFFF      ; base 0, 4 GiB, data
CODE64  equ     $ - gdt
        dq      0x00209A0000000000      ; code, 64 bits: base and limit do not count
gdt_register:
        dw      $ - gdt - 1
        dd      gdt
