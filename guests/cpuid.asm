; Asks the CPU who it is: whether there is CPUID at all (EFLAGS.ID can be changed), the name of its
; maker, a feature, and whose virtual machine this is.
;
;! mode: protected
;! expect: byte [has_cpuid] = 1
;! expect: dword [most] >= 1
;! expect: dword [name_checked] = 1
;! expect: byte [has_tsc] = 1
;! expect: [hypervisor] = "KVMKVMKVM\0\0\0"

        bits    32

ID      equ     1 << 21                 ; of EFLAGS

        pushfd
        pop     eax
        mov     ebx, eax
        xor     eax, ID
        push    eax
        popfd
        pushfd
        pop     eax
        xor     eax, ebx
        test    eax, ID
        setnz   [has_cpuid]

        xor     eax, eax                ; leaf 0: the highest leaf, and the maker in EBX, EDX, ECX
        cpuid
        mov     [most], eax
        mov     [maker], ebx
        mov     [maker + 4], edx
        mov     [maker + 8], ecx
        call    check_name

        mov     eax, 1
        cpuid
        bt      edx, 4                  ; TSC
        setc    [has_tsc]

        mov     eax, 0x40000000         ; the range that CPU makers leave to hypervisors
        cpuid
        mov     [hypervisor], ebx
        mov     [hypervisor + 4], ecx
        mov     [hypervisor + 8], edx
        hlt

; Twelve printable characters.
check_name:
        mov     esi, maker
        mov     ecx, 12
.next:  lodsb
        cmp     al, ' '
        jb      .done
        cmp     al, '~'
        ja      .done
        out     0xE9, al
        loop    .next
        mov     dword [name_checked], 1
.done:  ret

most            dd 0
maker           times 12 db 0
hypervisor      times 12 db 0
name_checked    dd 0
has_cpuid       db 0
has_tsc         db 0
