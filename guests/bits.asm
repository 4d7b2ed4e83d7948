; Bit by bit: counts, finds, tests and turns bits around, by arithmetic that every CPU has and by the
; instructions made for it.
;
;! mode: long
;! expect: qword [ones] = 32
;! expect: qword [lowest] = 4
;! expect: qword [highest] = 60
;! expect: byte [none] = 1
;! expect: qword [isolated] = 0x10
;! expect: qword [reversed] = 0x0F7B3D591E6A2C48
;! expect: qword [swapped] = 0x9A78563412F0DEBC
;! expect: qword [double] = 0x9ABCDEF012345678
;! expect: word [bitmap] = 0x8005
;! expect: byte [was_set] = 1
;! expect: byte [was_clear] = 0

        bits    64

NUMBER  equ     0x123456789ABCDEF0

        mov     rax, NUMBER
        xor     ecx, ecx                ; Kernighan: x & (x - 1) clears the lowest one
.count: test    rax, rax
        jz      .counted
        lea     rbx, [rax - 1]
        and     rax, rbx
        inc     ecx
        jmp     .count
.counted:
        mov     [ones], rcx

        mov     rax, NUMBER
        bsf     rbx, rax
        mov     [lowest], rbx
        bsr     rbx, rax
        mov     [highest], rbx
        xor     ebx, ebx
        bsf     rcx, rbx                ; no bit at all: ZF says so, the result means nothing
        setz    [none]
        mov     rbx, rax
        neg     rbx
        and     rbx, rax                ; x & -x
        mov     [isolated], rbx

        mov     rbx, rax                ; bit 0 becomes bit 63: out to the right, in from the right
        mov     ecx, 64
.turn:  shr     rbx, 1
        rcl     rdx, 1
        loop    .turn
        mov     [reversed], rdx

        mov     rbx, rax
        bswap   rbx                     ; the bytes in the other order
        rol     rbx, 24
        mov     [swapped], rbx

        mov     rdx, rax
        mov     rbx, rax
        shld    rdx, rbx, 32            ; shifts left, and the upper bits of RBX in
        mov     [double], rdx

        bts     word [bitmap], 0        ; sets a bit; CF is the one before
        bts     word [bitmap], 2
        setc    [was_clear]
        mov     ax, 15
        bts     [bitmap], ax
        btr     word [bitmap], 4
        setc    [was_set]
        hlt

        align   8
ones            dq 0
lowest          dq 0
highest         dq 0
isolated        dq 0
reversed        dq 0
swapped         dq 0
double          dq 0
bitmap          dw 0x10
none            db 0xFF
was_set         db 0xFF
was_clear       db 0xFF
