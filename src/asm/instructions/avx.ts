/**
 * AVX, AVX2, FMA and F16C, and what has a VEX prefix of AES, PCLMULQDQ and GFNI (SDM volume 1, §5.13
 * to 5.16); the notation is told in `../instructions.ts`. The order is that of `simd.ts`, whose
 * instructions most of these are, with the first source as an operand of its own.
 */
export const avx = `
vzeroupper  VEX.0F 77
vzeroall  VEX.L1.0F 77
vpunpcklbw vpunpcklwd vpunpckldq vpacksswb vpcmpgtb vpcmpgtw vpcmpgtd vpackuswb  x, x*, x/m  VEX.66.0F 60+n /r avx2
vpunpckhbw vpunpckhwd vpunpckhdq vpackssdw vpunpcklqdq vpunpckhqdq  x, x*, x/m  VEX.66.0F 68+n /r avx2
- - - - vpcmpeqb vpcmpeqw vpcmpeqd  x, x*, x/m  VEX.66.0F 70+n /r avx2
- - - - vpaddq vpmullw  x, x*, x/m  VEX.66.0F D0+n /r avx2
vpsubusb vpsubusw vpminub vpand vpaddusb vpaddusw vpmaxub vpandn  x, x*, x/m  VEX.66.0F D8+n /r avx2
vpavgb - - vpavgw vpmulhuw vpmulhw  x, x*, x/m  VEX.66.0F E0+n /r avx2
vpsubsb vpsubsw vpminsw vpor vpaddsb vpaddsw vpmaxsw vpxor  x, x*, x/m  VEX.66.0F E8+n /r avx2
- - - - vpmuludq vpmaddwd vpsadbw  x, x*, x/m  VEX.66.0F F0+n /r avx2
vpsubb vpsubw vpsubd vpsubq vpaddb vpaddw vpaddd  x, x*, x/m  VEX.66.0F F8+n /r avx2
- vpsrlw vpsrld vpsrlq  x, x*, xmm/m128  VEX.66.0F D0+n /r avx2
- vpsraw vpsrad  x, x*, xmm/m128  VEX.66.0F E0+n /r avx2
- vpsllw vpslld vpsllq  x, x*, xmm/m128  VEX.66.0F F0+n /r avx2
- - vpsrlw - vpsraw - vpsllw  vvvv:x, x*, imm8  VEX.66.0F 71 /n ib avx2
- - vpsrld - vpsrad - vpslld  vvvv:x, x*, imm8  VEX.66.0F 72 /n ib avx2
- - vpsrlq vpsrldq - - vpsllq vpslldq  vvvv:x, x*, imm8  VEX.66.0F 73 /n ib avx2
vpshufd  x, x/m, imm8  VEX.66.0F 70 /r ib avx2
vpshufhw  x, x/m, imm8  VEX.F3.0F 70 /r ib avx2
vpshuflw  x, x/m, imm8  VEX.F2.0F 70 /r ib avx2
vmovd  xmm, r/m32  VEX.66.0F 6E /r
vmovd  r/m32, xmm  VEX.66.0F 7E /r
vmovq  xmm, xmm/m64  VEX.F3.0F 7E /r qword
vmovq  xmm/m64, xmm  VEX.66.0F D6 /r qword
vmovq  xmm, r/m64  VEX.66.0F.W1 6E /r only64 qword
vmovq  r/m64, xmm  VEX.66.0F.W1 7E /r only64 qword
vmovdqa  x, x/m  VEX.66.0F 6F /r
vmovdqa  x/m, x  VEX.66.0F 7F /r
vmovdqu  x, x/m  VEX.F3.0F 6F /r
vmovdqu  x/m, x  VEX.F3.0F 7F /r
vmovqqa  ymm, ymm/m256  VEX.L1.66.0F 6F /r
vmovqqa  ymm/m256, ymm  VEX.L1.66.0F 7F /r
vmovqqu  ymm, ymm/m256  VEX.L1.F3.0F 6F /r
vmovqqu  ymm/m256, ymm  VEX.L1.F3.0F 7F /r
vmovntdq  mx, x  VEX.66.0F E7 /r
vmovntqq  m256, ymm  VEX.L1.66.0F E7 /r
vmovntdqa  x, mx  VEX.66.0F38 2A /r avx2
vmaskmovdqu  xmm, xmm  VEX.66.0F F7 /r
vpmovmskb  r32, x  VEX.66.0F D7 /r avx2
vpmovmskb  r64, x  VEX.66.0F D7 /r avx2 only64
vpinsrw  xmm, xmm*, r16, imm8  VEX.66.0F C4 /r ib
vpinsrw  xmm, xmm*, r32, imm8  VEX.66.0F C4 /r ib
vpinsrw  xmm, xmm*, m16, imm8  VEX.66.0F C4 /r ib
vpextrw  r32, xmm, imm8  VEX.66.0F C5 /r ib
vpextrw  r64, xmm, imm8  VEX.66.0F C5 /r ib only64
vpextrw  m16, xmm, imm8  VEX.66.0F3A 15 /r ib

vmovups  x, x/m  VEX.0F 10 /r
vmovups  x/m, x  VEX.0F 11 /r
vmovupd  x, x/m  VEX.66.0F 10 /r
vmovupd  x/m, x  VEX.66.0F 11 /r
vmovss  xmm, xmm*, xmm  VEX.F3.0F 10 /r
vmovss  xmm, m32  VEX.F3.0F 10 /r
vmovss  m32, xmm  VEX.F3.0F 11 /r
vmovsd  xmm, xmm*, xmm  VEX.F2.0F 10 /r
vmovsd  xmm, m64  VEX.F2.0F 10 /r
vmovsd  m64, xmm  VEX.F2.0F 11 /r
vmovaps  x, x/m  VEX.0F 28 /r
vmovaps  x/m, x  VEX.0F 29 /r
vmovapd  x, x/m  VEX.66.0F 28 /r
vmovapd  x/m, x  VEX.66.0F 29 /r
vmovlps - - - vmovhps  xmm, xmm*, m64  VEX.0F 12+n /r
vmovlps - - - vmovhps  m64, xmm  VEX.0F 13+n /r
vmovlpd - - - vmovhpd  xmm, xmm*, m64  VEX.66.0F 12+n /r
vmovlpd - - - vmovhpd  m64, xmm  VEX.66.0F 13+n /r
vmovhlps - - - vmovlhps  xmm, xmm*, xmm  VEX.0F 12+n /r
vmovsldup - - - vmovshdup  x, x/m  VEX.F3.0F 12+n /r
vmovddup  xmm, xmm/m64  VEX.F2.0F 12 /r
vmovddup  ymm, ymm/m256  VEX.L1.F2.0F 12 /r
vmovntps  mx, x  VEX.0F 2B /r
vmovntpd  mx, x  VEX.66.0F 2B /r
vlddqu  x, mx  VEX.F2.0F F0 /r
vldqqu  ymm, m256  VEX.L1.F2.0F F0 /r
vunpcklps vunpckhps  x, x*, x/m  VEX.0F 14+n /r
vunpcklpd vunpckhpd  x, x*, x/m  VEX.66.0F 14+n /r
vmovmskps  r32, x  VEX.0F 50 /r
vmovmskps  r64, x  VEX.0F 50 /r only64
vmovmskpd  r32, x  VEX.66.0F 50 /r
vmovmskpd  r64, x  VEX.66.0F 50 /r only64
- vsqrtps vrsqrtps vrcpps  x, x/m  VEX.0F 50+n /r
- vsqrtss vrsqrtss vrcpss  xmm, xmm*, xmm/m32  VEX.F3.0F 50+n /r
vsqrtpd  x, x/m  VEX.66.0F 51 /r
vsqrtsd  xmm, xmm*, xmm/m64  VEX.F2.0F 51 /r
vandps vandnps vorps vxorps  x, x*, x/m  VEX.0F 54+n /r
vandpd vandnpd vorpd vxorpd  x, x*, x/m  VEX.66.0F 54+n /r
vaddps vmulps - - vsubps vminps vdivps vmaxps  x, x*, x/m  VEX.0F 58+n /r
vaddpd vmulpd - - vsubpd vminpd vdivpd vmaxpd  x, x*, x/m  VEX.66.0F 58+n /r
vaddss vmulss vcvtss2sd - vsubss vminss vdivss vmaxss  xmm, xmm*, xmm/m32  VEX.F3.0F 58+n /r
vaddsd vmulsd vcvtsd2ss - vsubsd vminsd vdivsd vmaxsd  xmm, xmm*, xmm/m64  VEX.F2.0F 58+n /r
vcvtps2pd  xmm, xmm/m64  VEX.0F 5A /r
vcvtps2pd  ymm, xmm/m128  VEX.L1.0F 5A /r
vcvtpd2ps  xmm, xmm  VEX.66.0F 5A /r
vcvtpd2ps  xmm, m128  VEX.66.0F 5A /r oword
vcvtpd2ps  xmm, ymm  VEX.L1.66.0F 5A /r
vcvtpd2ps  xmm, m256  VEX.L1.66.0F 5A /r yword
vcvtdq2ps  x, x/m  VEX.0F 5B /r
vcvtps2dq  x, x/m  VEX.66.0F 5B /r
vcvttps2dq  x, x/m  VEX.F3.0F 5B /r
vcvttpd2dq  xmm, xmm  VEX.66.0F E6 /r
vcvttpd2dq  xmm, m128  VEX.66.0F E6 /r oword
vcvttpd2dq  xmm, ymm  VEX.L1.66.0F E6 /r
vcvttpd2dq  xmm, m256  VEX.L1.66.0F E6 /r yword
vcvtpd2dq  xmm, xmm  VEX.F2.0F E6 /r
vcvtpd2dq  xmm, m128  VEX.F2.0F E6 /r oword
vcvtpd2dq  xmm, ymm  VEX.L1.F2.0F E6 /r
vcvtpd2dq  xmm, m256  VEX.L1.F2.0F E6 /r yword
vcvtdq2pd  xmm, xmm/m64  VEX.F3.0F E6 /r
vcvtdq2pd  ymm, xmm/m128  VEX.L1.F3.0F E6 /r
vcvtsi2ss  xmm, xmm*, r/m32  VEX.F3.0F 2A /r dword
vcvtsi2ss  xmm, xmm*, r/m64  VEX.F3.0F.W1 2A /r only64 qword
vcvtsi2sd  xmm, xmm*, r/m32  VEX.F2.0F 2A /r dword
vcvtsi2sd  xmm, xmm*, r/m64  VEX.F2.0F.W1 2A /r only64 qword
vcvttss2si vcvtss2si  r32, xmm/m32  VEX.F3.0F 2C+n /r
vcvttss2si vcvtss2si  r64, xmm/m32  VEX.F3.0F.W1 2C+n /r only64
vcvttsd2si vcvtsd2si  r32, xmm/m64  VEX.F2.0F 2C+n /r
vcvttsd2si vcvtsd2si  r64, xmm/m64  VEX.F2.0F.W1 2C+n /r only64
vcvtph2ps  xmm, xmm/m64  VEX.66.0F38 13 /r ivybridge
vcvtph2ps  ymm, xmm/m128  VEX.L1.66.0F38 13 /r ivybridge
vcvtps2ph  xmm/m64, xmm, imm8  VEX.66.0F3A 1D /r ib ivybridge
vcvtps2ph  xmm/m128, ymm, imm8  VEX.L1.66.0F3A 1D /r ib ivybridge
vucomiss vcomiss  xmm, xmm/m32  VEX.0F 2E+n /r
vucomisd vcomisd  xmm, xmm/m64  VEX.66.0F 2E+n /r
vcmpps  x, x*, x/m, imm8  VEX.0F C2 /r ib
vcmppd  x, x*, x/m, imm8  VEX.66.0F C2 /r ib
vcmpss  xmm, xmm*, xmm/m64, imm8  VEX.F3.0F C2 /r ib
vcmpsd  xmm, xmm*, xmm/m64, imm8  VEX.F2.0F C2 /r ib
vcmpccps  x, x*, x/m  VEX.0F C2 /r n
vcmpccpd  x, x*, x/m  VEX.66.0F C2 /r n
vcmpccss  xmm, xmm*, xmm/m64  VEX.F3.0F C2 /r n
vcmpccsd  xmm, xmm*, xmm/m64  VEX.F2.0F C2 /r n
vshufps  x, x*, x/m, imm8  VEX.0F C6 /r ib
vshufpd  x, x*, x/m, imm8  VEX.66.0F C6 /r ib
vhaddpd vhsubpd  x, x*, x/m  VEX.66.0F 7C+n /r
vhaddps vhsubps  x, x*, x/m  VEX.F2.0F 7C+n /r
vaddsubpd  x, x*, x/m  VEX.66.0F D0 /r
vaddsubps  x, x*, x/m  VEX.F2.0F D0 /r
vldmxcsr vstmxcsr  m32  VEX.0F AE /2+n

vpshufb vphaddw vphaddd vphaddsw vpmaddubsw vphsubw vphsubd vphsubsw  x, x*, x/m  VEX.66.0F38 00+n /r avx2
vpsignb vpsignw vpsignd vpmulhrsw  x, x*, x/m  VEX.66.0F38 08+n /r avx2
vpermilps vpermilpd  x, x*, x/m  VEX.66.0F38 0C+n /r
vpermilps vpermilpd  x, x/m, imm8  VEX.66.0F3A 04+n /r ib
vtestps vtestpd  x, x/m  VEX.66.0F38 0E+n /r
vptest  x, x/m  VEX.66.0F38 17 /r
vpabsb vpabsw vpabsd  x, x/m  VEX.66.0F38 1C+n /r avx2
vbroadcastss  x, xmm  VEX.66.0F38 18 /r ivybridge
vbroadcastss  x, m32  VEX.66.0F38 18 /r
vbroadcastsd  ymm, xmm  VEX.L1.66.0F38 19 /r ivybridge
vbroadcastsd  ymm, m64  VEX.L1.66.0F38 19 /r
vbroadcastf128  ymm, m128  VEX.L1.66.0F38 1A /r
vbroadcasti128  ymm, m128  VEX.L1.66.0F38 5A /r ivybridge
vpbroadcastd vpbroadcastq  x, xmm  VEX.66.0F38 58+n /r ivybridge
vpbroadcastd  x, m32  VEX.66.0F38 58 /r ivybridge
vpbroadcastq  x, m64  VEX.66.0F38 59 /r ivybridge
vpbroadcastb vpbroadcastw  x, xmm  VEX.66.0F38 78+n /r ivybridge
vpbroadcastb  x, m8  VEX.66.0F38 78 /r ivybridge
vpbroadcastw  x, m16  VEX.66.0F38 79 /r ivybridge
vpmovsxbw - - vpmovsxwd - vpmovsxdq  xmm, xmm/m64  VEX.66.0F38 20+n /r
vpmovsxbw - - vpmovsxwd - vpmovsxdq  ymm, xmm/m128  VEX.L1.66.0F38 20+n /r ivybridge
- vpmovsxbd - - vpmovsxwq  xmm, xmm/m32  VEX.66.0F38 20+n /r
- vpmovsxbd - - vpmovsxwq  ymm, m64  VEX.L1.66.0F38 20+n /r ivybridge
- - vpmovsxbq  xmm, xmm/m16  VEX.66.0F38 20+n /r
- - vpmovsxbq  ymm, m32  VEX.L1.66.0F38 20+n /r ivybridge
- vpmovsxbd vpmovsxbq - vpmovsxwq  ymm, xmm  VEX.L1.66.0F38 20+n /r ivybridge
vpmovzxbw - - vpmovzxwd - vpmovzxdq  xmm, xmm/m64  VEX.66.0F38 30+n /r
vpmovzxbw - - vpmovzxwd - vpmovzxdq  ymm, xmm/m128  VEX.L1.66.0F38 30+n /r ivybridge
- vpmovzxbd - - vpmovzxwq  xmm, xmm/m32  VEX.66.0F38 30+n /r
- vpmovzxbd - - vpmovzxwq  ymm, m64  VEX.L1.66.0F38 30+n /r ivybridge
- - vpmovzxbq  xmm, xmm/m16  VEX.66.0F38 30+n /r
- - vpmovzxbq  ymm, m32  VEX.L1.66.0F38 30+n /r ivybridge
- vpmovzxbd vpmovzxbq - vpmovzxwq  ymm, xmm  VEX.L1.66.0F38 30+n /r ivybridge
vpmuldq vpcmpeqq - vpackusdw  x, x*, x/m  VEX.66.0F38 28+n /r avx2
vpcmpgtq  x, x*, x/m  VEX.66.0F38 37 /r avx2
vpminsb vpminsd vpminuw vpminud vpmaxsb vpmaxsd vpmaxuw vpmaxud  x, x*, x/m  VEX.66.0F38 38+n /r avx2
vpmulld  x, x*, x/m  VEX.66.0F38 40 /r avx2
vphminposuw  xmm, xmm/m128  VEX.66.0F38 41 /r
vpsrlvd vpsravd vpsllvd  x, x*, x/m  VEX.66.0F38 45+n /r ivybridge
vpsrlvq - vpsllvq  x, x*, x/m  VEX.66.0F38.W1 45+n /r ivybridge
vpermps  ymm, ymm*, ymm/m256  VEX.L1.66.0F38 16 /r ivybridge
vpermd  ymm, ymm*, ymm/m256  VEX.L1.66.0F38 36 /r ivybridge
vpermq vpermpd  ymm, ymm/m256, imm8  VEX.L1.66.0F3A.W1 00+n /r ib ivybridge
vmaskmovps vmaskmovpd  x, vvvv:x, mx  VEX.66.0F38 2C+n /r
vmaskmovps  m128, vvvv:xmm, xmm  VEX.66.0F38 2E /r oword
vmaskmovps  m256, vvvv:ymm, ymm  VEX.L1.66.0F38 2E /r yword
vmaskmovpd  mx, vvvv:x, x  VEX.66.0F38 2F /r
vpmaskmovd  x, x*, mx  VEX.66.0F38 8C /r ivybridge
vpmaskmovq  x, x*, mx  VEX.66.0F38.W1 8C /r ivybridge
vpmaskmovd  mx, vvvv:x, x  VEX.66.0F38 8E /r ivybridge
vpmaskmovq  mx, vvvv:x, x  VEX.66.0F38.W1 8E /r ivybridge
vpgatherdd - vgatherdps  x, m32[x], vvvv:x  VEX.66.0F38 90+n /r ivybridge
vpgatherdq - vgatherdpd  xmm, m64[xmm], vvvv:xmm  VEX.66.0F38.W1 90+n /r ivybridge
vpgatherdq - vgatherdpd  ymm, m64[xmm], vvvv:ymm  VEX.L1.66.0F38.W1 90+n /r ivybridge
vpgatherqd - vgatherqps  xmm, m32[x], vvvv:xmm  VEX.66.0F38 91+n /r ivybridge
vpgatherqq - vgatherqpd  x, m64[x], vvvv:x  VEX.66.0F38.W1 91+n /r ivybridge
vgf2p8mulb  x, x*, x/m  VEX.66.0F38 CF /r ivybridge
vgf2p8affineqb vgf2p8affineinvqb  x, x*, x/m, imm8  VEX.66.0F3A.W1 CE+n /r ib ivybridge
vaesimc  xmm, xmm/m128  VEX.66.0F38 DB /r
vaesenc vaesenclast vaesdec vaesdeclast  x, x*, x/m  VEX.66.0F38 DC+n /r avx2
vroundps vroundpd  x, x/m, imm8  VEX.66.0F3A 08+n /r ib
vroundss  xmm, xmm*, xmm/m32, imm8  VEX.66.0F3A 0A /r ib
vroundsd  xmm, xmm*, xmm/m64, imm8  VEX.66.0F3A 0B /r ib
vblendps vblendpd  x, x*, x/m, imm8  VEX.66.0F3A 0C+n /r ib
vpblendw vpalignr  x, x*, x/m, imm8  VEX.66.0F3A 0E+n /r ib avx2
vpblendd  x, x*, x/m, imm8  VEX.66.0F3A 02 /r ib ivybridge
vperm2f128  ymm, ymm*, ymm/m256, imm8  VEX.L1.66.0F3A 06 /r ib
vperm2i128  ymm, ymm*, ymm/m256, imm8  VEX.L1.66.0F3A 46 /r ib ivybridge
vinsertf128  ymm, ymm*, xmm/m128, imm8  VEX.L1.66.0F3A 18 /r ib
vinserti128  ymm, ymm*, xmm/m128, imm8  VEX.L1.66.0F3A 38 /r ib ivybridge
vextractf128  xmm/m128, ymm, imm8  VEX.L1.66.0F3A 19 /r ib
vextracti128  xmm/m128, ymm, imm8  VEX.L1.66.0F3A 39 /r ib ivybridge
vpextrb  r32, xmm, imm8  VEX.66.0F3A 14 /r ib MR
vpextrb  r64, xmm, imm8  VEX.66.0F3A 14 /r ib MR only64
vpextrb  m8, xmm, imm8  VEX.66.0F3A 14 /r ib
vpextrd  r/m32, xmm, imm8  VEX.66.0F3A 16 /r ib
vpextrd  r64, xmm, imm8  VEX.66.0F3A 16 /r ib MR only64
vpextrq  r/m64, xmm, imm8  VEX.66.0F3A.W1 16 /r ib only64
vextractps  r/m32, xmm, imm8  VEX.66.0F3A 17 /r ib
vpinsrb  xmm, xmm*, r8, imm8  VEX.66.0F3A 20 /r ib nohigh
vpinsrb  xmm, xmm*, r32, imm8  VEX.66.0F3A 20 /r ib
vpinsrb  xmm, xmm*, m8, imm8  VEX.66.0F3A 20 /r ib
vinsertps  xmm, xmm*, xmm/m32, imm8  VEX.66.0F3A 21 /r ib
vpinsrd  xmm, xmm*, r/m32, imm8  VEX.66.0F3A 22 /r ib
vpinsrq  xmm, xmm*, r/m64, imm8  VEX.66.0F3A.W1 22 /r ib only64
vdpps  x, x*, x/m, imm8  VEX.66.0F3A 40 /r ib
vdppd  xmm, xmm*, xmm/m128, imm8  VEX.66.0F3A 41 /r ib
vmpsadbw - vpclmulqdq  x, x*, x/m, imm8  VEX.66.0F3A 42+n /r ib avx2
vpclmullqlqdq  x, x*, x/m  VEX.66.0F3A 44 /r 00 avx2
vpclmulhqlqdq  x, x*, x/m  VEX.66.0F3A 44 /r 01 avx2
vpclmullqhqdq  x, x*, x/m  VEX.66.0F3A 44 /r 10 avx2
vpclmulhqhqdq  x, x*, x/m  VEX.66.0F3A 44 /r 11 avx2
vblendvps vblendvpd  x, x*, x/m, x  VEX.66.0F3A 4A+n /r /is4
vpblendvb  x, x*, x/m, x  VEX.66.0F3A 4C /r /is4 avx2
vpcmpestrm vpcmpestri vpcmpistrm vpcmpistri  xmm, xmm/m128, imm8  VEX.66.0F3A 60+n /r ib
vaeskeygenassist  xmm, xmm/m128, imm8  VEX.66.0F3A DF /r ib

vfmaddsubccps  x, vvvv:x, x/m  VEX.66.0F38 96+16cc /r ivybridge
vfmaddsubccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 96+16cc /r ivybridge
vfmsubaddccps  x, vvvv:x, x/m  VEX.66.0F38 97+16cc /r ivybridge
vfmsubaddccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 97+16cc /r ivybridge
vfmaddccps  x, vvvv:x, x/m  VEX.66.0F38 98+16cc /r ivybridge
vfmaddccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 98+16cc /r ivybridge
vfmaddccss  xmm, vvvv:xmm, xmm/m32  VEX.66.0F38 99+16cc /r ivybridge
vfmaddccsd  xmm, vvvv:xmm, xmm/m64  VEX.66.0F38.W1 99+16cc /r ivybridge
vfmsubccps  x, vvvv:x, x/m  VEX.66.0F38 9A+16cc /r ivybridge
vfmsubccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 9A+16cc /r ivybridge
vfmsubccss  xmm, vvvv:xmm, xmm/m32  VEX.66.0F38 9B+16cc /r ivybridge
vfmsubccsd  xmm, vvvv:xmm, xmm/m64  VEX.66.0F38.W1 9B+16cc /r ivybridge
vfnmaddccps  x, vvvv:x, x/m  VEX.66.0F38 9C+16cc /r ivybridge
vfnmaddccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 9C+16cc /r ivybridge
vfnmaddccss  xmm, vvvv:xmm, xmm/m32  VEX.66.0F38 9D+16cc /r ivybridge
vfnmaddccsd  xmm, vvvv:xmm, xmm/m64  VEX.66.0F38.W1 9D+16cc /r ivybridge
vfnmsubccps  x, vvvv:x, x/m  VEX.66.0F38 9E+16cc /r ivybridge
vfnmsubccpd  x, vvvv:x, x/m  VEX.66.0F38.W1 9E+16cc /r ivybridge
vfnmsubccss  xmm, vvvv:xmm, xmm/m32  VEX.66.0F38 9F+16cc /r ivybridge
vfnmsubccsd  xmm, vvvv:xmm, xmm/m64  VEX.66.0F38.W1 9F+16cc /r ivybridge
`;
