; AVX: multiplies two vectors of eight numbers and adds up the products, eight at a time in the YMM
; registers, which an operating system has to switch on first (CR4.OSXSAVE, XSETBV). A CPU without
; AVX takes a loop instead, and so does a host that cannot run it: the program is in ring 3, where
; either makes an invalid opcode of it (#UD).
;
;! mode: long
;! load: 0x8000
;! expect: dword [product] = 120
;! expect: byte [used_avx] <= 1

        bits    64
        org     0x8000

PML4            equ 0x1000
PDPT            equ 0x2000
DIRECTORY       equ 0x3000
USER_PAGES      equ 7                   ; present, writable, user
LARGE_PAGE      equ 0x80
KERNEL_STACK    equ 0x7000
USER_STACK      equ 0x6000

XSAVE_AVX       equ 1 << 26 | 1 << 28   ; CPUID leaf 1, ECX
OSXSAVE         equ 1 << 18             ; of CR4
X87_SSE_AVX     equ 7                   ; of XCR0: the state that is switched on

        mov     qword [PML4], PDPT | USER_PAGES
        mov     qword [PDPT], DIRECTORY | USER_PAGES
        mov     qword [DIRECTORY], 0 | USER_PAGES | LARGE_PAGE
        mov     eax, PML4
        mov     cr3, rax
        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     ax, TSS
        ltr     ax

        mov     eax, 1
        cpuid
        and     ecx, XSAVE_AVX
        cmp     ecx, XSAVE_AVX
        jne     .user                   ; then the first AVX instruction is invalid
        mov     rax, cr4
        or      eax, OSXSAVE
        mov     cr4, rax
        xor     ecx, ecx                ; XCR0 = EDX:EAX
        xor     edx, edx
        mov     eax, X87_SSE_AVX
        xsetbv

.user:  push    USER_DATA | 3
        push    USER_STACK
        push    2
        push    USER_CODE | 3
        push    with_avx
        iretq

with_avx:
        vcvtdq2ps ymm0, [first]         ; eight integers become floating-point numbers
        vcvtdq2ps ymm1, [second]
        vmulps  ymm0, ymm1
        vextractf128 xmm1, ymm0, 1      ; the upper four are added to the lower four,
        vaddps  xmm0, xmm1
        vhaddps xmm0, xmm0              ; neighbours to neighbours,
        vhaddps xmm0, xmm0              ; and so again: one sum is left
        vcvttss2si eax, xmm0
        vzeroupper
        mov     byte [used_avx], 1
        int     DONE

without_avx:
        xor     eax, eax
        mov     ecx, 8
.next:  mov     edx, [first + rcx * 4 - 4]
        imul    edx, [second + rcx * 4 - 4]
        add     eax, edx
        loop    .next
        mov     byte [used_avx], 0
        int     DONE

invalid_opcode:
        mov     qword [rsp], without_avx
        iretq

done:   mov     [product], eax
        mov     esi, with
        mov     ecx, without - with
        cmp     byte [used_avx], 1
        je      .print
        mov     esi, without
        mov     ecx, product - without
.print: mov     dx, 0xE9
        rep     outsb
        hlt

with            db "with AVX", 10
without         db "without AVX", 10
product         dd 0
used_avx        db -1
        align   32
first           dd 1, 2, 3, 4, 5, 6, 7, 8
second          dd 8, 7, 6, 5, 4, 3, 2, 1

gdt:    dq      0
        dq      0x00209A0000000000      ; kernel code
        dq      0x0000920000000000      ; kernel data
USER_DATA       equ $ - gdt
        dq      0x0000F20000000000      ; data, ring 3
USER_CODE       equ $ - gdt
        dq      0x0020FA0000000000      ; code, 64 bits, ring 3
TSS             equ $ - gdt
        dw      0x67, task_state        ; see user_mode.asm
        db      0, 0x89, 0, 0
        dq      0
gdt_register:
        dw      $ - gdt - 1
        dq      gdt

task_state:
        dd      0
        dq      KERNEL_STACK
        times   0x68 - ($ - task_state) db 0

DONE            equ 0x20
idt:    times   2 * 6 dq 0
        dw      invalid_opcode, 8, 0x8E00, 0
        dd      0, 0
        times   2 * (DONE - 7) dq 0
        dw      done, 8, 0xEE00, 0      ; for INT in ring 3
        dd      0, 0
idt_register:
        dw      $ - idt - 1
        dq      idt
