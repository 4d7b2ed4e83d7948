; 4×4 matrices and vectors with SSE: multiplication, transposition, dot and cross products,
; normalization, determinants of 2×2 in pairs, and the same product in double precision with SSE2.

    bits 64
    default rel
    org 0x200000

%use fp

MATRIX_SIZE equ 64

; A matrix from its 16 elements.
%macro matrix 16
%rep 16
    dd %1
%rotate 1
%endrep
%endmacro

; dot: the four products of %1 and %2 summed into every element of %1.
%macro dot 2-3 xmm15
    mulps %1, %2
    movaps %3, %1
    shufps %3, %1, 0b10110001
    addps %1, %3
    movaps %3, %1
    shufps %3, %1, 0b01001110
    addps %1, %3
%endmacro

start:
    mov rax, cr0
    and ax, 0xFFFB                  ; no emulation of the coprocessor
    or ax, 2
    mov cr0, rax
    mov rax, cr4
    or ax, 3 << 9                   ; OSFXSR, OSXMMEXCPT
    mov cr4, rax
    ldmxcsr [control]

    lea rdi, [product]
    lea rsi, [left]
    lea rdx, [right]
    call multiply
    lea rdi, [product]
    call transpose
    lea rdi, [product_double]
    lea rsi, [left]
    lea rdx, [right]
    call multiply_double
    movaps xmm0, [vector]
    movaps xmm1, [vector + 16]
    dot xmm0, xmm1
    movss [scalars], xmm0
    movaps xmm0, [vector]
    movaps xmm1, [vector + 16]
    call cross
    movaps [result], xmm0
    movaps xmm0, [vector]
    call normalize
    movups [result + 16], xmm0
    call conversions
    call integers
    hlt

; RDI = RSI × RDX
multiply:
    movaps xmm4, [rdx]
    movaps xmm5, [rdx + 16]
    movaps xmm6, [rdx + 32]
    movaps xmm7, [rdx + 48]
%assign row 0
%rep 4
%assign column 0
%rep 4
    movss xmm%[column], [rsi + row * 16 + column * 4]
    shufps xmm%[column], xmm%[column], 0
%assign factor column + 4
    mulps xmm%[column], xmm%[factor]
%assign column column + 1
%endrep
    addps xmm0, xmm1
    addps xmm2, xmm3
    addps xmm0, xmm2
    movaps [rdi + row * 16], xmm0
%assign row row + 1
%endrep
    ret

; Transposes the matrix at RDI.
transpose:
    movaps xmm0, [rdi]
    movaps xmm1, [rdi + 16]
    movaps xmm2, [rdi + 32]
    movaps xmm3, [rdi + 48]
    movaps xmm4, xmm0
    unpcklps xmm0, xmm1
    unpckhps xmm4, xmm1
    movaps xmm5, xmm2
    unpcklps xmm2, xmm3
    unpckhps xmm5, xmm3
    movaps xmm1, xmm0
    movlhps xmm0, xmm2
    movhlps xmm2, xmm1
    movaps xmm3, xmm4
    movlhps xmm4, xmm5
    movhlps xmm5, xmm3
    movaps [rdi], xmm0
    movaps [rdi + 16], xmm2
    movaps [rdi + 32], xmm4
    movaps [rdi + 48], xmm5
    ret

multiply_double:
    xor ecx, ecx
.row:
%assign half 0
%rep 2
    xorpd xmm%[half], xmm%[half]
%assign half half + 1
%endrep
    xor r8d, r8d
.inner:
    cvtss2sd xmm2, [rsi]
    unpcklpd xmm2, xmm2
    mov rax, r8
    shl rax, 4
    cvtps2pd xmm3, [rdx + rax]
    cvtps2pd xmm4, [rdx + rax + 8]
    mulpd xmm3, xmm2
    mulpd xmm4, xmm2
    addpd xmm0, xmm3
    addpd xmm1, xmm4
    add rsi, 4
    inc r8d
    cmp r8d, 4
    jb .inner
    movapd [rdi], xmm0
    movupd [rdi + 16], xmm1
    add rdi, 32
    inc ecx
    cmp ecx, 4
    jne .row
    ret

; XMM0 × XMM1
cross:
    movaps xmm2, xmm0
    movaps xmm3, xmm1
    shufps xmm0, xmm0, 0xC9
    shufps xmm1, xmm1, 0xD2
    mulps xmm0, xmm1
    shufps xmm2, xmm2, 0xD2
    shufps xmm3, xmm3, 0xC9
    mulps xmm2, xmm3
    subps xmm0, xmm2
    ret

; XMM0 of length 1: an estimate, and one step of Newton's.
normalize:
    movaps xmm1, xmm0
    dot xmm1, xmm1, xmm2
    rsqrtps xmm2, xmm1
    movaps xmm3, xmm2
    mulps xmm3, xmm3
    mulps xmm3, xmm1
    movaps xmm4, [three]
    subps xmm4, xmm3
    mulps xmm2, xmm4
    mulps xmm2, [half_of_one]
    mulps xmm0, xmm2
    comiss xmm1, [half_of_one]
    jp .unordered
    cmpltps xmm1, xmm4
    movmskps eax, xmm1
    andnps xmm1, xmm4
    orps xmm1, xmm0
    maxps xmm1, xmm0
    minss xmm1, xmm2
    sqrtps xmm3, xmm1
    divps xmm3, xmm0
    rcpss xmm3, xmm3
.unordered:
    ret

conversions:
    cvtsi2ss xmm0, dword [scalars]
    cvtsi2sd xmm1, rax
    cvttss2si eax, xmm0
    cvtsd2si rcx, xmm1
    cvtdq2ps xmm2, [vector]
    cvttps2dq xmm3, xmm2
    cvtps2dq xmm8, [rsi + 16]
    movd xmm9, eax
    movq xmm10, rcx
    movq [scalars], xmm10
    movd ecx, xmm9
    movq rdx, xmm10
    movntps [rdi], xmm0
    movnti [rdi], eax
    sfence
    prefetcht0 [rsi]
    stmxcsr [control]
    ret

integers:
    movdqa xmm0, [vector]
    movdqu xmm1, [rsi + rcx * 4 - 16]
    paddd xmm0, xmm1
    psubw xmm0, xmm1
    pmullw xmm0, [vector + 16]
    pmuludq xmm2, xmm3
    pcmpeqb xmm4, xmm4
    pxor xmm5, xmm5
    psrldq xmm4, 4
    pslld xmm4, 31
    psraw xmm4, xmm0
    pshufd xmm6, xmm0, 0x1B
    pshuflw xmm7, xmm6, 0b11100100
    punpcklbw xmm0, xmm5
    packuswb xmm0, xmm0
    pmovmskb eax, xmm0
    pextrw edx, xmm0, 3
    pinsrw xmm0, edx, 5
    pshufb xmm0, [vector]
    phaddd xmm0, xmm1
    pabsw xmm0, xmm9
    palignr xmm0, xmm1, 4
    pmulld xmm0, xmm1
    pblendw xmm0, xmm1, 0x55
    roundps xmm0, xmm1, 3
    dpps xmm0, xmm1, 0xF1
    ptest xmm0, xmm1
    pextrd eax, xmm0, 1
    pinsrq xmm0, rax, 1
    insertps xmm0, xmm1, 0x10
    pcmpistri xmm0, xmm1, 0x18
    popcnt eax, ecx
    ret

    align 16, db 0
left:
    matrix 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0
right:
    matrix 0.5, 0.25, 0.125, 0.0625, -1.0, -2.0, -3.0, -4.0, \
           1.0e3, 1.0e-3, 1.5e9, 3.4028235e38, 0.1, 0.2, 0.3, 1.17549435e-38
vector:
    dd 3.0, 4.0, 12.0, 0.0
    dd -1.5, 2.25, float32(0.75), 1.0
three:       times 4 dd 3.0
half_of_one: times 4 dd 0.5
doubles:     dq 3.141592653589793, float64(-2.718281828459045), 1e-300, Inf, -Inf
control:     dd 0x1F80

    align 16, resb 1
product:        resb MATRIX_SIZE
product_double: resb MATRIX_SIZE * 2
result:         resd 8
scalars:        resq 2
