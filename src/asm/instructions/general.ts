/**
 * General-purpose instructions (SDM volume 1, §5.1), with BMI, ADX and what CPUs have added since;
 * the notation is told in `../instructions.ts`.
 */
export const general = `
mov  m, sreg  8C /r
mov  m16, sreg  8C /r
mov  m64, sreg  o64 8C /r only64
mov  r16, sreg  o16 8C /r
mov  r32, sreg  o32 8C /r
mov  r64, sreg  8C /r only64
mov  sreg, m  8E /r
mov  sreg, r/m16  8E /r
mov  sreg, m64  o64 8E /r only64
mov  sreg, r32  8E /r
mov  sreg, r64  8E /r only64
mov  al, moffs8  A0
mov  rAX, moffsv  A1
mov  moffs8, al  A2
mov  moffsv, rAX  A3
mov  r32, cr  0F 20 /r no64
mov  r64, cr  0F 20 /r only64
mov  cr, r32  0F 22 /r no64
mov  cr, r64  0F 22 /r only64
mov  r32, dr  0F 21 /r no64
mov  r64, dr  0F 21 /r only64
mov  dr, r32  0F 23 /r no64
mov  dr, r64  0F 23 /r only64
mov  r32, tr  0F 24 /r no64
mov  tr, r32  0F 26 /r no64
mov  r/m8, r8  88 /r
mov  r/mv, rv  89 /r
mov  r8, r/m8  8A /r
mov  rv, r/mv  8B /r
mov  r8, imm8  B0+r ib
mov  r16, imm16  o16 B8+r iw
mov  r32, imm32  o32 B8+r id
mov  r64, uimm32  B8+r id only64
mov  r64, simm32  o64 C7 /0 id only64
mov  r64, imm64  o64 B8+r iq only64
mov  r/m8, imm8  C6 /0 ib
mov  r/mv, immz  C7 /0 iz
mov  m64, imm32  o64 C7 /0 id only64

movbe  rv, mv  0F 38 F0 /r
movbe  mv, rv  0F 38 F1 /r
movsx  rv, r/m8  0F BE /r loose
movsx  r32, r/m16  o32 0F BF /r
movsx  r64, r/m16  o64 0F BF /r only64
movsx movsxd  r64, r/m32  o64 63 /r only64
movzx  rv, r/m8  0F B6 /r loose
movzx  r32, r/m16  o32 0F B7 /r
movzx  r64, r/m16  o64 0F B7 /r only64
cmovcc  rv, r/mv  0F 40+cc /r
bswap  r32  o32 0F C8+r
bswap  r64  o64 0F C8+r only64
xchg  ax, r16  o16 90+r
xchg  eax, eax  o32 90 no64
xchg  eax, r32na  o32 90+r
xchg  rax, r64  o64 90+r only64
xchg  r16, ax  o16 90+r
xchg  r32na, eax  o32 90+r
xchg  r64, rax  o64 90+r only64
xchg  r8, r/m8  86 /r
xchg  rv, r/mv  87 /r
xchg  r/m8, r8  86 /r
xchg  r/mv, rv  87 /r
xadd  r/m8, r8  0F C0 /r
xadd  r/mv, rv  0F C1 /r
cmpxchg  r/m8, r8  0F B0 /r
cmpxchg  r/mv, rv  0F B1 /r
cmpxchg486  r/m8, r8  0F A6 /r
cmpxchg486  r/m16, r16  o16 0F A7 /r
cmpxchg486  r/m32, r32  o32 0F A7 /r
cmpxchg8b  m64  0F C7 /1
cmpxchg16b  m128  o64 0F C7 /1 only64
xlat xlatb  D7
lea  rv, mem  8D /r
lea  rv, address  8D /r
lds  r16, m  o16 C5 /r no64
lds  r32, m  o32 C5 /r no64
les  r16, m  o16 C4 /r no64
les  r32, m  o32 C4 /r no64
lss  rv, m  0F B2 /r
lfs  rv, m  0F B4 /r
lgs  rv, m  0F B5 /r

push  rv  50+r d64
push  r/mv  FF /6 d64
push  es  06 no64
push  cs  0E no64
push  ss  16 no64
push  ds  1E no64
push  fs  0F A0 386
push  gs  0F A8 386
push  simm8:16  o16 6A ib mode 186
push  simm8:32  o32 6A ib no64 mode 186
push  simm8:32  6A ib only64 d64 186
push  simm8:64  6A ib only64 d64 mode 186
push  imm16  o16 68 iw mode 186
push  imm32  o32 68 id no64 mode 186
push  imm32  68 id only64 d64 x64
push  imm64  68 id only64 d64 mode 186
pop  rv  58+r d64
pop  r/mv  8F /0 d64
pop  es  07 no64
pop  cs  0F
pop  ss  17 no64
pop  ds  1F no64
pop  fs  0F A1 386
pop  gs  0F A9 386
pusha  60 no64
pushaw  o16 60 no64
pushad  o32 60 no64
popa  61 no64
popaw  o16 61 no64
popad  o32 61 no64
pushf  9C
pushfw  o16 9C
pushfd  o32 9C no64
pushfq  9C only64
popf  9D
popfw  o16 9D
popfd  o32 9D no64
popfq  9D only64
enter  imm, imm  C8 iw ib
leave  C9

add or adc sbb and sub xor cmp  r/m8, r8  00+8n /r
add or adc sbb and sub xor cmp  r/mv, rv  01+8n /r
add or adc sbb and sub xor cmp  r8, r/m8  02+8n /r
add or adc sbb and sub xor cmp  rv, r/mv  03+8n /r
add or adc sbb and sub xor cmp  r/mv, simm8  83 /n ib
add or adc sbb and sub xor cmp  al, imm8  04+8n ib
add or adc sbb and sub xor cmp  rAX, immz  05+8n iz
add or adc sbb and sub xor cmp  r/m8, imm8  80 /n ib
add or adc sbb and sub xor cmp  r/mv, immz  81 /n iz
inc dec  r16  o16 40+8n+r no64
inc dec  r32  o32 40+8n+r no64
inc dec  r/m8  FE /n
inc dec  r/mv  FF /n
- - not neg mul imul div idiv  r/m8  F6 /n
- - not neg mul imul div idiv  r/mv  F7 /n
imul  rv, r/mv  0F AF /r 386
imul  rv, r/mv, simm8  6B /r ib 186
imul  rv, r/mv, immz  69 /r iz 186
imul  r64, r/m64, imm32  o64 69 /r id only64
imul  rv, simm8  6B /r ib twice 186
imul  rv, immz  69 /r iz twice 186
imul  r64, imm32  o64 69 /r id twice only64
test  r/m8, r8  84 /r
test  r/mv, rv  85 /r
test  r8, m8  84 /r
test  rv, mv  85 /r
test  al, imm8  A8 ib
test  rAX, immz  A9 iz
test  r/m8, imm8  F6 /0 ib
test  r/mv, immz  F7 /0 iz
adcx  ry, r/my  66 0F 38 F6 /r
adox  ry, r/my  F3 0F 38 F6 /r
cbw  o16 98
cwde  o32 98
cdqe  o64 98 only64
cwd  o16 99
cdq  o32 99
cqo  o64 99 only64
daa  27 no64
das  2F no64
aaa  37 no64
aas  3F no64
aam  D4 0A no64
aam  imm8  D4 ib no64
aad  D5 0A no64
aad  imm8  D5 ib no64

rol ror rcl rcr shl shr - sar  r/m8, 1  D0 /n
rol ror rcl rcr shl shr - sar  r/m8, cl  D2 /n
rol ror rcl rcr shl shr - sar  r/m8, imm8  C0 /n ib loose 186
rol ror rcl rcr shl shr - sar  r/mv, 1  D1 /n
rol ror rcl rcr shl shr - sar  r/mv, cl  D3 /n
rol ror rcl rcr shl shr - sar  r/mv, imm8  C1 /n ib 186
sal  r/m8, 1  D0 /4
sal  r/m8, cl  D2 /4
sal  r/m8, imm8  C0 /4 ib loose 186
sal  r/mv, 1  D1 /4
sal  r/mv, cl  D3 /4
sal  r/mv, imm8  C1 /4 ib 186
shld  r/mv, rv, imm  0F A4 /r ib
shld  r/mv, rv, cl  0F A5 /r
shrd  r/mv, rv, imm  0F AC /r ib
shrd  r/mv, rv, cl  0F AD /r
bt bts btr btc  r/mv, rv  0F A3+8n /r
bt bts btr btc  r/mv, imm8  0F BA /4+n ib
bsf bsr  rv, r/mv  0F BC+n /r
popcnt  rv, r/mv  F3 0F B8 /r
tzcnt lzcnt  rv, r/mv  F3 0F BC+n /r
crc32  r32, r/m8  F2 0F 38 F0 /r
crc32  r32, r/m16  o16 F2 0F 38 F1 /r
crc32  r32, r/m32  o32 F2 0F 38 F1 /r loose
crc32  r64, r/m8  o64 F2 0F 38 F0 /r only64 x64
crc32  r64, r/m64  o64 F2 0F 38 F1 /r only64 loose x64
andn  ry, vvvv:ry, r/my  VEX.L0.0F38 F2 /r
bextr  ry, r/my, vvvv:ry  VEX.L0.0F38 F7 /r
bextr  ry, r/my, imm32  XOP.L0.0A 10 /r id
blsr  vvvv:ry, r/my  VEX.L0.0F38 F3 /1
blsmsk  vvvv:ry, r/my  VEX.L0.0F38 F3 /2
blsi  vvvv:ry, r/my  VEX.L0.0F38 F3 /3
bzhi  ry, r/my, vvvv:ry  VEX.L0.0F38 F5 /r
pdep  ry, vvvv:ry, r/my  VEX.L0.F2.0F38 F5 /r
pext  ry, vvvv:ry, r/my  VEX.L0.F3.0F38 F5 /r
mulx  ry, vvvv:ry, r/my  VEX.L0.F2.0F38 F6 /r
rorx  ry, r/my, imm8  VEX.L0.F2.0F3A F0 /r ib
sarx  ry, r/my, vvvv:ry  VEX.L0.F3.0F38 F7 /r
shlx  ry, r/my, vvvv:ry  VEX.L0.66.0F38 F7 /r
shrx  ry, r/my, vvvv:ry  VEX.L0.F2.0F38 F7 /r

jmp  rel8?  EB cb
jmp  relz  E9 cz bnd
jmp  far16  o16 EA iw no64
jmp  far32  o32 EA id no64
jmp  r/m16  o16 FF /4 no64 mode bnd
jmp  r/m32  o32 FF /4 no64 mode bnd
jmp  r/m64  FF /4 only64 mode bnd
jmp  m16:16  o16 FF /5 mode
jmp  m16:32  o32 FF /5 mode
jmp  m16:64  o64 FF /5 only64 mode x64
call  relz  E8 cz bnd
call  far16  o16 9A iw no64
call  far32  o32 9A id no64
call  r/m16  o16 FF /2 no64 mode bnd
call  r/m32  o32 FF /2 no64 mode bnd
call  r/m64  FF /2 only64 mode bnd
call  m16:16  o16 FF /3 mode
call  m16:32  o32 FF /3 mode
call  m16:64  o64 FF /3 only64 mode x64
jcc  rel8?  70+cc cb bnd
jcc  rel  0F 80+cc cz bnd 386
jcc  relany  70+ncc jlen E9 cz bnd
jcxz  rel8  a16 E3 cb no64
jecxz  rel8  a32 E3 cb
jrcxz  rel8  a64 E3 cb only64 d64
loopne loope loop  rel8  E0+n cb
loopne loope loop  rel8, cx  a16 E0+n cb no64
loopne loope loop  rel8, ecx  a32 E0+n cb
loopne loope loop  rel8, rcx  a64 E0+n cb only64
loopnz loopz  rel8  E0+n cb
loopnz loopz  rel8, cx  a16 E0+n cb no64
loopnz loopz  rel8, ecx  a32 E0+n cb
loopnz loopz  rel8, rcx  a64 E0+n cb only64
ret retn  C3 bnd
ret retn  imm16  C2 iw bnd
retf  CB
retf  imm16  CA iw
retw retnw  o16 C3 bnd
retw  imm16  C2 iw bnd
retnw  imm16  o16 C2 iw bnd
retd retnd  o32 C3 no64 bnd
retd retnd  imm16  o32 C2 iw no64 bnd
retq retnq  C3 only64 d64 bnd
retq retnq  imm16  C2 iw only64 d64 bnd
retfw  o16 CB
retfw  imm16  o16 CA iw
retfd  o32 CB
retfd  imm16  o32 CA iw
retfq  o64 CB only64
retfq  imm16  o64 CA iw only64
int  imm8  CD ib
int3 int03  CC
int1 int01 icebp  F1
into  CE no64
iret  CF
iretw  o16 CF
iretd  o32 CF
iretq  o64 CF only64
bound  r16, m  o16 62 /r no64
bound  r32, m  o32 62 /r no64
setcc  r/m8  0F 90+cc /0

in  al, imm8  E4 ib
in  ax, imm8  o16 E5 ib
in  eax, imm8  o32 E5 ib
in  al, dx  EC
in  ax, dx  o16 ED
in  eax, dx  o32 ED
out  imm8, al  E6 ib
out  imm8, ax  o16 E7 ib
out  imm8, eax  o32 E7 ib
out  dx, al  EE
out  dx, ax  o16 EF
out  dx, eax  o32 EF

insb  6C
insw  o16 6D
insd  o32 6D
outsb  6E
outsw  o16 6F
outsd  o32 6F
movsb  A4
movsw  o16 A5
movsq  o64 A5 only64
cmpsb  A6
cmpsw  o16 A7
cmpsq  o64 A7 only64
stosb  AA
stosw  o16 AB
stosd  o32 AB
stosq  o64 AB only64
lodsb  AC
lodsw  o16 AD
lodsd  o32 AD
lodsq  o64 AD only64
scasb  AE
scasw  o16 AF
scasd  o32 AF
scasq  o64 AF only64
movsd  o32 A5
movsd  xmm, xmm/m64  F2 0F 10 /r p4
movsd  xmm/m64, xmm  F2 0F 11 /r p4
cmpsd  o32 A7
cmpsd  xmm, xmm/m128, imm8  F2 0F C2 /r ib p4

cmc  F5
clc  F8
stc  F9
cli  FA
sti  FB
cld  FC
std  FD
lahf  9F
sahf  9E
salc  D6
nop  90
nop  r/mv  0F 1F /0 686
hint_nop0 hint_nop1 hint_nop2 hint_nop3 hint_nop4 hint_nop5 hint_nop6 hint_nop7  r/mv  0F 18 /n 686
hint_nop8 hint_nop9 hint_nop10 hint_nop11 hint_nop12 hint_nop13 hint_nop14 hint_nop15  r/mv  0F 19 /n 686
hint_nop16 hint_nop17 hint_nop18 hint_nop19 hint_nop20 hint_nop21 hint_nop22 hint_nop23  r/mv  0F 1A /n 686
hint_nop24 hint_nop25 hint_nop26 hint_nop27 hint_nop28 hint_nop29 hint_nop30 hint_nop31  r/mv  0F 1B /n 686
hint_nop32 hint_nop33 hint_nop34 hint_nop35 hint_nop36 hint_nop37 hint_nop38 hint_nop39  r/mv  0F 1C /n 686
hint_nop40 hint_nop41 hint_nop42 hint_nop43 hint_nop44 hint_nop45 hint_nop46 hint_nop47  r/mv  0F 1D /n 686
hint_nop48 hint_nop49 hint_nop50 hint_nop51 hint_nop52 hint_nop53 hint_nop54 hint_nop55  r/mv  0F 1E /n 686
hint_nop56 hint_nop57 hint_nop58 hint_nop59 hint_nop60 hint_nop61 hint_nop62 hint_nop63  r/mv  0F 1F /n 686
pause  F3 90
fwait  wait
umov  r/m8, r8  0F 10 /r
umov  r/m16, r16  o16 0F 11 /r
umov  r/m32, r32  o32 0F 11 /r
umov  r8, m8  0F 12 /r
umov  r16, m16  o16 0F 13 /r
umov  r32, m32  o32 0F 13 /r
ibts  r/m16, r16  o16 0F A7 /r
ibts  r/m32, r32  o32 0F A7 /r
xbts  r16, r/m16  o16 0F A6 /r
xbts  r32, r/m32  o32 0F A6 /r
ud0  0F FF
ud0  rv, r/mv  0F FF /r
ud1  0F B9
ud1  rv, r/mv  0F B9 /r
ud2 ud2a  0F 0B
ud2b  0F B9
ud2b  rv, r/mv  0F B9 /r
rdrand  rv  0F C7 /6
rdseed  rv  0F C7 /7
ptwrite  r/m32  0F AE /4
ptwrite  r/m64  o64 0F AE /4 only64
rdpid  r32  F3 0F C7 /7
rdpid  r64  F3 0F C7 /7 only64
prefetchnta prefetcht0 prefetcht1 prefetcht2  m8  0F 18 /n
prefetch prefetchw  m64  0F 0D /n
prefetchwt1  m8  0F 0D /2
prefetchit1 prefetchit0  m8  0F 18 /6+n
pcommit  66 0F AE F8
clflush  m  0F AE /7
clflushopt  m  66 0F AE /7
clwb  m  66 0F AE /6
cldemote  m  0F 1C /0
lfence  0F AE E8
mfence  0F AE F0
sfence  0F AE F8
movnti  m32, r32  0F C3 /r
movnti  m64, r64  o64 0F C3 /r only64
movdiri  m32, r32  0F 38 F9 /r
movdiri  m64, r64  o64 0F 38 F9 /r only64
movdir64b  r16, m512  a16 66 0F 38 F8 /r no64
movdir64b  r32, m512  a32 66 0F 38 F8 /r
movdir64b  r64, m512  a64 66 0F 38 F8 /r only64
enqcmd  r16, m512  a16 F2 0F 38 F8 /r no64
enqcmd  r32, m512  a16 F2 0F 38 F8 /r no64
enqcmd  r32, m512  a32 F2 0F 38 F8 /r
enqcmd  r64, m512  o64 a64 F2 0F 38 F8 /r only64
enqcmds  r16, m512  a16 F3 0F 38 F8 /r no64
enqcmds  r32, m512  a16 F3 0F 38 F8 /r no64
enqcmds  r32, m512  a32 F3 0F 38 F8 /r
enqcmds  r64, m512  o64 a64 F3 0F 38 F8 /r only64
aadd  m32, r32  0F 38 FC /r
aadd  m64, r64  o64 0F 38 FC /r only64
aand  m32, r32  66 0F 38 FC /r
aand  m64, r64  o64 66 0F 38 FC /r only64
axor  m32, r32  F3 0F 38 FC /r
axor  m64, r64  o64 F3 0F 38 FC /r only64
serialize  0F 01 E8
xsusldtrk xresldtrk  F2 0F 01 E8+n
umonitor  r16  a16 F3 0F AE /6 no64
umonitor  r32  a32 F3 0F AE /6
umonitor  r64  F3 0F AE /6 only64
umwait  r32  F2 0F AE /6
umwait  r32, edx, eax  F2 0F AE /6
tpause  r32  66 0F AE /6
tpause  r32, edx, eax  66 0F AE /6
xbegin  relz  C7 F8 cz
xend  0F 01 D5
xabort  imm8  C6 F8 ib
xtest  0F 01 D6
`;
