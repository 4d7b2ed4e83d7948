; The x87: a Mandelbrot set in text, sines by their series and by FSIN, square roots by Heron's
; method, numbers in all of its formats.

    bits 16
    org 0x100

COLUMNS    equ 64
ROWS       equ 24
ITERATIONS equ 26

struc environment
.control: resw 1
.status:  resw 1
.tag:     resw 1
.pointers: resb 8
endstruc

%macro constants 1-*
%rep %0 / 2
%1: dq %2
%rotate 2
%endrep
%endmacro

%macro print_char 1
    mov dl, %1
    mov ah, 2
    int 0x21
%endmacro

start:
    fninit
    fnstcw [saved + environment.control]
    mov ax, [saved + environment.control]
    or ax, 0x0C00                   ; round towards zero
    mov [chopped], ax
    fldcw [chopped]

    mov word [row], 0
.next_row:
    mov word [column], 0
.next_column:
    ; c = left + column × step, top − row × step
    fild word [column]
    fmul qword [step_x]
    fadd qword [left]
    fild word [row]
    fmul qword [step_y]
    fsubr qword [top]
    fldz
    fldz                            ; zy, zx, cy, cx
    mov cx, ITERATIONS
.iterate:
    fld st1                         ; zx
    fmul st0
    fld st1                         ; zy
    fmul st0, st0
    fld st0
    fadd st2                        ; |z|²
    fcomp dword [four]
    fnstsw ax
    sahf
    ja .escaped
    fsubp st1, st0                  ; zx² − zy²
    fadd st0, st4
    fxch st0, st2
    fmulp st1, st0
    fadd st0, st0
    fadd st0, st2
    loop .iterate
    jmp .draw
.escaped:
    fstp st0
    fstp st0
.draw:
    fcompp
    fcompp
    mov bx, cx
    print_char [palette + bx]
    inc word [column]
    cmp word [column], COLUMNS
    jb .next_column
    print_char 13
    print_char 10
    inc word [row]
    cmp word [row], ROWS
    jb .next_row

    call sines
    call roots
    call formats
    fldcw [saved + environment.control]
    fwait
    mov ax, 0x4C00
    int 0x21

; x − x³/3! + x⁵/5! − …, against FSIN
sines:
    fld qword [angle]
    fld st0
    fmul st0, st0
    fchs                            ; −x²
    fld st1                         ; the term
    fld st0                         ; the sum
    mov word [number], 1
.term:
    fxch
    fmul st0, st2
    inc word [number]
    fidiv word [number]
    inc word [number]
    fidiv word [number]
    fadd st1, st0
    fxch
    cmp word [number], 21
    jb .term
    fstp qword [sine]
    fstp st0
    fstp st0
    fsin
    fcom qword [sine]
    fsub qword [sine]
    fabs
    fstp qword [difference]
    fldpi
    fsincos
    fpatan
    fptan
    fstp st1
    f2xm1
    fstp tword [extended]
    ret

; y = (y + x/y) / 2
roots:
    fld qword [angle]
    fld1
    mov cx, 8
.step:
    fld st1
    fdiv st0, st1
    faddp
    fld1
    fchs
    fxch
    fscale
    fstp st1
    loop .step
    fxch
    fsqrt
    fucompp
    fstsw [saved + environment.status]
    ret

formats:
    fld dword [four]
    fld tword [extended]
    fild qword [big]
    fbld [packed]
    fbstp [packed]
    fistp qword [big]
    fist dword [small]
    fisttp word [number]
    fstp tword [extended]
    fldl2t
    fldl2e
    fyl2x
    fldlg2
    fldln2
    fyl2xp1
    fxtract
    fprem
    fprem1
    frndint
    ftst
    fxam
    fnclex
    ffree st3
    fdecstp
    fincstp
    fnop
    fiadd word [number]
    ficomp dword [small]
    fsubrp st2, st0
    fdivr st0, st3
    fdivrp st3
    fcmovb st0, st1
    fcmovnu st0, st5
    fcomi st0, st2
    fucomip st0, st1
    fnstenv [saved]
    fldenv [saved]
    fnsave [state]
    frstor [state]
    ret

    align 8
constants left, -2.25, top, 1.25, step_x, 0.046875, step_y, 0.104166666666666667, angle, 0.7
four:     dd 4.0
extended: dt 1.1, 3.14159265358979323846
packed:   dt 123456789012345678p
big:      dq 0x7FFFFFFFFFFFFFFF
small:    dd 0
number:   dw 0
sine:     dq 0.0
difference: dq 1.0e-10
half:     dw 1.5, -0.0, 65504.0
special:  dd __Infinity__, -__Infinity__, __?QNaN?__
          dq __?SNaN?__, 0x1.8p3, 1_000.5e-2
row:      dw 0
column:   dw 0
chopped:  dw 0
saved:    istruc environment
          at .tag, dw -1
          iend
palette:  db " .:-=+*#%@", "abcdefghijklmnopqrstuvwxyz"
state:    times 94 db 0
