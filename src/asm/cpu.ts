/**
 * What `cpu` restricts instructions to. NASM orders CPUs by their age and gives each form of an
 * instruction the oldest that has it: `newcomers` below says it of mnemonics, a CPU's name among the
 * words of a row of that row. The 8086 has what is not named.
 *
 * @module
 */

import { type Bits, conditionNumber, FAR, REGISTER, type Row } from "./instructions.ts";
import type { Operand } from "./operand.ts";

/** What the directive `cpu` left in force. */
export interface Cpu {
  /** Its name, for messages. */
  readonly name: string;
  /** Its place among all CPUs by their age. */
  readonly level: number;
  /** Whether VEX prefixes are taken. */
  readonly hasVex: boolean;
}

/** The CPUs by their age with their names; the tables use the first. */
const ages = ("8086 186 286 386 486 586,pentium,pentiummmx 686,p6,ppro,pentiumpro,p2,pentiumii " +
  "p3,katmai p4,willamette prescott x64,x86-64 nehalem westmere sandybridge ivybridge " +
  "ia64,ia-64,itanium,itanic,merced any,all,default").split(" ").map((names) => names.split(","));

/** The level of a CPU, by the name that the tables use. */
const levels = new Map(ages.map(([name], level) => [name!, level]));

/** The oldest CPUs with 32-bit and 64-bit operands. */
export const level32: number = levels.get("386")!, level64: number = levels.get("x64")!;

/** The oldest CPU with VEX prefixes, and the one beside which NASM puts those that have AVX2. */
const levelVex = levels.get("sandybridge")!, levelAvx2 = levels.get("ivybridge")!;

/** No restriction. */
export const anyCpu: Cpu = { name: "any", level: ages.length - 1, hasVex: true };

/**
 * Obeys `cpu`: the last CPU named counts, and `vex` or `novex`. As in NASM the beginning of a name
 * suffices.
 *
 * @param cpu What was in force.
 * @param text The directive's argument.
 * @returns What is in force now, or undefined if there is an unknown word.
 */
export function changeCpu(cpu: Cpu, text: string): Cpu | undefined {
  let sign = "+";
  for (const written of text.toLowerCase().split(/[ ,]/)) {
    const [, signs = "", no, name = ""] = /^([-+*]*)(no(?=.))?(.*)$/.exec(written)!;
    sign = signs.at(-1) ?? sign;
    if (name === "") continue;
    const level = ages.findIndex((names) => names.some((each) => each.startsWith(name)));
    if (level >= 0) cpu = { name: ages[level]![0]!, level, hasVex: true };
    else if ("vex".startsWith(name)) {
      cpu = { ...cpu, hasVex: (sign === "+") === (no === undefined) };
    } else if (!"latevex".startsWith(name) && !"evex".startsWith(name)) return undefined;
  }
  return cpu;
}

/** The level of the oldest CPU that has a form of an instruction, with operands that fit the row. */
export function levelOf(
  row: Row,
  mnemonic: string,
  { operands, bits }: { operands: readonly Operand[]; bits: Bits },
): number {
  const marked = Math.max(
    row.isVex ? levelVex : 0,
    ...row.words.map((word) =>
      word === "avx2" && row.operandSize === 256 ? levelAvx2 : levels.get(word) ?? 0
    ),
  );
  const { level, isForAnySize } = findNewcomer(mnemonic);
  const least = Math.max(marked, level);
  if (isForAnySize) return least;
  // A branch or `push` of the mode's own size is no newer than the mode, if no size is written.
  const isOfMode = row.operandSize === bits &&
    (row.isModeSized || row.operands[0]?.kinds === FAR);
  let size = isOfMode ? 0 : row.operandSize;
  for (const operand of operands) {
    const isGeneral = operand.kind === REGISTER && operand.register!.class === "general";
    const isWritten = operand.kind !== REGISTER && (isOfMode || row.isModeSized);
    if (isGeneral || isWritten) size = Math.max(size, operand.size);
  }
  return Math.max(least, size === 64 ? level64 : size === 32 ? level32 : 0);
}

interface Newcomer {
  readonly level: number;
  /** Whether its larger operands need no newer CPU. */
  readonly isForAnySize: boolean;
}

const oldest: Newcomer = { level: 0, isForAnySize: false };

/** The newcomers by mnemonic, read when `cpu` is first used. */
let byName: Map<string, Newcomer> | undefined;

function findNewcomer(mnemonic: string): Newcomer {
  byName ??= new Map(
    newcomers.trim().split(/\n(?! )/).flatMap((line) => {
      const [head = "", names = ""] = line.split(": ");
      const isForAnySize = head.endsWith("!");
      const newcomer = { level: levels.get(head.replace("!", ""))!, isForAnySize };
      return names.split(/\s+/).map((name) => [name, newcomer] as const);
    }),
  );
  const found = byName.get(mnemonic);
  if (found) return found;
  const [, stem, condition = ""] = /^(set|cmov)(.*)$/.exec(mnemonic) ?? [];
  const isFamily = stem !== undefined && conditionNumber(condition) >= 0;
  return (isFamily ? byName.get(`${stem}cc`) : undefined) ?? oldest;
}

/** Which CPU brought what; after `!` the operands' size adds nothing. */
const newcomers = `
8086!: monitorx mwaitx crc32 retd retnd retfd vmread vmwrite invept invvpid pextrw pextrb pextrd extractps pinsrb
  pinsrd
186!: ud0 ud1 ud2b
186: pusha pushaw popa popaw enter leave bound insb insw outsb outsw ud2 ud2a
286: clts lgdt lidt sgdt sidt lldt ltr verr verw sldt str smsw lmsw lar lsl arpl loadall286 ffreep
  fsetpm
386: movsx movzx lss lfs lgs shld shrd bt bts btr btc bsf bsr jecxz int1 int01 icebp setcc umov
  ibts xbts loadall smi fucompp fucom fucomp fprem1 fsincos fsin fcos
486: bswap xadd cmpxchg486 invd wbinvd invlpg smintold svdc rsdc svldt rsldt svts rsts
586: cmpxchg cmpxchg8b prefetch prefetchw cpuid rdmsr wrmsr rdtsc rsm bb0_reset bb1_reset
  cpu_write cpu_read emms femms punpcklbw punpcklwd punpckldq packsswb pcmpgtb pcmpgtw pcmpgtd
  packuswb punpckhbw punpckhwd punpckhdq packssdw pcmpeqb pcmpeqw pcmpeqd psrlw psrld psrlq pmullw
  psubusb psubusw pand paddusb paddusw pandn psraw psrad pmulhw psubsb psubsw por paddsb paddsw
  pxor psllw pslld psllq pmaddwd psubb psubw psubd paddb paddw paddd movd movq pi2fw pi2fd pf2iw
  pf2id pfrcpv pfrsqrtv pfcmpge pfmin pfrcp pfrsqrt pfsub pfadd pfcmpgt pfmax pfrcpit1 pfrsqit1
  pfsubr pfcmpeq pfmul pfrcpit2 pmulhrwa pswapd pavgusb paveb paddsiw pmagw psubsiw pdistib
  pmulhrwc pmulhriw pmvzb pmvnzb pmvlzb pmvgezb pmachriw pfacc pfnacc
  pfpnacc
686: cmovcc lzcnt rdpmc syscall sysret sysenter sysexit fxsave fxrstor smint dmint rdm rdshr wrshr
  fcmovb fcmove fcmovbe fcmovu fcmovnb fcmovne fcmovnbe fcmovnu fucomi fcomi fucomip fcomip
p3: prefetchnta prefetcht0 prefetcht1 prefetcht2 sfence getsec pminub pmaxub pavgb pavgw pmulhuw
  pminsw pmaxsw psadbw pshufw movntq maskmovq pmovmskb pinsrw movups movss movaps movlps movhps
  movhlps movlhps movntps unpcklps unpckhps movmskps sqrtps rsqrtps rcpps andps andnps orps xorps
  sqrtss rsqrtss rcpss addps mulps subps minps divps maxps addss mulss subss minss divss maxss
  cvtpi2ps cvttps2pi cvtps2pi cvtsi2ss cvttss2si cvtss2si ucomiss comiss cmpps cmpss cmpeqps
  cmpltps cmpleps cmpunordps cmpneqps cmpnltps cmpnleps cmpordps cmpeqss cmpltss cmpless
  cmpunordss cmpneqss cmpnltss cmpnless cmpordss shufps ldmxcsr stmxcsr
p4: clflush lfence mfence movnti paddq pmuludq psubq punpcklqdq punpckhqdq psrldq pslldq pshufd
  pshufhw pshuflw movdqa movdqu movdq2q movq2dq movntdq maskmovdqu movupd movapd movlpd movhpd
  movntpd unpcklpd unpckhpd movmskpd sqrtpd andpd andnpd orpd xorpd sqrtsd cvtdq2ps addpd mulpd
  cvtpd2ps cvtps2dq subpd minpd divpd maxpd cvtss2sd addsd mulsd cvtsd2ss subsd minsd divsd maxsd
  cvtps2pd cvttps2dq cvttpd2dq cvtpd2dq cvtdq2pd cvtpi2pd cvttpd2pi cvtpd2pi cvtsi2sd cvttsd2si
  cvtsd2si ucomisd comisd cmppd cmpeqpd cmpltpd cmplepd cmpunordpd cmpneqpd cmpnltpd cmpnlepd
  cmpordpd cmpeqsd cmpltsd cmplesd cmpunordsd cmpneqsd cmpnltsd cmpnlesd cmpordsd shufpd
prescott: monitor mwait fisttp addsubpd addsubps movsldup movshdup movddup lddqu haddpd hsubpd
  haddps hsubps
x64: rdtscp invlpga pushfq popfq jrcxz retq retnq swapgs skinit
nehalem: movbe popcnt xgetbv xsetbv xsave xrstor xsave64 xrstor64
westmere: aesimc aesenc aesenclast aesdec aesdeclast pclmulqdq pclmullqlqdq pclmulhqlqdq
  pclmullqhqdq pclmulhqhqdq aeskeygenassist
ivybridge: adcx adox tzcnt andn bextr blsr blsmsk blsi bzhi pdep pext mulx rorx sarx shlx shrx
  rdrand rdseed ptwrite rdpid prefetchwt1 prefetchit1 prefetchit0 pcommit clflushopt clwb cldemote
  movdiri movdir64b enqcmd enqcmds aadd aand axor serialize xsusldtrk xresldtrk umonitor umwait
  tpause xbegin xend xabort xtest wbnoinvd invpcid clzero clac stac encls enclu enclv pconfig
  xsaveopt xrstors xsavec xsaves endbr32 endbr64 incsspd rdsspd saveprevssp rstorssp clrssbsy
  setssbsy wrssd wrussd hreset sha1nexte sha1msg1 sha1msg2 sha256msg1 sha256msg2 sha256rnds2
  sha1rnds4 gf2p8mulb gf2p8affineqb gf2p8affineinvqb rdfsbase rdgsbase wrfsbase wrgsbase
  xsaveopt64 xrstors64 xsavec64 xsaves64 incsspq rdsspq wrssq wrussq uiret testui clui stui
  senduipi rdpkru wrpkru wrmsrns rdmsrlist wrmsrlist
`;
