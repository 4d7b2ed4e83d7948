; A cooperative scheduler in 16 bits: tasks and messages as structures in sections of their own, a
; ready queue, semaphores, tables of structures filled by macros.

    bits 16

struc list
.head: resw 1
.tail: resw 1
endstruc

struc task
.next:     resw 1
.sp:       resw 1
.state:    resb 1
.priority: resb 1
.name:     resb 8
.inbox:    resb list_size
    alignb 4
.stack:    resb 64
.top:
endstruc

struc message, -4
.link:   resw 1
.sender: resw 1
.body:
endstruc

READY   equ 0
WAITING equ 1
ENDED   equ 2
QUANTUM equ 5

%assign tasks 0

; define_task name, entry, priority
%macro define_task 3
section .data
%1:
istruc task
    at task.next, dw 0
    at task.sp, dw %1 + task.top - 2 * 8
    at task.state, db READY
    at task.priority, db %3
%defstr %%name %1
%strlen %%length %%name
%if %%length > 8
%error task name too long: %1
%endif
    at task.name, db %%name
iend
section .init
    mov bx, %1
    mov word [bx + task.top - 2], %2
    call enqueue
section .text
%assign tasks tasks + 1
%endmacro

%macro critical 1+
    pushf
    cli
    %1
    popf
%endmacro

%macro semaphore 2
%1:
.count: dw %2
.queue: dw 0, 0
%endmacro

section .text start=0
section .init follows=.text align=16
section .data follows=.init align=16
section .bss follows=.data nobits

section .init
section_init:
section .text

reset:
    cli
    mov ax, cs
    mov ds, ax
    mov ss, ax
    mov sp, idle_stack.top
    call section_init
    sti
    jmp schedule

    define_task keyboard, read_keys, 3
    define_task screen, draw, 2
    define_task clock, tick, QUANTUM - 1

; Puts the task at BX at the end of the ready queue.
enqueue:
    critical mov byte [bx + task.state], READY
    mov word [bx + task.next], 0
    mov si, [ready + list.tail]
    test si, si
    jz .empty
    mov [si + task.next], bx
    jmp .end
.empty:
    mov [ready + list.head], bx
.end:
    mov [ready + list.tail], bx
    ret

yield:
    pusha
    mov bx, [current]
    mov [bx + task.sp], sp
    call enqueue
schedule:
    mov bx, [ready + list.head]
    test bx, bx
    jnz .found
    sti
    hlt
    jmp schedule
.found:
    mov ax, [bx + task.next]
    mov [ready + list.head], ax
    test ax, ax
    jnz .more
    mov [ready + list.tail], ax
.more:
    mov [current], bx
    mov sp, [bx + task.sp]
    popa
    ret

wait_for:                           ; SI: the semaphore
    dec word [si + keys.count - keys]
    jns .done
    mov bx, [current]
    mov byte [bx + task.state], WAITING
    mov di, [si + keys.queue - keys + 2]
    mov [di + task.next], bx
    call yield
.done:
    ret

signal:
    inc word [si]
    jg .done
    mov bx, [si + 2]
    call enqueue
.done:
    ret

read_keys:
    in al, 0x60
    mov di, buffer + message_size
    mov [di + message.body], al
    mov ax, [current]
    mov [di + message.sender], ax
    mov si, keys
    call signal
    call yield
    jmp read_keys

draw:
    mov si, keys
    call wait_for
    mov ax, 0xB800
    mov es, ax
    mov di, [position]
    mov al, [buffer]
    mov ah, 7
    stosw
    mov [position], di
    jmp draw

tick:
    inc dword [ticks]
    cmp byte [keyboard + task.state], ENDED
    je .ended
    call yield
    jmp tick
.ended:
    jmp short $

section .init
    ret

section .data
    align 4
    semaphore keys, 0
    semaphore lines, tasks
ready:    times list_size db 0
current:  dw 0
position: dw 160 * 3
ticks:    dd 0
sizes:    db task_size, message_size, list_size, tasks, task.top - task.stack
names:
%assign i 0
%rep tasks
    dw keyboard + i * task_size + task.name
%assign i i + 1
%endrep

section .bss
buffer:     resb 16
idle_stack: resw 64
.top:
