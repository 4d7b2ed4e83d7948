; A triple fault: an exception whose handler cannot be reached, while the attempt to report that fails
; too. The CPU gives up; a PC would reset, and KVM ends with KVM_EXIT_SHUTDOWN.
;
;! mode: protected
;! expect: exit = shutdown
;! expect: byte [before] = 1
;! expect: byte [after] = 0

        bits    32

        mov     byte [before], 1
        lidt    [no_idt]
        ud2                             ; #UD: not in the table, so #GP, #DF, and the end
        mov     byte [after], 1
        hlt

no_idt  dw      0
        dd      0
before  db      0
after   db      0
