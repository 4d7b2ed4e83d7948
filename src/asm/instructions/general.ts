/** General-purpose instructions (SDM volume 1, §5.1); the notation is told in `../instructions.ts`. */
export const general = `
mov  r/m16, sreg  8C /r loose
mov  r32, sreg  o32 8C /r
mov  r64, sreg  o64 8C /r
mov  sreg, r/m16  8E /r
mov  sreg, r32  8E /r
mov  sreg, r64  o64 8E /r
mov  al, moffs8  A0 mo
mov  rAX, moffsv  A1 mo
mov  moffs8, al  A2 mo
mov  moffsv, rAX  A3 mo
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

add or adc sbb and sub xor cmp  r/m8, r8  00+8n /r
add or adc sbb and sub xor cmp  r/mv, rv  01+8n /r
add or adc sbb and sub xor cmp  r8, r/m8  02+8n /r
add or adc sbb and sub xor cmp  rv, r/mv  03+8n /r
add or adc sbb and sub xor cmp  r/mv, simm8  83 /n ib
add or adc sbb and sub xor cmp  al, imm8  04+8n ib
add or adc sbb and sub xor cmp  rAX, immz  05+8n iz
add or adc sbb and sub xor cmp  r/m8, imm8  80 /n ib
add or adc sbb and sub xor cmp  r/mv, immz  81 /n iz

test  r/m8, r8  84 /r
test  r/mv, rv  85 /r
test  r8, m8  84 /r
test  rv, mv  85 /r
test  al, imm8  A8 ib
test  rAX, immz  A9 iz
test  r/m8, imm8  F6 /0 ib
test  r/mv, immz  F7 /0 iz

inc dec  r16  o16 40+8n+r no64
inc dec  r32  o32 40+8n+r no64
inc dec  r/m8  FE /n
inc dec  r/mv  FF /n
- - not neg mul - div idiv  r/m8  F6 /n
- - not neg mul - div idiv  r/mv  F7 /n
rol ror rcl rcr shl shr - sar  r/m8, 1  D0 /n
rol ror rcl rcr shl shr - sar  r/m8, cl  D2 /n
rol ror rcl rcr shl shr - sar  r/m8, imm8  C0 /n ib
rol ror rcl rcr shl shr - sar  r/mv, 1  D1 /n
rol ror rcl rcr shl shr - sar  r/mv, cl  D3 /n
rol ror rcl rcr shl shr - sar  r/mv, imm8  C1 /n ib

lea  rv, m  8D /r

push  rv  50+r d64
push  r/mv  FF /6 d64
push  es  06 no64
push  cs  0E no64
push  ss  16 no64
push  ds  1E no64
push  fs  0F A0
push  gs  0F A8
push  simm8:16  o16 6A ib mode
push  simm8:32  o32 6A ib no64 mode
push  simm8:32  6A ib only64
push  simm8:64  6A ib only64 mode
push  imm16  o16 68 iw mode
push  imm32  o32 68 id no64 mode
push  imm32  68 id only64
push  imm64  68 id only64 mode
pop  rv  58+r d64
pop  r/mv  8F /0 d64
pop  es  07 no64
pop  ss  17 no64
pop  ds  1F no64
pop  fs  0F A1
pop  gs  0F A9

jmp  rel8?  EB cb
jmp  relz  E9 cz
jmp  far16  o16 EA iw no64
jmp  far32  o32 EA id no64
jmp  r/mv  FF /4 d64 mode
jmp  m16:16  o16 FF /5 mode
jmp  m16:32  o32 FF /5 mode
jmp  m16:64  o64 FF /5
call  relz  E8 cz
call  far16  o16 9A iw no64
call  far32  o32 9A id no64
call  r/mv  FF /2 d64 mode
call  m16:16  o16 FF /3 mode
call  m16:32  o32 FF /3 mode
call  m16:64  o64 FF /3
jcc  rel8?  70+cc cb
jcc  relz  0F 80+cc cz
loop  rel8  E2 cb
loope loopz  rel8  E1 cb
loopne loopnz  rel8  E0 cb
ret retn  C3
ret retn  imm16  C2 iw

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

int  imm8  CD ib
int3  CC
iret  CF
iretw  o16 CF
iretd  o32 CF
iretq  o64 CF only64
nop  90
leave  C9

movsb  A4
movsw  o16 A5
movsd  o32 A5
movsq  o64 A5 only64
cmpsb  A6
cmpsw  o16 A7
cmpsd  o32 A7
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
insb  6C
insw  o16 6D
insd  o32 6D
outsb  6E
outsw  o16 6F
outsd  o32 6F

clc  F8
stc  F9
cli  FA
sti  FB
cld  FC
std  FD
cmc  F5
pushf  9C
popf  9D
pusha  60 no64
popa  61 no64
`;
