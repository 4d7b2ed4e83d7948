; The string instructions: MOVS, STOS, LODS, SCAS and CMPS work on [ESI] and [EDI] and move both on,
; forward or, with DF set, backward. REP repeats them ECX times, REPE and REPNE until ZF says stop.
;
;! mode: protected
;! expect: [copy] = "The quick brown fox"
;! expect: dword [filled] = 0xABABABAB
;! expect: dword [filled + 4] = 0xABABABAB
;! expect: dword [filled + 8] = 0
;! expect: dword [length] = 19
;! expect: dword [difference] = 11
;! expect: [reversed] = "xof nworb kciuq ehT"
;! expect: ecx = 0
;! expect: df = 0

        bits    32

        cld                             ; forward
        mov     esi, text
        mov     edi, copy
        mov     ecx, text_end - text
        rep     movsb

        mov     edi, filled
        mov     al, 0xAB
        mov     ecx, 8
        rep     stosb

        mov     edi, text               ; strlen: search the 0, at most 4 GiB
        xor     al, al
        mov     ecx, -1
        repne   scasb
        not     ecx
        dec     ecx                     ; the 0 itself was counted
        mov     [length], ecx

        mov     esi, text               ; memcmp: where do the two differ?
        mov     edi, other
        mov     ecx, text_end - text
        repe    cmpsb
        lea     eax, [esi - 1]          ; ESI is one behind the difference
        sub     eax, text
        mov     [difference], eax

        mov     esi, text_end - 2       ; read backward, write forward
        mov     edi, reversed
        mov     ecx, [length]
.next:  std
        lodsb
        cld
        stosb
        loop    .next
        hlt

text            db "The quick brown fox", 0
text_end:
other           db "The quick black fox", 0
copy            times text_end - text db 0
reversed        times text_end - text db 0
filled          times 12 db 0
length          dd 0
difference      dd 0
