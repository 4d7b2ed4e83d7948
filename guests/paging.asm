; Two names for one page: builds four levels of page tables with pages of 4 KiB, maps the addresses
; 0x40200000 and 0x7FFFF000 to the same RAM, and sees what is written by one name through the
; other. The CPU marks the entries it used: A for accessed, D for written.
;
;! mode: long
;! load: 0x8000
;! expect: rax = 0x1122334455667788
;! expect: qword [FRAME] = 0x1122334455667788
;! expect: qword [second] = 99
;! expect: byte [TABLE] = 0x63
;! expect: byte [OTHER_TABLE + 0xFF8] = 0x23
;! expect: byte [OTHER_TABLE] = 0

        bits    64
        org     0x8000

PML4            equ 0x10000
PDPT            equ 0x11000
DIRECTORY       equ 0x12000             ; for the first GiB: this program
NEW_DIRECTORY   equ 0x13000             ; for the second
TABLE           equ 0x14000
OTHER_TABLE     equ 0x15000
FRAME           equ 0x20000
SECOND_FRAME    equ 0x21000
PRESENT_WRITABLE equ 3
LARGE_PAGE      equ 0x80

; An address is 9 bits for each of the four tables, from the left, and 12 bits inside the page.
ALIAS           equ 0x40200000          ; 0, 1, 1, 0, 0
OTHER_ALIAS     equ 0x7FFFF000          ; 0, 1, 511, 511, 0

        mov     qword [PML4], PDPT | PRESENT_WRITABLE
        mov     qword [PDPT], DIRECTORY | PRESENT_WRITABLE
        mov     qword [PDPT + 8], NEW_DIRECTORY | PRESENT_WRITABLE
        mov     qword [DIRECTORY], 0 | PRESENT_WRITABLE | LARGE_PAGE
        mov     qword [NEW_DIRECTORY + 1 * 8], TABLE | PRESENT_WRITABLE
        mov     qword [NEW_DIRECTORY + 511 * 8], OTHER_TABLE | PRESENT_WRITABLE
        mov     qword [TABLE], FRAME | PRESENT_WRITABLE
        mov     qword [OTHER_TABLE + 511 * 8], FRAME | PRESENT_WRITABLE
        mov     eax, PML4
        mov     cr3, rax

        mov     edi, ALIAS
        mov     rax, 0x1122334455667788
        mov     [rdi], rax
        mov     esi, OTHER_ALIAS
        mov     rax, [rsi]

; A changed entry counts once the CPU has forgotten the old one.
        mov     qword [SECOND_FRAME], 99
        mov     qword [OTHER_TABLE + 511 * 8], SECOND_FRAME | PRESENT_WRITABLE
        invlpg  [rsi]
        mov     rbx, [rsi]
        mov     [second], rbx
        hlt

second          dq 0
