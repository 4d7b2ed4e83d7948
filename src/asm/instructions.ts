/**
 * The instruction set: a table of rows that can be checked against Intel's manual (SDM volume 2),
 * and what turns a row into something that can be matched and encoded.
 *
 * A row has three columns, at least two spaces apart: mnemonic, operands, encoding.
 *
 * ```text
 * mov     r/mv, rv            89 /r
 * mov     r8, imm8            B0+r ib
 * add or adc sbb and sub xor cmp   r/mv, immz   81 /n iz
 * ```
 *
 * To add an instruction, add a row: `rdpid  r64  F3 0F C7 /7 only64` is all that RDPID takes in 64-bit
 * mode. Rows are tried in order and the first that fits is taken, so the shorter form stands first.
 *
 * **Mnemonics.** Several names in one row are a family; `n` in the encoding is the name's place in
 * it (`+n`, `+8n`, `/n`, `/4+n`; a byte of its own: `n`). `-` is a place nobody holds. `jcc` stands for all condition codes, whose
 * number is `+cc`, and that of the opposite condition `+ncc`; `vcmpccps` so for all predicates of a
 * comparison, and `vfmaddccps` for the orders of its operands, 132, 213 and 231 (`+16cc`).
 *
 * **Operands**, as in the manual's opcode map (SDM volume 2, appendix A.2.2): `v` is a word,
 * doubleword or quadword by the operand size, `z` the same with a quadword's immediate a
 * sign-extended doubleword, `y` a doubleword or quadword, `x` a double or quadruple quadword. So
 * `r/mv` stands for `r/m16`, `r/m32` and `r/m64`, and such a row for three.
 *
 * - `r8 r16 r32 r64 rv ry`: a general register; `al`, `cl`, `dx`, `rAX` …: that register; `r32na`:
 *   any but the accumulator
 * - `r/m8 …`: a general register or memory; `m8 …`: memory of that size; `m`: memory that must be
 *   written without a size; `mem`: with any
 * - `mm`, `mm/m64`, `xmm`, `xmm/m128`, `ymm`, `st0`, `sti` (`to sti`), `sreg`, `cr`, `dr`, `tr`: other registers
 * - `x`: `xmm`, or `ymm` in the row for 256 bits; `x/m`: that or memory of its size, `mx`: only memory;
 *   `m32[x]`: memory of 32 bits whose address has such a register as its index
 * - `x*`: an operand that may be left out, and is the one before it again then
 * - `address`: an address written without brackets
 * - `imm8 imm16 imm32 imm64 immz`: an immediate; `imm`: one written without a size; `simm8`: one that is sign-extended to the
 *   operand size (or to `simm8:16` …) and must fit; `simm32`, `uimm32` likewise; `1`: the number one
 * - `rel8`, `relz`, `rel`: a jump's target (`rel8?`: only if it is near enough; `rel`: of the mode's
 *   size); `far16`, `far32`:
 *   `segment:offset`; `m16:32`: memory after `far`; `moffs8 …`: an address without registers
 *
 * **Encoding.** Hexadecimal bytes (a leading 66, F2 or F3 is a mandatory prefix) and
 *
 * - `o16 o32 o64`, `a16 a32 a64`: the operand or address size the row is for; `v` rows have it anyway
 * - `+r`: the register's number is added to the byte; `/r`, `/0` … `/7`: a ModR/M byte follows
 * - `ib iw id iq`, `iz`: an immediate of that size; `cb cz`: a relative target
 * - `VEX.L0.66.0F38.W1`, as in the manual (`XOP.L0.0A` with AMD's map); the operand in VEX.vvvv is
 *   written `vvvv:ry`, if it is not the one with a `*`; `/is4`: a byte follows whose upper half is the
 *   last operand's number
 *
 * and then, in words: `no64` (not in 64-bit mode), `only64` (only there), `d64` (64-bit operands need no
 * REX.W there, and `o64` sets none), `loose` (a register operand says nothing about the memory operand's size), `mode` (an
 * operand without a size has the mode's), `wait` (9B stands before it), `MR` (of two registers the
 * first is the r/m field), `twice` (the register is both fields), `bnd` (F2 before it is BND, not REPNE), `jlen` (the length of
 * the near jump that is skipped), `nohigh` (AH and its like are not taken), `word` … `yword` (this size may
 * be written before any operand), `186`, `p4` … (the CPU that brought this form, see `cpu.ts`; `avx2`: what the form for YMM
 * registers came with).
 *
 * @module
 */

import { findRegister, type RegisterClass } from "./register.ts";
import { avx } from "./instructions/avx.ts";
import { general } from "./instructions/general.ts";
import { simd } from "./instructions/simd.ts";
import { system } from "./instructions/system.ts";
import { x87 } from "./instructions/x87.ts";

/** The CPU's operating size: 16, 32 or 64. */
export type Bits = 16 | 32 | 64;

/** What an operand may be, as bits: a pattern says several, an operand is one. */
export const REGISTER = 1, MEMORY = 2, IMMEDIATE = 4, FAR = 8;

/** How an immediate is limited by a pattern. */
export type Limit = "one" | "signed8" | "signed32" | "unsigned32" | "bare";

/** What a row takes in the place of one operand. */
export interface Pattern {
  /** REGISTER, MEMORY, IMMEDIATE and FAR, added. */
  readonly kinds: number;
  /** The class of register, if one is taken. */
  readonly class: RegisterClass;
  /** The only register taken, if it is a certain one. */
  readonly register: string | undefined;
  /** The size in bits; 0 where none may be written. */
  readonly size: number;
  /** Whether no size may be written, though it has one. */
  readonly isUnsized: boolean;
  /** Whether any size may be written. */
  readonly isAnySize: boolean;
  /** What an immediate has to be. */
  readonly limit: Limit | undefined;
  /** Whether an immediate is a jump's target. */
  readonly isTarget: boolean;
  /** Whether memory has to be an address without registers. */
  readonly isOffset: boolean;
  /** Whether an immediate is the address of memory. */
  readonly isAddress: boolean;
  /** Whether memory has to hold a far pointer: `far` is written before it. */
  readonly isFar: boolean;
  /** The class of the register that memory has to have as its index, if it has to. */
  readonly index: RegisterClass | undefined;
  /** Whether the register goes to VEX.vvvv. */
  readonly isVvvv: boolean;
  /** Whether it may be left out. */
  readonly isOptional: boolean;
  /** Whether `to` is written before the register. */
  readonly isTo: boolean;
  /** The register that is not taken. */
  readonly except: string | undefined;
}

/** A row in one mode, for one operand size: what is needed to tell whether it fits. */
export interface Row {
  /** The operands it takes. */
  readonly operands: readonly Pattern[];
  /** The operand size it is for: 16, 32, 64, 128, 256, or 0 if that is of no account. */
  readonly operandSize: number;
  /** The size that a register or sized immediate gives a memory operand that has none; 0 if none. */
  readonly commonSize: number;
  /** Whether operands without a size have the mode's. */
  readonly isModeSized: boolean;
  /** Whether a short jump is taken only if the target is near enough. */
  readonly isOptional: boolean;
  /** Whether F2 before it is BND. */
  readonly takesBound: boolean;
  /** Whether it has a jump's target; an address without registers in place of a ModR/M byte. */
  readonly hasTarget: boolean;
  readonly hasOffset: boolean;
  /** The class of the register that the address has as its index, if that is no general one. */
  readonly index: RegisterClass | undefined;
  /** The encoding column's words. */
  readonly words: readonly string[];
  /** The name's place in its family. */
  readonly place: number;
  /** Whether the operand size is 64 without REX.W. */
  readonly isNarrow: boolean;
  /** Whether it is a `y` row: its doubleword form takes no operand-size prefix in any mode. */
  readonly isY: boolean;
  /** Whether it has a VEX prefix: memory without a size is of the row's then. */
  readonly isVex: boolean;
  /** The row with all operands, where this is the one without that which may be left out. */
  readonly whole: Row | undefined;
  /** The encoding, read when the row is first chosen. */
  encoding: Encoding | undefined;
}

/** Where an operand goes in the encoding. */
export type Role =
  | "reg"
  | "rm"
  | "opcode"
  | "vvvv"
  | "is4"
  | "immediate"
  | "target"
  | "offset"
  | "implied";

/** How a row is encoded. */
export interface Encoding {
  /** Where each operand goes. */
  readonly roles: readonly Role[];
  /** The mandatory prefix 66, F2 or F3; 0 if none. */
  readonly prefix: number;
  /** The opcode's bytes. */
  readonly opcode: readonly number[];
  /** The ModR/M byte's reg field: 0–7; −1 if an operand gives it, −2 if there is no such byte. */
  readonly digit: number;
  /** Bytes that follow the ModR/M byte and its displacement. */
  readonly suffix: readonly number[];
  /** Whether WAIT precedes everything. */
  readonly hasWait: boolean;
  /** Whether the r/m field repeats the reg field. */
  readonly isTwice: boolean;
  /** Whether AH and its like are not taken. */
  readonly rejectsHigh: boolean;
  /** The operand size that takes a prefix outside its mode: 16, 32, or 0. */
  readonly operandSize: number;
  /** The address size it is for, or 0. */
  readonly addressSize: number;
  /** Whether REX.W is set. */
  readonly isWide: boolean;
  /** Whether the prefix `o64` sets no REX.W: the operands are quadwords without it. */
  readonly ignoresWide: boolean;
  /** The immediates' sizes in bytes, in order; a target's too. */
  readonly immediates: readonly number[];
  /** The VEX prefix, if it has one. */
  readonly vex: Vex | undefined;
}

/** The fixed fields of a VEX prefix (SDM volume 2, §2.3.5). */
export interface Vex {
  /** VEX.L. */
  readonly long: number;
  /** VEX.pp: 0, or 1–3 for 66, F3, F2. */
  readonly prefix: number;
  /** VEX.mmmmm: 1–3 for 0F, 0F38, 0F3A; from 8 on it is AMD's XOP prefix (APM volume 3, §1.2.9). */
  readonly map: number;
  /** VEX.W. */
  readonly wide: number;
}

/** The condition codes' names, by number (SDM volume 2, appendix B.1.4.7). */
const conditions =
  "o/no/b,c,nae/nb,nc,ae/z,e/nz,ne/be,na/nbe,a/s/ns/p,pe/np,po/l,nge/nl,ge/le,ng/nle,g"
    .split("/").map((names) => names.split(","));

/** The number of a condition code, such as 5 for `nz`; −1 if there is none of this name. */
export function conditionNumber(name: string): number {
  return conditions.findIndex((names) => names.includes(name));
}

/** The predicates of `vcmpps` and its like, by number, with NASM's names (SDM volume 2, CMPPD). */
const predicates =
  ("eq/lt,lt_os/le,le_os/unord,unord_q/neq,neq_uq/nlt,nlt_us/nle,nle_us/ord,ord_q/eq_uq/nge,nge_us/" +
    "ngt,ngt_us/false,false_oq/neq_oq/ge,ge_os/gt,gt_os/true,true_uq/eq_os/lt_oq/le_oq/unord_s/" +
    "neq_us/nlt_uq/nle_uq/ord_s/eq_us/nge_uq/ngt_uq/false_os/neq_os/ge_oq/gt_oq/true_us")
    .split("/").map((names) => names.split(","));

/** The orders of the operands of a fused multiplication and addition, with NASM's second names. */
const orders = [["132", "312"], ["213", "123"], ["231", "321"]];

/** What a name that begins so has where the table has `cc`, by number. */
const families = Object.entries({
  j: conditions,
  set: conditions,
  cmov: conditions,
  vcmp: predicates,
  vf: orders,
});

/** A name's parts before, in and behind the `cc`. */
const familyParts = /^(j|set|cmov|vcmp|vf[a-z]+?(?=cc|\d))(cc|[a-z_]+?|\d+)([ps][sd])?$/;

/** A mnemonic's row as written, and its place in the family. */
export interface Source {
  readonly row: string;
  readonly place: number;
}

const tables = [general, system, x87, simd, avx];
let index: Map<string, Source[]> | undefined;
/** Indexing all tables takes longer than so many searches, and most programs are short. */
let searchesLeft = 100;
const compiled = {
  16: new Map<string, Rows | undefined>(),
  32: new Map<string, Rows | undefined>(),
  64: new Map<string, Rows | undefined>(),
};

/** A mnemonic's rows in a mode, in the order to try them. */
export class Rows {
  /** All of them. */
  readonly all: readonly Row[];
  readonly #byKinds = new Map<number, readonly Row[]>();

  constructor(all: readonly Row[]) {
    this.all = all;
  }

  /** Those that take operands of these kinds: REGISTER, MEMORY …, four bits each from the lowest. */
  ofKinds(kinds: number): readonly Row[] {
    let rows = this.#byKinds.get(kinds);
    if (!rows) {
      rows = this.all.filter(({ operands }) =>
        kinds >> 4 * operands.length === 0 &&
        operands.every((pattern, i) => (pattern.kinds & kinds >> 4 * i) !== 0)
      );
      this.#byKinds.set(kinds, rows);
    }
    return rows;
  }
}

/**
 * The rows of a mnemonic in a mode.
 *
 * @param mnemonic The mnemonic, lower case.
 * @param bits The mode.
 * @returns The rows in the order to try them, none if the instruction does not exist in this mode,
 * or undefined if there is no such instruction.
 */
export function findRows(mnemonic: string, bits: Bits): Rows | undefined {
  const known = compiled[bits];
  let rows = known.get(mnemonic);
  if (rows || known.has(mnemonic)) return rows;
  const sources = findSources(mnemonic);
  if (sources) rows = new Rows(sources.flatMap(({ row, place }) => compile(row, place, bits)));
  known.set(mnemonic, rows);
  return rows;
}

/** Whether there is such an instruction in any mode; `mnemonic` is in lower case. */
export function isMnemonic(mnemonic: string): boolean {
  return findSources(mnemonic) !== undefined;
}

/** Every mnemonic, but for those in families of condition codes and the like. */
export function mnemonics(): string[] {
  return [...(index ??= indexTables()).keys()].filter((name) => !isFamily(name));
}

const knownSources = new Map<string, Source[]>();

/** The rows of a mnemonic, or of the family that it is in by its condition code and the like. */
function findSources(mnemonic: string): Source[] | undefined {
  const known = knownSources.get(mnemonic);
  if (known) return known;
  const found = findNamed(mnemonic) ?? findInFamily(mnemonic);
  // Most words that are asked for are labels, each its own.
  if (!found || isFamily(mnemonic)) return undefined;
  knownSources.set(mnemonic, found);
  return found;
}

function findInFamily(mnemonic: string): Source[] | undefined {
  for (const [start, members] of families) {
    if (!mnemonic.startsWith(start)) continue;
    const [, before = "", member = "", behind = ""] = familyParts.exec(mnemonic) ?? [];
    const place = members.findIndex((names) => names.includes(member));
    if (place >= 0) return findNamed(`${before}cc${behind}`)?.map(({ row }) => ({ row, place }));
  }
  return undefined;
}

/** Whether it is what the table has for a family, such as `jcc`: that is no mnemonic itself. */
function isFamily(name: string): boolean {
  return familyParts.exec(name)?.[2] === "cc";
}

function findNamed(name: string): Source[] | undefined {
  if (!index && searchesLeft-- > 0) return searchTables(name);
  return (index ??= indexTables()).get(name);
}

/** The rows that have this name, found in the text of the tables. */
export function searchTables(name: string): Source[] | undefined {
  const found: Source[] = [];
  for (const table of tables) {
    for (let at = 0; (at = table.indexOf(`${name} `, at)) >= 0; at++) {
      const start = table.lastIndexOf("\n", at) + 1;
      const isName = at < table.indexOf("  ", start) && (at === start || table[at - 1] === " ");
      if (!isName) continue;
      const row = table.slice(start, table.indexOf("\n", at));
      found.push({ row, place: table.slice(start, at).split(" ").length - 1 });
    }
  }
  return found.length > 0 ? found : undefined;
}

/** The rows of every name. */
function indexTables(): Map<string, Source[]> {
  const index = new Map<string, Source[]>();
  for (const row of tables.flatMap((table) => table.split("\n"))) {
    const gap = row.indexOf("  ");
    if (gap <= 0) continue;
    for (const [place, name] of row.slice(0, gap).split(" ").entries()) {
      if (name === "-") continue;
      const rows = index.get(name);
      if (rows) rows.push({ row, place });
      else index.set(name, [{ row, place }]);
    }
  }
  return index;
}

/** Every mnemonic of the table with its rows as written: for tests that walk all of it. */
export function* allRows(): Generator<{ mnemonic: string; row: string; place: number }> {
  for (const [mnemonic, rows] of indexTables()) {
    const [, before = "", , behind = ""] = familyParts.exec(mnemonic) ?? [];
    const family = isFamily(mnemonic)
      ? families.find(([start]) => before.startsWith(start))
      : undefined;
    for (const source of rows) {
      if (!family) yield { mnemonic, ...source };
      else {
        for (const [place, names] of family[1].entries()) {
          for (const name of names) {
            yield { mnemonic: before + name + behind, row: source.row, place };
          }
        }
      }
    }
  }
}

/** A row as written becomes one row for each operand size it stands for in this mode. */
function compile(row: string, place: number, bits: Bits): Row[] {
  const columns = row.split("  ").filter((column) => column !== "");
  const names = columns.length > 2 ? columns[1]!.trim().split(", ") : [];
  const words = columns.at(-1)!.trim().split(" ");
  const skipped = words.indexOf("jlen");
  if (skipped >= 0) words[skipped] = bits === 16 ? "03" : "05";
  if (words.includes(bits === 64 ? "no64" : "only64")) return [];
  const fixed = words.find((word) => word.length === 3 && word.startsWith("o"));
  const hasTarget = names.some((name) => /^rel(z|any)?$/.test(name));
  const isNarrow = bits === 64 && (hasTarget || words.includes("d64"));
  const isY = names.some((name) => name.endsWith("y"));
  const isVex = words.some((word) => word.startsWith("VEX."));
  const sizes: readonly number[] = bits === 64 && hasTarget
    ? [64]
    : names.some((name) =>
        "vz".includes(name.at(-1)!) || name === "rAX" || /^rel(any)?$/.test(name)
      )
    ? [16, 32, 64]
    : isY
    ? [32, 64]
    : names.some((name) => vectorSize.test(name))
    ? [128, 256]
    : [0];
  const rows: Row[] = [];
  for (const size of sizes) {
    if (bits === 64 ? size === 32 && isNarrow : size === 64) continue;
    const operands = names.map((name) => findPattern(ofVectorSize(name, size), size));
    const row: Row = {
      operands,
      operandSize: fixed ? Number(fixed.slice(1)) : size,
      commonSize: words.includes("loose") ? 0 : findCommonSize(operands),
      isModeSized: hasTarget || words.includes("mode"),
      isOptional: names.includes("rel8?"),
      takesBound: words.includes("bnd"),
      hasTarget: operands.some((pattern) => pattern.isTarget),
      hasOffset: operands.some((pattern) => pattern.isOffset),
      index: operands.find(({ index }) => index)?.index,
      words,
      place,
      isNarrow,
      isY,
      isVex,
      whole: undefined,
      encoding: undefined,
    };
    rows.push(row);
    const optional = operands.findIndex(({ isOptional }) => isOptional);
    if (optional >= 0) {
      rows.push({ ...row, operands: operands.toSpliced(optional, 1), whole: row });
    }
  }
  return rows;
}

/** `x` among the letters of an operand's name. */
const vectorSize = /\bm?x\b/;

/** The name of an operand with `x` standing for a register or memory of 128 or 256 bits. */
function ofVectorSize(name: string, size: number): string {
  if (size < 128) return name;
  return name.replace(/^mx$|(?<=^x\/)m$/, `m${size}`)
    .replace(/\bx\b/, size === 128 ? "xmm" : "ymm");
}

/** The size that memory and a general register or an immediate of the row have in common. */
function findCommonSize(operands: readonly Pattern[]): number {
  const memory = operands.find((pattern) => (pattern.kinds & MEMORY) !== 0);
  if (!memory || memory.size === 0) return 0;
  const hasPartner = operands.some((pattern) =>
    pattern !== memory && pattern.size === memory.size && pattern.limit !== "one"
  );
  return hasPartner || (memory.isOffset && operands.length > 1) ? memory.size : 0;
}

const patterns = new Map<string, Pattern>();

/** The pattern of a name in the operands column, with `v`, `y` and `z` standing for `size`. */
function findPattern(name: string, size: number): Pattern {
  const key = name + size;
  let pattern = patterns.get(key);
  if (!pattern) patterns.set(key, pattern = readPattern(name, size));
  return pattern;
}

const anything: Pattern = {
  kinds: 0,
  class: "general",
  register: undefined,
  size: 0,
  isUnsized: false,
  isAnySize: false,
  limit: undefined,
  isTarget: false,
  isOffset: false,
  isAddress: false,
  isFar: false,
  index: undefined,
  isVvvv: false,
  isOptional: false,
  isTo: false,
  except: undefined,
};

function readPattern(name: string, size: number): Pattern {
  if (name === "to sti") return { ...anything, kinds: REGISTER, class: "x87", isTo: true };
  if (name === "r32na") return { ...readPattern("r32", size), except: "eax" };
  if (name.startsWith("vvvv:")) return { ...readPattern(name.slice(5), size), isVvvv: true };
  if (name.endsWith("*")) return { ...readPattern(name.slice(0, -1), size), isOptional: true };
  if (name.endsWith("]")) {
    const [memory = "", index] = name.slice(0, -1).split("[");
    return { ...readPattern(memory, size), index: index as RegisterClass };
  }
  const known = namedPatterns[name];
  if (known) return { ...anything, ...known };
  if (name === "rAX") {
    const register = ({ 16: "ax", 32: "eax", 64: "rax" })[size];
    return { ...anything, kinds: REGISTER, register, size };
  }
  // What is left is a stem and a size: `r/m16`, `xmm/m128`, `simm8:32`, `moffsv`.
  if (name === "rel" || name === "relany") {
    const limit = name === "rel" ? undefined : "bare";
    return { ...anything, kinds: IMMEDIATE, isTarget: true, size, isUnsized: true, limit };
  }
  const [sized = "", extension] = name.split(":");
  let digits = sized.length;
  while (isSizeCharacter(sized.charCodeAt(digits - 1))) digits--;
  const suffix = sized.slice(digits);
  const own = suffix === "" ? 0 : suffix >= "A" ? size : Number(suffix);
  const stem = stems[sized.slice(0, digits)];
  if (!stem) {
    return { ...anything, kinds: REGISTER, register: name, size: findRegister(name)!.size };
  }
  if (stem.limit === "signed8") return { ...anything, ...stem, size: Number(extension ?? size) };
  return { ...anything, ...stem, size: own };
}

/** A digit, `v`, `y` or `z`. */
function isSizeCharacter(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x76 || code === 0x79 || code === 0x7A;
}

const namedPatterns: Readonly<Record<string, Partial<Pattern>>> = {
  1: { kinds: IMMEDIATE, limit: "one" },
  mem: { kinds: MEMORY, isAnySize: true },
  address: { kinds: IMMEDIATE, isAddress: true },
  imm: { kinds: IMMEDIATE, isUnsized: true },
  rel8: { kinds: IMMEDIATE, isTarget: true, size: 8, isUnsized: true },
  sreg: { kinds: REGISTER, class: "segment" },
  cr: { kinds: REGISTER, class: "control" },
  dr: { kinds: REGISTER, class: "debug" },
  tr: { kinds: REGISTER, class: "test" },
  sti: { kinds: REGISTER, class: "x87" },
  mm: { kinds: REGISTER, class: "mmx" },
  xmm: { kinds: REGISTER, class: "xmm" },
  ymm: { kinds: REGISTER, class: "ymm" },
  "m16:16": { kinds: MEMORY, isFar: true, size: 16 },
  "m16:32": { kinds: MEMORY, isFar: true, size: 32 },
  "m16:64": { kinds: MEMORY, isFar: true, size: 64 },
  "rel8?": { kinds: IMMEDIATE, isTarget: true, size: 8 },
  simm32: { kinds: IMMEDIATE, limit: "signed32", size: 32 },
  uimm32: { kinds: IMMEDIATE, limit: "unsigned32", size: 32 },
};

const stems: Readonly<Record<string, Partial<Pattern>>> = {
  r: { kinds: REGISTER },
  m: { kinds: MEMORY },
  "r/m": { kinds: REGISTER | MEMORY },
  "mm/m": { kinds: REGISTER | MEMORY, class: "mmx" },
  "xmm/m": { kinds: REGISTER | MEMORY, class: "xmm" },
  "ymm/m": { kinds: REGISTER | MEMORY, class: "ymm" },
  imm: { kinds: IMMEDIATE },
  simm: { kinds: IMMEDIATE, limit: "signed8" },
  rel: { kinds: IMMEDIATE, isTarget: true },
  far: { kinds: FAR },
  moffs: { kinds: MEMORY, isOffset: true },
};

/** The encoding of a row, read from its words when first asked for. */
export function encodingOf(row: Row): Encoding {
  return row.encoding ??= readEncoding(row);
}

function readEncoding(row: Row): Encoding {
  const { operands, operandSize, words, place } = row;
  const opcode: number[] = [];
  const suffix: number[] = [];
  const immediates: number[] = [];
  let prefix = 0;
  let digit = -2;
  let addressSize = 0;
  let plusOperand = false;
  let vex: Vex | undefined;
  for (const word of words) {
    const size = immediateSizes[word];
    if (size) immediates.push(size[operandSize] ?? size[0]!);
    else if (word === "/r") digit = -1;
    else if (word === "/n") digit = place;
    else if (word === "/is4") continue;
    else if (word.startsWith("/")) digit = Number(word[1]) + (word.endsWith("+n") ? place : 0);
    else if (word === "n") suffix.push(place);
    else if (/^(VEX|XOP)\./.test(word)) vex = readVex(word, operandSize);
    else if (word.startsWith("a") && word.length === 3) addressSize = Number(word.slice(1));
    else if (isHex(word)) {
      let value = parseInt(word.slice(0, 2), 16);
      for (const summand of word.slice(3).split("+")) {
        if (summand === "r") plusOperand = true;
        else if (summand === "8n") value += 8 * place;
        else if (summand === "16cc") value += 16 * place;
        else if (summand === "n" || summand === "cc") value += place;
        else if (summand === "ncc") value += place ^ 1;
      }
      const isPrefix = !vex && (value === 0x66 || value === 0xF2 || value === 0xF3);
      if (digit !== -2) suffix.push(value);
      else if (isPrefix && opcode.length === 0 && words.length > 1) prefix = value;
      else opcode.push(value);
    }
  }
  const isWide = operandSize === 64 && !row.isNarrow && !vex;
  return {
    roles: assignRoles(operands, { digit, plusOperand, words }),
    hasWait: words.includes("wait"),
    prefix,
    opcode,
    digit,
    suffix,
    operandSize: operandSize === 64 || row.isY || vex ? 0 : operandSize,
    addressSize,
    isWide,
    ignoresWide: !isWide &&
      (operands.some(isQuadword) || (operandSize === 0 && words.includes("d64"))),
    isTwice: words.includes("twice"),
    rejectsHigh: words.includes("nohigh"),
    immediates,
    vex,
  };
}

/** Whether an operand may be a 64-bit register. */
function isQuadword({ kinds, class: kind, size, register }: Pattern): boolean {
  return (kinds & REGISTER) !== 0 && kind === "general" && size === 64 && !register;
}

/** Two hexadecimal digits, alone or before a `+`. */
function isHex(word: string): boolean {
  if (word.length !== 2 && word[2] !== "+") return false;
  return isHexDigit(word.charCodeAt(0)) && isHexDigit(word.charCodeAt(1));
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46);
}

/** The bytes of an immediate: by its word, and by the operand size where that decides. */
const immediateSizes: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  ib: { 0: 1 },
  iw: { 0: 2 },
  id: { 0: 4 },
  iq: { 0: 8 },
  iz: { 0: 4, 16: 2, 32: 4, 64: 4 },
  cb: { 0: 1 },
  cz: { 0: 4, 16: 2, 32: 4, 64: 4 },
};

/** `VEX.L0.F3.0F38.W1`; without L and W they follow the operand size. */
function readVex(word: string, size: number): Vex {
  const parts = word.split(".");
  return {
    long: parts.includes("L1") || size === 256 ? 1 : 0,
    prefix: ["66", "F3", "F2"].findIndex((name) => parts.includes(name)) + 1,
    map: parts[0] === "XOP"
      ? parseInt(parts.at(-1)!, 16)
      : ["0F", "0F38", "0F3A"].findIndex((name) => parts.includes(name)) + 1,
    wide: parts.includes("W1") || (size === 64 && !parts.includes("W0")) ? 1 : 0,
  };
}

/**
 * Memory goes to the r/m field, and so does the only register beside a digit; `cr`, `dr`, `tr` and
 * `sreg` never do. Of two registers the first is the reg field, as in the manual's "RM", unless the
 * row says "MR".
 */
function assignRoles(
  operands: readonly Pattern[],
  { digit, plusOperand, words }: { digit: number; plusOperand: boolean; words: readonly string[] },
): Role[] {
  const hasVvvv = operands.some(({ isVvvv }) => isVvvv);
  const roles = operands.map((pattern): Role => {
    if (pattern.isTarget) return "target";
    if (pattern.isOffset) return "offset";
    if (hasVvvv ? pattern.isVvvv : pattern.isOptional) return "vvvv";
    if (pattern.isAddress) return "rm";
    if (pattern.kinds === IMMEDIATE && pattern.limit !== "one") return "immediate";
    if (pattern.kinds === FAR) return "immediate";
    return pattern.register !== undefined || pattern.limit === "one" ? "implied" : "reg";
  });
  if (plusOperand) {
    const at = roles.indexOf("reg");
    if (at >= 0) roles[at] = "opcode";
  }
  if (words.includes("/is4")) roles[roles.length - 1] = "is4";
  if (digit === -2) return roles.map((role) => role === "reg" ? "implied" : role);
  if (roles.includes("rm")) return roles;
  let rm = -1;
  for (const [i, pattern] of operands.entries()) {
    if (roles[i] !== "reg") continue;
    if ((pattern.kinds & MEMORY) !== 0) {
      rm = i;
      break;
    }
    const isSpecial = pattern.class === "segment" || pattern.class === "control" ||
      pattern.class === "debug" || pattern.class === "test";
    if (!isSpecial && !(rm >= 0 && words.includes("MR"))) rm = i;
  }
  if (rm >= 0) roles[rm] = "rm";
  return roles;
}
