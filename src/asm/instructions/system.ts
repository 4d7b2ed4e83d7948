/**
 * System instructions (SDM volume 1, §5.20 to 5.24), with AMD's (APM volume 3); the notation is told
 * in `../instructions.ts`.
 */
export const system = `
hlt  F4
cpuid  0F A2
rdmsr  0F 32
wrmsr  0F 30
rdtsc  0F 31
rdtscp  0F 01 F9
rdpmc  0F 33
clts  0F 06
invd  0F 08
wbinvd  0F 09
wbnoinvd  F3 0F 09
invlpg  m  0F 01 /7
invpcid  r32, m128  66 0F 38 82 /r no64
invpcid  r64, m128  o64 66 0F 38 82 /r only64
lgdt  m  0F 01 /2
lidt  m  0F 01 /3
sgdt  m  0F 01 /0
sidt  m  0F 01 /1
lldt ltr  r/m16  0F 00 /2+n
verr verw  r/m16  0F 00 /4+n
sldt str  m16  0F 00 /n
sldt str  r16  o16 0F 00 /n
sldt str  r32  o32 0F 00 /n
sldt  r64  0F 00 /0 only64
str  r64  o64 0F 00 /1 only64
smsw  m16  0F 01 /4
smsw  r16  o16 0F 01 /4
smsw  r32  o32 0F 01 /4
smsw  r64  o64 0F 01 /4 only64
lmsw  r/m16  0F 01 /6
lar lsl  rv, r/m16  0F 02+n /r loose
lar lsl  rv, r32  0F 02+n /r
lar lsl  rv, r64  0F 02+n /r only64
arpl  r/m16, r16  63 /r no64
rsm  0F AA
syscall  0F 05
sysret  0F 07
sysenter  0F 34
sysexit  0F 35
swapgs  0F 01 F8 only64
rdfsbase rdgsbase wrfsbase wrgsbase  ry  F3 0F AE /n only64
monitor  0F 01 C8
monitor  eax, ecx, edx  0F 01 C8 no64
monitor  rax, ecx, edx  0F 01 C8 only64
mwait  0F 01 C9
mwait  eax, ecx  0F 01 C9
monitorx  0F 01 FA
monitorx  rax, ecx, edx  0F 01 FA only64 x64
monitorx  eax, ecx, edx  0F 01 FA
monitorx  ax, ecx, edx  0F 01 FA
mwaitx  0F 01 FB
mwaitx  eax, ecx  0F 01 FB
clzero  0F 01 FC
clzero  ax  a16 0F 01 FC no64
clzero  eax  a32 0F 01 FC
clzero  rax  a64 0F 01 FC only64
clac  0F 01 CA
stac  0F 01 CB
xgetbv  0F 01 D0
xsetbv  0F 01 D1
encls  0F 01 CF
enclu  0F 01 D7
enclv  0F 01 C0
pconfig  0F 01 C5
getsec  0F 37
fxsave fxrstor  m  0F AE /n
fxsave64 fxrstor64  m  o64 0F AE /n only64
xsave xrstor xsaveopt  m  0F AE /4+n
xsave64 xrstor64 xsaveopt64  m  o64 0F AE /4+n only64
xrstors xsavec xsaves  m  0F C7 /3+n
xrstors64 xsavec64 xsaves64  m  o64 0F C7 /3+n only64
vmcall  0F 01 C1
vmlaunch  0F 01 C2
vmresume  0F 01 C3
vmxoff  0F 01 C4
vmfunc  0F 01 D4
vmptrld vmptrst  m  0F C7 /6+n
vmclear  m  66 0F C7 /6
vmxon  m  F3 0F C7 /6
vmread  r/m32, r32  0F 78 /r no64
vmread  r/m64, r64  0F 78 /r only64 x64
vmwrite  r32, r/m32  0F 79 /r no64
vmwrite  r64, r/m64  0F 79 /r only64 x64
invept invvpid  r32, m128  66 0F 38 80+n /r no64
invept invvpid  r64, m128  66 0F 38 80+n /r only64
vmrun vmmcall vmload vmsave stgi clgi - invlpga  0F 01 D8+n
invlpga  ax, ecx  a16 0F 01 DF no64
invlpga  eax, ecx  a32 0F 01 DF
invlpga  rax, ecx  a64 0F 01 DF only64
skinit  0F 01 DE only64
endbr32  F3 0F 1E FB
endbr64  F3 0F 1E FA
incsspd  r32  o32 F3 0F AE /5
incsspq  r64  o64 F3 0F AE /5 only64
rdsspd  r32  o32 F3 0F 1E /1
rdsspq  r64  o64 F3 0F 1E /1 only64
saveprevssp  F3 0F 01 EA
rstorssp  m64  F3 0F 01 /5
clrssbsy  m64  F3 0F AE /6
setssbsy  F3 0F 01 E8
wrssd  m32, r32  o32 0F 38 F6 /r
wrssq  m64, r64  o64 0F 38 F6 /r only64
wrussd  m32, r32  o32 66 0F 38 F5 /r
wrussq  m64, r64  o64 66 0F 38 F5 /r only64
uiret testui clui stui  F3 0F 01 EC+n only64
senduipi  r64  F3 0F C7 /6 only64
rdpkru wrpkru  0F 01 EE+n only64
wrmsrns  0F 01 C6 only64
rdmsrlist  F2 0F 01 C6 only64
wrmsrlist  F3 0F 01 C6 only64
hreset  imm8, eax  F3 0F 3A F0 C0 ib
hreset  imm8  F3 0F 3A F0 C0 ib
pvalidate  F2 0F 01 FF
rmpadjust  F3 0F 01 FE
vmgexit  F2 0F 01 C1
loadall286  0F 05
loadall  0F 07
smi  F1

smint  0F 38
dmint  0F 39
rdm bb0_reset  0F 3A
bb1_reset cpu_write cpu_read  0F 3B+n
smintold  0F 7E
rdshr wrshr  r/m32  o32 0F 36+n /0
svdc  m80, sreg  0F 78 /r
rsdc  sreg, m80  0F 79 /r
svldt rsldt svts rsts  m80  0F 7A+n /0
`;
