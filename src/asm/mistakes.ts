import {
  FAR,
  IMMEDIATE,
  MEMORY,
  mnemonics,
  type Pattern,
  REGISTER,
  type Row,
} from "./instructions.ts";
import { isIndexed, type Operand } from "./operand.ts";
import type { Instruction } from "./parser.ts";
import { findRegister, type RegisterClass } from "./register.ts";

// What a mistake may have meant: asked only where there is one.

/** What NASM's syntax has in the place of words of GAS and MASM. */
const foreign: Readonly<Record<string, string>> = {
  ".text .data .bss .section .code": "section .text and the like",
  ".globl .global public": "global",
  ".extern extrn": "extern",
  ".byte": "db",
  ".word .short .2byte .hword": "dw",
  ".long .int .4byte": "dd",
  ".quad .8byte": "dq",
  ".ascii": 'db "…"',
  ".asciz .string": 'db "…", 0',
  ".space .skip .zero .fill": "times COUNT db 0, or resb COUNT",
  ".org": "org",
  ".align .balign .p2align": "align",
  ".equ .set": "NAME equ VALUE",
  ".code16 .code32 .code64 .386 .486 .586 .686": "bits 16, bits 32 or bits 64",
  ".include include #include": "%include",
  "define #define": "%define",
  ".macro macro": "%macro NAME COUNT",
  ".endm endm": "%endmacro",
  ".rept rept": "%rep",
  ".endr": "%endrep",
  "if .if #if #ifdef #ifndef": "%if and its like",
  "else .else #else": "%else",
  "endif .endif #endif": "%endif",
  "struct struc struc.": "struc",
  "proc": "a label for it",
  "invoke": "push and call for it",
  "endp end .model .stack assume .intel_syntax .att_syntax": "nothing for it: leave it out",
};

/** Whether GAS or MASM has a word for which NASM has another. */
export function isForeign(word: string): boolean {
  return meantByForeign(word) !== "";
}

/** How a message on such a word goes on; "" if it is none. */
export function meantByForeign(word: string): string {
  const ours = foreignWords().get(word.toLowerCase());
  return ours === undefined ? "" : `: NASM's syntax has ${ours}`;
}

let foreignByWord: Map<string, string> | undefined;

function foreignWords(): Map<string, string> {
  return foreignByWord ??= new Map(
    Object.entries(foreign).flatMap(([words, ours]) =>
      words.split(" ").map((word) => [word, ours])
    ),
  );
}

/** How a message on a word that means nothing goes on: what was meant, if that can be told; "" else. */
export function meantBy(word: string): string {
  const lower = word.toLowerCase();
  if (isForeign(word)) return meantByForeign(word);
  if (findRegister(lower)) return ": it is a register";
  const known = mnemonics();
  const stem = lower.slice(0, -1);
  if (/[bwlq]$/.test(lower) && known.includes(stem)) {
    return `: NASM's syntax has ${stem}, and its destination first`;
  }
  const near = nearest(lower, known);
  return near === undefined ? "" : `: is it ${near}?`;
}

/** How a message on what stands at a place in a line goes on; "" if nothing can be told. */
export function meantAt(text: string, at: number): string {
  const rest = text.slice(at);
  if (/^\/[/*]/.test(rest)) return ': a comment begins with ";"';
  if (findRegister(/^%(\w+)/.exec(rest)?.[1] ?? "")) {
    return ": NASM's syntax has registers without %, and the destination first";
  }
  if (/\boffset\s+$/i.test(text.slice(0, at))) return ": a name is its address, without offset";
  const isBehindOperand = /[\w\]]\s+$/.test(text.slice(0, at));
  return isBehindOperand && /^[\w[]/.test(rest) ? ": is a comma missing?" : "";
}

/** How a message on a symbol that is not defined goes on; "" if nothing can be told. */
export function meantBySymbol(name: string, defined: Iterable<string>): string {
  const lower = name.toLowerCase();
  if (lower === "ptr") return ": NASM's syntax has byte, word, dword and qword without ptr";
  if (lower === "@data" || lower === "@code") return ": NASM knows no segments by name";
  if (/^([xyz]mm\d+|k[0-7])$/.test(lower)) return ": there is no AVX-512 here";
  if (/^[a-f][0-9a-f]*h$/.test(lower)) return `: a number begins with a digit, 0${name}`;
  const near = nearest(name, defined);
  return near === undefined ? "" : `: is it ${near}?`;
}

/** The first name that differs in case only, or else by one slip: of a letter, or two exchanged. */
function nearest(name: string, names: Iterable<string>): string | undefined {
  const lower = name.toLowerCase();
  let near: string | undefined;
  for (const other of names) {
    if (other === name) continue;
    if (other.toLowerCase() === lower) return other;
    if (near === undefined && name.length > 2 && isOneSlip(lower, other.toLowerCase())) {
      near = other;
    }
  }
  return near;
}

/** Whether one letter was left out, added or replaced, or two neighbours exchanged. */
function isOneSlip(one: string, other: string): boolean {
  const gap = one.length - other.length;
  if (Math.abs(gap) > 1) return false;
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  if (gap > 0) return one.slice(at + 1) === other.slice(at);
  if (gap < 0) return one.slice(at) === other.slice(at + 1);
  return one.slice(at + 1) === other.slice(at + 1) ||
    one.slice(at + 2) === other.slice(at + 2) && one[at] === other[at + 1] &&
      one[at + 1] === other[at];
}

/** Why no row of an instruction takes its operands. */
export function whyNone({ mnemonic, operands }: Instruction, all: readonly Row[]): string {
  const count = operands.length;
  const counts = [...new Set(all.map((row) => row.operands.length))].sort();
  if (!counts.includes(count)) {
    return `${mnemonic} takes ${list(counts)} operand${
      counts.at(-1) === 1 ? "" : "s"
    }, not ${count}`;
  }
  if (operands.filter(({ kind }) => kind === MEMORY).length > 1) {
    return `${mnemonic} takes one operand in memory, not two: load one into a register first`;
  }
  let rows = all.filter((row) => row.operands.length === count);
  for (const [i, operand] of operands.entries()) {
    const patterns = rows.map((row) => row.operands[i]!);
    rows = rows.filter((row) => isLike(operand, row.operands[i]!));
    const which = `${count === 1 ? "The operand" : `Operand ${i + 1}`} of ${mnemonic}`;
    if (rows.length === 0) return notLike(which, operand, patterns) + remedy(operand, patterns, i);
    const sizes = [...new Set(rows.map((row) => row.operands[i]!.size))].sort((a, b) => a - b);
    if (operand.size !== 0 && !sizes.includes(0) && !sizes.includes(operand.size)) {
      return `${which} has ${list(sizes)} bits here, not ${operand.size}`;
    }
  }
  const sizes = operands.map(({ size }) => size).filter((size) => size !== 0);
  if (sizes.length < 2) return `There is no ${mnemonic} with these operands`;
  const [first, second] = sizes as [number, number];
  return `There is no ${mnemonic} with operands of ${list(sizes, "and")} bits` +
    (rows.some(({ commonSize }) => commonSize === 0) ? "" : ": both must have the same size") +
    (mnemonic === "mov" && first > second ? "; movzx and movsx extend" : "");
}

/** Whether an operand is what a pattern takes, if it had another size. */
function isLike(operand: Operand, pattern: Pattern): boolean {
  if ((pattern.kinds & operand.kind) === 0) return false;
  const { register } = operand;
  if (!register) return !pattern.index || isIndexed(operand, pattern.index);
  return pattern.register === undefined
    ? pattern.class === register.class
    : pattern.register === register.name;
}

const classNames: Readonly<Record<RegisterClass, string>> = {
  general: "a register",
  segment: "a segment register",
  control: "a control register",
  debug: "a debug register",
  test: "a test register",
  x87: "an x87 register",
  mmx: "an MMX register",
  xmm: "an XMM register",
  ymm: "a YMM register",
  instruction: "the instruction pointer",
};

/** What an operand is to be; where that may be much, only what it is not to be. */
function notLike(which: string, operand: Operand, patterns: readonly Pattern[]): string {
  const wanted = describe(patterns);
  return wanted.length > 3
    ? `${which} cannot be ${given(operand)} here`
    : `${which} is ${list(wanted)} here, not ${given(operand)}`;
}

/** What patterns take, each once; single registers only where no other one is taken. */
function describe(patterns: readonly Pattern[]): string[] {
  const names = new Set<string>();
  const registers = patterns.filter(({ kinds }) => (kinds & REGISTER) !== 0);
  const isGeneral = registers.some(({ class: kind, register }) => kind === "general" && !register);
  for (const { class: kind, register } of registers) {
    if (!register) names.add(classNames[kind]);
    else if (!isGeneral) names.add(register);
  }
  const takes = (wanted: (pattern: Pattern) => boolean) => patterns.some(wanted);
  for (const { index } of patterns) {
    if (index) names.add(`memory indexed by ${classNames[index]}`);
  }
  const isMemory = ({ kinds, isAddress, index }: Pattern) =>
    ((kinds & MEMORY) !== 0 || isAddress) && !index;
  if (takes(isMemory)) names.add("memory");
  const isNumber = ({ kinds, isAddress }: Pattern) => (kinds & IMMEDIATE) !== 0 && !isAddress;
  if (takes((pattern) => isNumber(pattern) && pattern.isTarget)) names.add("a label");
  else if (takes(isNumber)) names.add("a number");
  return [...names];
}

function given({ kind, register }: Operand): string {
  if (register) return register.name;
  return kind === MEMORY ? "memory" : kind === FAR ? "segment:offset" : "a number";
}

/** What to write instead of a number. */
function remedy({ kind, expression }: Operand, patterns: readonly Pattern[], at: number): string {
  if (kind !== IMMEDIATE) return "";
  const takes = (wanted: number) => patterns.some(({ kinds }) => (kinds & wanted) !== 0);
  if (expression?.kind !== "constant" && takes(MEMORY)) return ": write brackets around an address";
  return at > 0 && takes(REGISTER) ? ": load it into a register first" : "";
}

function list(words: readonly (string | number)[], joint = "or"): string {
  return words.length < 2
    ? String(words[0])
    : `${words.slice(0, -1).join(", ")} ${joint} ${words.at(-1)}`;
}
