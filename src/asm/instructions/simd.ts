/**
 * MMX and SSE to SSE4.2, AES, PCLMULQDQ and SHA (SDM volume 1, §5.4 to 5.12), with what AMD and Cyrix
 * added (3DNow!, SSE4A); the notation is told in `../instructions.ts`. Families are the lines of the manual's opcode maps (volume 2, appendix A).
 */
export const simd = `
emms  0F 77
femms  0F 0E
punpcklbw punpcklwd punpckldq  mm, mm/m64  0F 60+n /r
- - - packsswb pcmpgtb pcmpgtw pcmpgtd packuswb  mm, mm/m64  0F 60+n /r
punpckhbw punpckhwd punpckhdq packssdw  mm, mm/m64  0F 68+n /r
- - - - pcmpeqb pcmpeqw pcmpeqd  mm, mm/m64  0F 70+n /r
- psrlw psrld psrlq paddq pmullw - -  mm, mm/m64  0F D0+n /r
psubusb psubusw pminub pand paddusb paddusw pmaxub pandn  mm, mm/m64  0F D8+n /r
pavgb psraw psrad pavgw pmulhuw pmulhw - -  mm, mm/m64  0F E0+n /r
psubsb psubsw pminsw por paddsb paddsw pmaxsw pxor  mm, mm/m64  0F E8+n /r
- psllw pslld psllq - pmaddwd psadbw -  mm, mm/m64  0F F0+n /r
psubb psubw psubd - paddb paddw paddd  mm, mm/m64  0F F8+n /r
pmuludq  mm, mm/m128  0F F4 /r
psubq  mm, mm/m128  0F FB /r
punpcklbw punpcklwd punpckldq packsswb pcmpgtb pcmpgtw pcmpgtd packuswb  xmm, xmm/m128  66 0F 60+n /r p4 oword
punpckhbw punpckhwd punpckhdq packssdw punpcklqdq punpckhqdq  xmm, xmm/m128  66 0F 68+n /r p4 oword
- - - - pcmpeqb pcmpeqw pcmpeqd  xmm, xmm/m128  66 0F 70+n /r p4 oword
addsubpd psrlw psrld psrlq paddq pmullw - -  xmm, xmm/m128  66 0F D0+n /r p4 oword
psubusb psubusw pminub pand paddusb paddusw pmaxub pandn  xmm, xmm/m128  66 0F D8+n /r p4 oword
pavgb psraw psrad pavgw pmulhuw pmulhw - -  xmm, xmm/m128  66 0F E0+n /r p4 oword
psubsb psubsw pminsw por paddsb paddsw pmaxsw pxor  xmm, xmm/m128  66 0F E8+n /r p4 oword
- psllw pslld psllq pmuludq pmaddwd psadbw -  xmm, xmm/m128  66 0F F0+n /r p4 oword
psubb psubw psubd psubq paddb paddw paddd  xmm, xmm/m128  66 0F F8+n /r p4 oword
addsubps  xmm, xmm/m128  F2 0F D0 /r oword
- - psrlw - psraw - psllw  mm, imm  0F 71 /n ib
- - psrld - psrad - pslld  mm, imm  0F 72 /n ib
- - psrlq - - - psllq  mm, imm  0F 73 /n ib
- - psrlw - psraw - psllw  xmm, imm8  66 0F 71 /n ib p4
- - psrld - psrad - pslld  xmm, imm8  66 0F 72 /n ib p4
- - psrlq psrldq - - psllq pslldq  xmm, imm8  66 0F 73 /n ib p4
pshufw  mm, mm/m, imm  0F 70 /r ib
pshufd  xmm, xmm/m, imm  66 0F 70 /r ib
pshufhw  xmm, xmm/m, imm  F3 0F 70 /r ib
pshuflw  xmm, xmm/m, imm  F2 0F 70 /r ib
movd  mm, m  0F 6E /r
movd  mm, r/m32  0F 6E /r
movd  m, mm  0F 7E /r
movd  r/m32, mm  0F 7E /r
movd  xmm, m32  66 0F 6E /r p4 dword
movd  xmm, r32  66 0F 6E /r p4
movd  m32, xmm  66 0F 7E /r p4 dword
movd  r32, xmm  66 0F 7E /r p4 MR
movq  mm, mm/m64  0F 6F /r
movq  mm/m64, mm  0F 7F /r
movq  xmm, xmm  F3 0F 7E /r p4
movq  xmm, m64  F3 0F 7E /r p4 qword
movq  m64, xmm  66 0F D6 /r p4 qword
movq  mm, r/m64  o64 0F 6E /r only64
movq  r/m64, mm  o64 0F 7E /r only64
movq  xmm, r/m64  o64 66 0F 6E /r only64
movq  r/m64, xmm  o64 66 0F 7E /r only64
movd  mm, r/m64  o64 0F 6E /r only64
movd  r/m64, mm  o64 0F 7E /r only64
movdqa  xmm, xmm/m128  66 0F 6F /r oword
movdqa  xmm/m128, xmm  66 0F 7F /r oword
movdqu  xmm, xmm/m128  F3 0F 6F /r oword
movdqu  xmm/m128, xmm  F3 0F 7F /r oword
movdq2q  mm, xmm  F2 0F D6 /r
movq2dq  xmm, mm  F3 0F D6 /r
movntq  m64, mm  0F E7 /r qword
movntdq  m128, xmm  66 0F E7 /r oword
movntdqa  xmm, m128  66 0F 38 2A /r
maskmovq  mm, mm  0F F7 /r
maskmovdqu  xmm, xmm  66 0F F7 /r
pmovmskb  r32, mm  0F D7 /r
pmovmskb  r32, xmm  66 0F D7 /r p4
pinsrw  mm, r16, imm  0F C4 /r ib
pinsrw  mm, r32, imm  0F C4 /r ib
pinsrw  mm, m16, imm  0F C4 /r ib
pinsrw  xmm, r16, imm  66 0F C4 /r ib p4
pinsrw  xmm, r32, imm  66 0F C4 /r ib p4
pinsrw  xmm, r64, imm  o64 66 0F C4 /r ib only64
pinsrw  xmm, m16, imm  66 0F C4 /r ib p4
pextrw  r32, mm, imm  0F C5 /r ib p3
pextrw  r32, xmm, imm  66 0F C5 /r ib
pextrw  r64, xmm, imm  o64 66 0F C5 /r ib only64 x64
pextrw  r32, xmm, imm8  66 0F 3A 15 /r ib MR
pextrw  r64, xmm, imm8  o64 66 0F 3A 15 /r ib MR only64 x64
pextrw  m16, xmm, imm8  66 0F 3A 15 /r ib

movups  xmm, xmm/m128  0F 10 /r
movups  xmm/m128, xmm  0F 11 /r
movupd  xmm, xmm/m128  66 0F 10 /r
movupd  xmm/m128, xmm  66 0F 11 /r
movss  xmm, xmm/m32  F3 0F 10 /r
movss  xmm/m32, xmm  F3 0F 11 /r
movaps  xmm, xmm/m128  0F 28 /r
movaps  xmm/m128, xmm  0F 29 /r
movapd  xmm, xmm/m128  66 0F 28 /r
movapd  xmm/m128, xmm  66 0F 29 /r
movlps  xmm, m64  0F 12 /r
movlps  m64, xmm  0F 13 /r
movlpd  xmm, m64  66 0F 12 /r
movlpd  m64, xmm  66 0F 13 /r
movhps  xmm, m64  0F 16 /r
movhps  m64, xmm  0F 17 /r
movhpd  xmm, m64  66 0F 16 /r
movhpd  m64, xmm  66 0F 17 /r
movhlps  xmm, xmm  0F 12 /r
movlhps  xmm, xmm  0F 16 /r
movsldup  xmm, xmm/m128  F3 0F 12 /r
movshdup  xmm, xmm/m128  F3 0F 16 /r
movddup  xmm, xmm/m64  F2 0F 12 /r qword
movntps  m128, xmm  0F 2B /r
movntpd  m128, xmm  66 0F 2B /r oword
lddqu  xmm, m128  F2 0F F0 /r oword
unpcklps unpckhps  xmm, xmm/m128  0F 14+n /r
unpcklpd unpckhpd  xmm, xmm/m128  66 0F 14+n /r
movmskps  ry, xmm  0F 50 /r
movmskpd  ry, xmm  66 0F 50 /r
- sqrtps rsqrtps rcpps andps andnps orps xorps  xmm, xmm/m128  0F 50+n /r
- sqrtpd - - andpd andnpd orpd  xmm, xmm/m128  66 0F 50+n /r oword
xorpd  xmm, xmm/m128  66 0F 57 /r
- sqrtss rsqrtss rcpss  xmm, xmm/m32  F3 0F 50+n /r
- sqrtsd  xmm, xmm/m64  F2 0F 50+n /r
addps mulps - - subps minps divps maxps  xmm, xmm/m128  0F 58+n /r
cvtdq2ps  xmm, xmm/m128  0F 5B /r oword
addpd mulpd cvtpd2ps cvtps2dq subpd minpd divpd maxpd  xmm, xmm/m128  66 0F 58+n /r oword
addss mulss - - subss minss divss maxss  xmm, xmm/m32  F3 0F 58+n /r
cvtss2sd  xmm, xmm/m32  F3 0F 5A /r dword
addsd mulsd cvtsd2ss - - minsd divsd maxsd  xmm, xmm/m64  F2 0F 58+n /r qword
subsd  xmm, xmm/m64  F2 0F 5C /r
cvtps2pd  xmm, xmm/m64  0F 5A /r qword
cvttps2dq  xmm, xmm/m128  F3 0F 5B /r oword
cvttpd2dq  xmm, xmm/m128  66 0F E6 /r oword
cvtpd2dq  xmm, xmm/m128  F2 0F E6 /r oword
cvtdq2pd  xmm, xmm/m64  F3 0F E6 /r qword
cvtpi2ps  xmm, mm/m64  0F 2A /r
cvtpi2pd  xmm, mm/m64  66 0F 2A /r qword
cvttps2pi  mm, xmm/m64  0F 2C /r qword
cvtps2pi  mm, xmm/m64  0F 2D /r
cvttpd2pi cvtpd2pi  mm, xmm/m128  66 0F 2C+n /r oword
cvtsi2ss  xmm, m  F3 0F 2A /r
cvtsi2ss  xmm, r/m32  F3 0F 2A /r
cvtsi2ss  xmm, r/m64  o64 F3 0F 2A /r only64
cvtsi2sd  xmm, m  F2 0F 2A /r
cvtsi2sd  xmm, r/m32  F2 0F 2A /r
cvtsi2sd  xmm, r/m64  o64 F2 0F 2A /r only64
cvttss2si cvtss2si  r32, xmm/m32  F3 0F 2C+n /r
cvttss2si cvtss2si  r64, xmm/m32  o64 F3 0F 2C+n /r only64
cvttsd2si cvtsd2si  r32, xmm/m64  F2 0F 2C+n /r
cvttsd2si cvtsd2si  r64, xmm/m64  o64 F2 0F 2C+n /r only64
ucomiss comiss  xmm, xmm/m32  0F 2E+n /r
ucomisd comisd  xmm, xmm/m64  66 0F 2E+n /r
cmpps  xmm, xmm/m128, imm8  0F C2 /r ib
cmppd  xmm, xmm/m128, imm8  66 0F C2 /r ib
cmpss  xmm, xmm/m32, imm8  F3 0F C2 /r ib
cmpeqps cmpltps cmpleps cmpunordps cmpneqps cmpnltps cmpnleps cmpordps  xmm, xmm/m128  0F C2 /r n
cmpeqpd cmpltpd cmplepd cmpunordpd cmpneqpd cmpnltpd cmpnlepd cmpordpd  xmm, xmm/m128  66 0F C2 /r n oword
cmpeqss cmpltss cmpless cmpunordss cmpneqss cmpnltss cmpnless cmpordss  xmm, xmm/m32  F3 0F C2 /r n
cmpeqsd cmpltsd cmplesd cmpunordsd cmpneqsd cmpnltsd cmpnlesd cmpordsd  xmm, xmm/m64  F2 0F C2 /r n qword
shufps  xmm, xmm/m128, imm8  0F C6 /r ib
shufpd  xmm, xmm/m128, imm8  66 0F C6 /r ib
haddpd hsubpd  xmm, xmm/m128  66 0F 7C+n /r oword
haddps hsubps  xmm, xmm/m128  F2 0F 7C+n /r oword
ldmxcsr stmxcsr  m32  0F AE /2+n

pshufb phaddw phaddd phaddsw pmaddubsw phsubw phsubd phsubsw  mm, mm/m64  0F 38 00+n /r
psignb psignw psignd pmulhrsw  mm, mm/m64  0F 38 08+n /r
- - - - pabsb pabsw pabsd  mm, mm/m64  0F 38 18+n /r
palignr  mm, mm/m64, imm  0F 3A 0F /r ib qword
pshufb phaddw phaddd phaddsw pmaddubsw phsubw phsubd phsubsw  xmm, xmm/m128  66 0F 38 00+n /r
psignb psignw psignd pmulhrsw  xmm, xmm/m128  66 0F 38 08+n /r
- - - - pabsb pabsw pabsd  xmm, xmm/m128  66 0F 38 18+n /r
pblendvb - - - blendvps blendvpd - ptest  xmm, xmm/m128  66 0F 38 10+n /r
pblendvb  xmm, xmm/m, xmm0  66 0F 38 10 /r
blendvps blendvpd  xmm, xmm/m128, xmm0  66 0F 38 14+n /r
pmovsxbw - - pmovsxwd - pmovsxdq  xmm, xmm/m64  66 0F 38 20+n /r qword
- pmovsxbd - - pmovsxwq  xmm, xmm/m32  66 0F 38 20+n /r dword
- - pmovsxbq  xmm, xmm/m16  66 0F 38 20+n /r word
pmovzxbw - - pmovzxwd - pmovzxdq  xmm, xmm/m64  66 0F 38 30+n /r qword
- pmovzxbd - - pmovzxwq  xmm, xmm/m32  66 0F 38 30+n /r dword
- - pmovzxbq  xmm, xmm/m16  66 0F 38 30+n /r word
pmuldq pcmpeqq - packusdw  xmm, xmm/m128  66 0F 38 28+n /r
- - - - - - - pcmpgtq  xmm, xmm/m128  66 0F 38 30+n /r
pminsb pminsd pminuw pminud pmaxsb pmaxsd pmaxuw pmaxud  xmm, xmm/m128  66 0F 38 38+n /r
pmulld phminposuw  xmm, xmm/m128  66 0F 38 40+n /r
- - - aesimc aesenc aesenclast aesdec aesdeclast  xmm, xmm/m128  66 0F 38 D8+n /r
sha1nexte sha1msg1 sha1msg2 - sha256msg1 sha256msg2  xmm, xmm/m128  0F 38 C8+n /r
sha256rnds2  xmm, xmm/m128  0F 38 CB /r
sha256rnds2  xmm, xmm/m128, xmm0  0F 38 CB /r
sha1rnds4  xmm, xmm/m128, imm8  0F 3A CC /r ib
gf2p8mulb  xmm, xmm/m128  66 0F 38 CF /r
gf2p8affineqb gf2p8affineinvqb  xmm, xmm/m128, imm8  66 0F 3A CE+n /r ib
roundps roundpd  xmm, xmm/m128, imm8  66 0F 3A 08+n /r ib
roundss  xmm, xmm/m32, imm8  66 0F 3A 0A /r ib
roundsd  xmm, xmm/m64, imm8  66 0F 3A 0B /r ib
palignr  xmm, xmm/m, imm  66 0F 3A 0F /r ib
blendps blendpd pblendw  xmm, xmm/m128, imm8  66 0F 3A 0C+n /r ib
pextrb  r32, xmm, imm8  66 0F 3A 14 /r ib MR
pextrb  r64, xmm, imm8  66 0F 3A 14 /r ib MR only64 x64
pextrb  m8, xmm, imm8  66 0F 3A 14 /r ib
pextrd  r/m32, xmm, imm8  66 0F 3A 16 /r ib
pextrq  r/m64, xmm, imm8  o64 66 0F 3A 16 /r ib only64
extractps  r/m32, xmm, imm8  66 0F 3A 17 /r ib
extractps  r64, xmm, imm8  o64 66 0F 3A 17 /r ib MR only64 x64
pinsrb  xmm, r8, imm8  66 0F 3A 20 /r ib nohigh
pinsrb  xmm, r32, imm8  66 0F 3A 20 /r ib
pinsrb  xmm, m8, imm8  66 0F 3A 20 /r ib
insertps  xmm, xmm/m32, imm8  66 0F 3A 21 /r ib
pinsrd  xmm, r/m32, imm8  66 0F 3A 22 /r ib
pinsrq  xmm, r/m64, imm8  o64 66 0F 3A 22 /r ib only64
dpps dppd mpsadbw - pclmulqdq  xmm, xmm/m128, imm8  66 0F 3A 40+n /r ib
pclmullqlqdq  xmm, xmm/m128  66 0F 3A 44 /r 00
pclmulhqlqdq  xmm, xmm/m128  66 0F 3A 44 /r 01
pclmullqhqdq  xmm, xmm/m128  66 0F 3A 44 /r 10
pclmulhqhqdq  xmm, xmm/m128  66 0F 3A 44 /r 11
pcmpestrm pcmpestri pcmpistrm pcmpistri  xmm, xmm/m128, imm8  66 0F 3A 60+n /r ib
aeskeygenassist  xmm, xmm/m128, imm8  66 0F 3A DF /r ib
extrq  xmm, imm, imm  66 0F 78 /0 ib ib
extrq  xmm, xmm  66 0F 79 /r
insertq  xmm, xmm, imm, imm  F2 0F 78 /r ib ib
insertq  xmm, xmm  F2 0F 79 /r
movntss  m32, xmm  F3 0F 2B /r dword
movntsd  m64, xmm  F2 0F 2B /r qword

pi2fw  mm, mm/m64  0F 0F /r 0C
pi2fd  mm, mm/m64  0F 0F /r 0D
pf2iw  mm, mm/m64  0F 0F /r 1C
pf2id  mm, mm/m64  0F 0F /r 1D
pfrcpv  mm, mm/m64  0F 0F /r 86
pfrsqrtv  mm, mm/m64  0F 0F /r 87
pfnacc  mm, mm/m64  0F 0F /r 8A
pfpnacc  mm, mm/m64  0F 0F /r 8E
pfcmpge  mm, mm/m64  0F 0F /r 90
pfmin  mm, mm/m64  0F 0F /r 94
pfrcp  mm, mm/m64  0F 0F /r 96
pfrsqrt  mm, mm/m64  0F 0F /r 97
pfsub  mm, mm/m64  0F 0F /r 9A
pfadd  mm, mm/m64  0F 0F /r 9E
pfcmpgt  mm, mm/m64  0F 0F /r A0
pfmax  mm, mm/m64  0F 0F /r A4
pfrcpit1  mm, mm/m64  0F 0F /r A6
pfrsqit1  mm, mm/m64  0F 0F /r A7
pfsubr  mm, mm/m64  0F 0F /r AA
pfacc  mm, mm/m64  0F 0F /r AE
pfcmpeq  mm, mm/m64  0F 0F /r B0
pfmul  mm, mm/m64  0F 0F /r B4
pfrcpit2  mm, mm/m64  0F 0F /r B6
pmulhrwa  mm, mm/m64  0F 0F /r B7
pswapd  mm, mm/m64  0F 0F /r BB
pavgusb  mm, mm/m64  0F 0F /r BF
paveb paddsiw pmagw - - psubsiw  mm, mm/m64  0F 50+n /r
pdistib  mm, m  0F 54 /r
- pmulhrwc - - - pmulhriw  mm, mm/m64  0F 58+n /r
pmvzb - pmvnzb pmvlzb pmvgezb  mm, m64  0F 58+n /r qword
pmachriw  mm, m  0F 5E /r
`;
