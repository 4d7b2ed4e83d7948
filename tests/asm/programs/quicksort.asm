; Quicksort, insertion sort for short runs, a heap sort and a binary search over 64-bit numbers.

    bits 64
    default rel
    org 0x400000

SMALL equ 12
COUNT equ 64

; call_with routine, arguments…: in the registers of the System V convention.
%macro call_with 1-5
%if %0 > 4
    mov rcx, %5
%endif
%if %0 > 3
    mov rdx, %4
%endif
%if %0 > 2
    mov rsi, %3
%endif
%if %0 > 1
    mov rdi, %2
%endif
    call %1
%endmacro

%macro swap 2 ; two memory operands
    mov r10, %1
    mov r11, %2
    mov %2, r10
    mov %1, r11
%endmacro

start:
    lea rbx, [numbers]
    call_with shuffle, rbx, COUNT, 0x2545F4914F6CDD1D
    lea rsi, [rbx + 8 * (COUNT - 1)]
    call_with quicksort, rbx, rsi
    call_with is_sorted, rbx, COUNT
    test al, al
    jz .failed
    call_with search, rbx, COUNT, 17
    mov [place], rax
    call_with shuffle, rbx, COUNT, 88172645463325252
    call_with heapsort, rbx, COUNT
    call_with is_sorted, rbx, COUNT
    test al, al
    jz .failed
    mov eax, 0
    hlt
.failed:
    mov eax, 1
    hlt

; xorshift64 permutes the numbers.
shuffle:
    mov rax, rdx
.next:
    mov r8, rax
    shl r8, 13
    xor rax, r8
    mov r8, rax
    shr r8, 7
    xor rax, r8
    mov r8, rax
    shl r8, 17
    xor rax, r8
    push rax
    xor edx, edx
    div rsi
    pop rax
    dec rsi
    jz .done
    swap [rdi + rdx * 8], [rdi + rsi * 8]
    jmp .next
.done:
    ret

; Sorts from RDI to RSI, both inclusive.
quicksort:
    mov rax, rsi
    sub rax, rdi
    cmp rax, SMALL * 8
    jb insertion
    ; The median of three becomes the pivot.
    shr rax, 4
    lea rdx, [rdi + rax * 8]
    mov r8, [rdi]
    mov r9, [rsi]
    cmp r8, r9
    jle .ordered
    xchg r8, r9
.ordered:
    mov rax, [rdx]
    cmp rax, r8
    cmovl rax, r8
    cmp rax, r9
    cmovg rax, r9
    mov r8, rdi
    mov r9, rsi
.partition:
    cmp [r8], rax
    jge .right
    add r8, 8
    jmp .partition
.right:
    cmp [r9], rax
    jle .both
    sub r9, 8
    jmp .right
.both:
    cmp r8, r9
    ja .split
    swap [r8], [r9]
    add r8, 8
    sub r9, 8
    cmp r8, r9
    jbe .partition
.split:
    push r8
    push rsi
    mov rsi, r9
    cmp rdi, rsi
    jae .upper
    call quicksort
.upper:
    pop rsi
    pop rdi
    cmp rdi, rsi
    jb quicksort
    ret

insertion:
    lea rcx, [rdi + 8]
.outer:
    cmp rcx, rsi
    ja .done
    mov rax, [rcx]
    mov rdx, rcx
.inner:
    cmp rdx, rdi
    jbe .place
    mov r8, [rdx - 8]
    cmp r8, rax
    jle .place
    mov [rdx], r8
    sub rdx, 8
    jmp .inner
.place:
    mov [rdx], rax
    add rcx, 8
    jmp .outer
.done:
    ret

heapsort:
    mov rcx, rsi
    shr rcx, 1
.build:
    dec rcx
    js .extract
    mov rdx, rcx
    call sift
    jmp .build
.extract:
    dec rsi
    jle .done
    swap [rdi], [rdi + rsi * 8]
    xor edx, edx
    call sift
    jmp .extract
.done:
    ret

; Lets number RDX of the heap at RDI with RSI numbers sink.
sift:
    lea rax, [rdx * 2 + 1]
    cmp rax, rsi
    jae .done
    lea r8, [rax + 1]
    cmp r8, rsi
    jae .single
    mov r9, [rdi + r8 * 8]
    cmp r9, [rdi + rax * 8]
    cmovg rax, r8
.single:
    mov r9, [rdi + rax * 8]
    cmp r9, [rdi + rdx * 8]
    jle .done
    swap [rdi + rdx * 8], [rdi + rax * 8]
    mov rdx, rax
    jmp sift
.done:
    ret

is_sorted:
    mov al, 1
.next:
    dec rsi
    jz .done
    mov rdx, [rdi]
    add rdi, 8
    cmp rdx, [rdi]
    jle .next
    xor eax, eax
.done:
    ret

; Where RDX is in the RSI sorted numbers at RDI, or −1.
search:
    xor eax, eax
.next:
    cmp rax, rsi
    jae .none
    lea rcx, [rax + rsi]
    shr rcx, 1
    cmp [rdi + rcx * 8], rdx
    je .found
    jl .above
    mov rsi, rcx
    jmp .next
.above:
    lea rax, [rcx + 1]
    jmp .next
.found:
    mov rax, rcx
    ret
.none:
    or rax, -1
    ret

    align 8, db 0xCC
numbers:
%assign n 0
%rep COUNT
    dq (n * 37 + 11) % 101 - 50
%assign n n + 1
%endrep
place: dq -1
