/** The x87 floating-point unit (SDM volume 1, §5.2); the notation is told in `../instructions.ts`. */
export const x87 = `
fadd fmul fcom fcomp fsub fsubr fdiv fdivr  m32  D8 /n
fadd fmul fcom fcomp fsub fsubr fdiv fdivr  m64  DC /n
fiadd fimul ficom ficomp fisub fisubr fidiv fidivr  m16  DE /n
fiadd fimul ficom ficomp fisub fisubr fidiv fidivr  m32  DA /n
fadd fmul - - fsubr fsub fdivr fdiv  to sti  DC C0+8n+r
fadd fmul fcom fcomp fsub fsubr fdiv fdivr  sti  D8 C0+8n+r
fadd fmul - - fsubr fsub fdivr fdiv  sti, st0  DC C0+8n+r
fadd fmul fcom fcomp fsub fsubr fdiv fdivr  st0, sti  D8 C0+8n+r
faddp fmulp - - fsubrp fsubp fdivrp fdivp  sti  DE C0+8n+r
faddp fmulp - - fsubrp fsubp fdivrp fdivp  sti, st0  DE C0+8n+r
faddp fmulp - - fsubrp fsubp fdivrp fdivp  DE C1+8n
fadd fmul - - fsubr fsub fdivr fdiv  DE C1+8n
- - fcom fcomp  D8 C1+8n
fcompp  DE D9
fucompp  DA E9
fld - fst fstp  m32  D9 /n
fld - fst fstp  m64  DD /n
fld  m80  DB /5
fstp  m80  DB /7
fld  sti  D9 C0+r
fld  D9 C1
fxch  sti  D9 C8+r
fxch  sti, st0  D9 C8+r
fxch  st0, sti  D9 C8+r
fxch  D9 C9
ffree - fst fstp fucom fucomp  sti  DD C0+8n+r
- - fst fstp fucom fucomp  DD C1+8n
ffree  DD C1
ffreep  sti  DF C0+r
ffreep  DF C1
fucom fucomp  st0, sti  DD E0+8n+r
fild fisttp fist fistp  m16  DF /n
fild fisttp fist fistp  m32  DB /n
fild  m64  DF /5
fisttp  m64  DD /1
fistp  m64  DF /7
fbld  m80  DF /4
fbstp  m80  DF /6
fcmovb fcmove fcmovbe fcmovu  sti  DA C0+8n+r
fcmovb fcmove fcmovbe fcmovu  st0, sti  DA C0+8n+r
fcmovb fcmove fcmovbe fcmovu  DA C1+8n
fcmovnb fcmovne fcmovnbe fcmovnu - fucomi fcomi  sti  DB C0+8n+r
fcmovnb fcmovne fcmovnbe fcmovnu - fucomi fcomi  st0, sti  DB C0+8n+r
fcmovnb fcmovne fcmovnbe fcmovnu - fucomi fcomi  DB C1+8n
- - - - - fucomip fcomip  sti  DF C0+8n+r
- - - - - fucomip fcomip  st0, sti  DF C0+8n+r
- - - - - fucomip fcomip  DF C1+8n
fnop  D9 D0
fchs fabs - - ftst fxam - -  D9 E0+n
fld1 fldl2t fldl2e fldpi fldlg2 fldln2 fldz  D9 E8+n
f2xm1 fyl2x fptan fpatan fxtract fprem1 fdecstp fincstp  D9 F0+n
fprem fyl2xp1 fsqrt fsincos frndint fscale fsin fcos  D9 F8+n
fneni fndisi fnclex fninit fsetpm  DB E0+n
feni fdisi fclex finit  wait DB E0+n
fldenv - fnstenv  m  D9 /4+n
fstenv  m  wait D9 /6
fldcw - fnstcw  m16  D9 /5+n
fstcw  m16  wait D9 /7
fnstsw  m16  DD /7
fnstsw  ax  DF E0 286
fstsw  m16  wait DD /7
fstsw  ax  wait DF E0 286
frstor - fnsave  m  DD /4+n
fsave  m  wait DD /6
`;
