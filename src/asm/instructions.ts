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
 * it (`+n`, `+8n`, `/n`). `-` is a place nobody holds. `jcc` stands for all condition codes, whose
 * number is `+cc`.
 *
 * **Operands**, as in the manual's opcode map (SDM volume 2, appendix A.2.2): `v` is a word,
 * doubleword or quadword by the operand size, `z` the same with a quadword's immediate a
 * sign-extended doubleword, `y` a doubleword or quadword. So `r/mv` stands for `r/m16`, `r/m32` and
 * `r/m64`, and such a row for three.
 *
 * - `r8 r16 r32 r64 rv ry`: a general register; `al`, `cl`, `dx`, `rAX` …: that register
 * - `r/m8 …`: a general register or memory; `m`, `m8 …`: memory, of any or that size
 * - `mm`, `mm/m64`, `xmm`, `xmm/m128`, `st0`, `sti`, `sreg`, `cr`, `dr`, `tr`: other registers
 * - `imm8 imm16 imm32 imm64 immz immv`: an immediate; `simm8`: one that is sign-extended to the
 *   operand size (or to `simm8:16` …) and must fit; `simm32`, `uimm32` likewise; `1`: the number one
 * - `rel8`, `relz`: a jump's target (`rel8?`: only if it is near enough); `far16`, `far32`:
 *   `segment:offset`; `m16:32`: memory after `far`; `moffs8 …`: an address without registers
 *
 * **Encoding.** Hexadecimal bytes (a leading 66, F2 or F3 is a mandatory prefix) and
 *
 * - `o16 o32 o64`, `a16 a32 a64`: the operand or address size the row is for; `v` rows have it anyway
 * - `+r`: the register's number is added to the byte; `/r`, `/0` … `/7`: a ModR/M byte follows
 * - `ib iw id iq`, `iz iv`: an immediate of that size; `cb cz`: a relative target; `mo`: an address
 * - `VEX.L0.66.0F38.W1`, as in the manual; the operand in VEX.vvvv is written `vvvv:ry`
 *
 * and then, in words: `no64` (not in 64-bit mode), `only64` (only there), `d64` (64-bit operands need no
 * REX.W there), `loose` (a register operand says nothing about the memory operand's size), `mode` (an
 * operand without a size has the mode's).
 *
 * @module
 */

import { system } from "./instructions/system.ts";
import { general } from "./instructions/general.ts";

/** The CPU's operating size: 16, 32 or 64. */
export type Bits = 16 | 32 | 64;

/** What an operand may be, as bits: a pattern says several, an operand is one. */
export const REGISTER = 1, MEMORY = 2, IMMEDIATE = 4, FAR = 8;

/** How an immediate is limited by a pattern. */
export type Limit = "one" | "signed8" | "signed32" | "unsigned32";

/** Where an operand goes in the encoding. */
export type Role =
  | "reg"
  | "rm"
  | "opcode"
  | "vvvv"
  | "immediate"
  | "relative"
  | "address"
  | "implied";

/** What a row takes in the place of one operand. */
export interface Pattern {
  /** REGISTER, MEMORY, IMMEDIATE and FAR, added. */
  readonly kinds: number;
  /** The class of register, if one is taken. */
  readonly class: string;
  /** The only register taken, if it is a certain one. */
  readonly register: string | undefined;
  /** The size in bits; 0 where any will do. */
  readonly size: number;
  /** What an immediate has to be. */
  readonly limit: Limit | undefined;
  /** Whether memory has to be an address without registers. */
  readonly plainAddress: boolean;
  /** Whether memory has to hold a far pointer: `far` is written before it. */
  readonly isFar: boolean;
  /** Where it goes. */
  role: Role;
}

/** A row, ready to be matched and encoded in one mode. */
export interface Row {
  /** The operands it takes. */
  readonly operands: readonly Pattern[];
  /** The mandatory prefix 66, F2 or F3; 0 if none. */
  readonly prefix: number;
  /** The opcode's bytes. */
  readonly opcode: readonly number[];
  /** The ModR/M byte's reg field: 0–7; −1 if an operand gives it, −2 if there is no such byte. */
  readonly digit: number;
  /** The operand size it is for: 16, 32, 64, or 0 if that is of no account. */
  readonly operandSize: number;
  /** The address size it is for, or 0. */
  readonly addressSize: number;
  /** Whether REX.W is set. */
  readonly wide: boolean;
  /** The immediates' sizes in bytes, in order; a relative target's too. */
  readonly immediates: readonly number[];
  /** The VEX prefix, if it has one. */
  readonly vex: Vex | undefined;
  /** The size that a register or sized immediate gives a memory operand that has none; 0 if none. */
  readonly commonSize: number;
  /** Whether operands without a size have the mode's. */
  readonly isModeSized: boolean;
  /** Whether a short jump is taken only if the target is near enough. */
  readonly isOptional: boolean;
}

/** The fixed fields of a VEX prefix (SDM volume 2, §2.3.5). */
export interface Vex {
  /** VEX.L. */
  readonly long: number;
  /** VEX.pp: 0, or 1–3 for 66, F3, F2. */
  readonly prefix: number;
  /** VEX.mmmmm: 1–3 for 0F, 0F38, 0F3A. */
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

/** A mnemonic's rows as written, and its place in their family. */
interface Source {
  readonly row: string;
  readonly place: number;
}

const tables = [general, system];
let indexed = 0;
const index = new Map<string, Source[]>();
const compiled = new Map<string, readonly Row[] | undefined>();

/**
 * The rows of a mnemonic in a mode.
 *
 * @param mnemonic The mnemonic, lower case.
 * @param bits The mode.
 * @returns The rows in the order to try them, none if the instruction does not exist in this mode,
 * or undefined if there is no such instruction.
 */
export function findRows(mnemonic: string, bits: Bits): readonly Row[] | undefined {
  const key = mnemonic + bits;
  if (compiled.has(key)) return compiled.get(key);
  const rows = findSources(mnemonic)?.flatMap(({ row, place }) => compile(row, place, bits));
  compiled.set(key, rows);
  return rows;
}

/** Tables are indexed when the ones before do not know a mnemonic: most sources need the first. */
function findSources(mnemonic: string): Source[] | undefined {
  for (;;) {
    const found = index.get(mnemonic) ?? findConditional(mnemonic);
    if (found || indexed === tables.length) return found;
    indexTable(tables[indexed++]!);
  }
}

function findConditional(mnemonic: string): Source[] | undefined {
  for (const stem of ["j", "set", "cmov"]) {
    if (!mnemonic.startsWith(stem)) continue;
    const place = conditionNumber(mnemonic.slice(stem.length));
    if (place >= 0) return index.get(`${stem}cc`)?.map(({ row }) => ({ row, place }));
  }
  return undefined;
}

function indexTable(table: string): void {
  for (let start = 0; start < table.length;) {
    let end = table.indexOf("\n", start);
    if (end < 0) end = table.length;
    const gap = table.indexOf("  ", start);
    if (gap > start && gap < end) {
      const row = table.slice(start, end);
      let place = 0;
      for (const name of table.slice(start, gap).split(" ")) {
        const rows = index.get(name);
        if (rows) rows.push({ row, place: place++ });
        else index.set(name, [{ row, place: place++ }]);
      }
    }
    start = end + 1;
  }
}

/** Every mnemonic of the table with its rows as written: for tests that walk all of it. */
export function* allRows(): Generator<{ mnemonic: string; row: string; place: number }> {
  findSources("");
  for (const [mnemonic, rows] of index) {
    if (mnemonic === "-") continue;
    for (const { row } of rows) {
      if (!mnemonic.endsWith("cc")) yield { mnemonic, ...rows.find((r) => r.row === row)! };
      else {
        for (const [place, names] of conditions.entries()) {
          for (const name of names) yield { mnemonic: mnemonic.slice(0, -2) + name, row, place };
        }
      }
    }
  }
}

/** A row as written becomes one row for each operand size it stands for in this mode. */
function compile(row: string, place: number, bits: Bits): Row[] {
  const columns = row.split(/ {2,}/);
  const operands = columns.length > 2 ? columns[1]!.split(", ") : [];
  const encoding = columns.at(-1)!.split(" ");
  if (encoding.includes(bits === 64 ? "no64" : "only64")) return [];
  const sizes = bits === 64 && operands.includes("relz")
    ? [64]
    : operands.some((name) => /[vz]$|^rAX$/.test(name))
    ? [16, 32, 64]
    : operands.some((name) => name.endsWith("y"))
    ? [32, 64]
    : [0];
  const is64 = bits === 64;
  const fixed = encoding.find((token) => /^o\d\d$/.test(token));
  return sizes
    .filter((size) => is64 ? !(size === 32 && encoding.includes("d64")) : size !== 64)
    .map((size) => compileSize(operands, encoding, { place, bits, size, fixed }));
}

interface Choice {
  readonly place: number;
  readonly bits: Bits;
  readonly size: number;
  readonly fixed: string | undefined;
}

function compileSize(names: string[], encoding: string[], choice: Choice): Row {
  const { place, bits, size } = choice;
  const opcode: number[] = [];
  const immediates: number[] = [];
  let prefix = 0;
  let digit = -2;
  let addressSize = 0;
  let operandSize = choice.fixed ? Number(choice.fixed.slice(1)) : size;
  let plus = false;
  let vex: Vex | undefined;
  for (const token of encoding) {
    const byte = /^([0-9A-F]{2})(?:\+(r|i|n|8n|cc))?$/.exec(token);
    if (byte) {
      const value = parseInt(byte[1]!, 16);
      const sum = byte[2];
      plus ||= sum === "r" || sum === "i";
      const isPrefix = opcode.length === 0 && [0x66, 0xF2, 0xF3].includes(value) &&
        encoding.length > 1;
      if (isPrefix && encoding.indexOf("0F") > 0) prefix = value;
      else {opcode.push(
          value + (sum === "8n" ? 8 * place : sum === "n" || sum === "cc" ? place : 0),
        );}
    } else if (token === "/r") digit = -1;
    else if (token === "/n") digit = place;
    else if (/^\/[0-7]$/.test(token)) digit = Number(token[1]);
    else if (/^a\d\d$/.test(token)) addressSize = Number(token.slice(1));
    else if (token.startsWith("VEX.")) vex = compileVex(token, size);
    else if (token in immediateSizes) {
      immediates.push(immediateSizes[token]![size] ?? immediateSizes[token]![0]!);
    }
  }
  // In 64-bit mode a row with `d64` has 64-bit operands without REX.W; and a `y` row has no prefix
  // for doublewords in any mode.
  const isDefault = bits === 64 && operandSize === 64 &&
    (encoding.includes("d64") || names.includes("relz"));
  const wide = operandSize === 64 && !isDefault && !vex;
  const isY = names.some((name) => name.endsWith("y"));
  if (operandSize === 64 || isY) operandSize = 0;
  const operands = names.map((name) => compilePattern(name, size));
  assignRoles(operands, { digit, plus, encoding });
  return {
    operands,
    prefix,
    opcode,
    digit,
    operandSize,
    addressSize,
    wide,
    immediates,
    vex,
    commonSize: encoding.includes("loose") ? 0 : findCommonSize(operands),
    isModeSized: encoding.includes("mode") || names.includes("relz"),
    isOptional: names.includes("rel8?"),
  };
}

/** The bytes of an immediate: by its token, and by the operand size where that decides. */
const immediateSizes: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  ib: { 0: 1 },
  iw: { 0: 2 },
  id: { 0: 4 },
  iq: { 0: 8 },
  iz: { 0: 4, 16: 2, 32: 4, 64: 4 },
  iv: { 0: 4, 16: 2, 32: 4, 64: 8 },
  cb: { 0: 1 },
  cz: { 0: 4, 16: 2, 32: 4, 64: 4 },
  mo: { 0: 0 },
};

/** `VEX.LZ.F3.0F38.W1`; without W it follows the operand size. */
function compileVex(token: string, size: number): Vex {
  const parts = token.split(".");
  return {
    long: parts.includes("L1") || parts.includes("256") ? 1 : 0,
    prefix: Math.max(0, ["66", "F3", "F2"].findIndex((name) => parts.includes(name)) + 1),
    map: ["0F", "0F38", "0F3A"].findIndex((name) => parts.includes(name)) + 1,
    wide: parts.includes("W1") || (size === 64 && !parts.includes("W0")) ? 1 : 0,
  };
}

const otherClasses: Readonly<Record<string, string>> = {
  sreg: "segment",
  cr: "control",
  dr: "debug",
  tr: "test",
  mm: "mmx",
  xmm: "xmm",
  sti: "x87",
};

/** The size a name ends in: `v` and `y` by the operand size, `z` too but an immediate's at most 32. */
function sizeOf(suffix: string, size: number): number {
  return suffix === "v" || suffix === "y" || suffix === "z" ? size : Number(suffix);
}

function compilePattern(written: string, size: number): Pattern {
  const isVvvv = written.startsWith("vvvv:");
  const name = isVvvv ? written.slice(5) : written;
  const pattern = {
    kinds: 0,
    class: "general",
    register: undefined as string | undefined,
    size: 0,
    limit: undefined as Limit | undefined,
    plainAddress: false,
    isFar: false,
    role: (isVvvv ? "vvvv" : "implied") as Role,
  };
  let match: RegExpExecArray | null;
  if (name === "1") return { ...pattern, kinds: IMMEDIATE, limit: "one" };
  if ((match = /^(r|m|r\/m)(\d+|v|y)?$/.exec(name))) {
    pattern.kinds = (match[1]!.startsWith("r") ? REGISTER : 0) |
      (match[1]!.endsWith("m") ? MEMORY : 0);
    pattern.size = match[2] ? sizeOf(match[2], size) : 0;
  } else if ((match = /^(mm|xmm)(?:\/m(\d+))?$/.exec(name))) {
    pattern.kinds = REGISTER | (match[2] ? MEMORY : 0);
    pattern.class = otherClasses[match[1]!]!;
    pattern.size = match[2] ? Number(match[2]) : 0;
  } else if ((match = /^(s|u)?imm(\d+|v|z)(?::(\d+))?$/.exec(name))) {
    pattern.kinds = IMMEDIATE;
    pattern.size = sizeOf(match[2]!, size);
    if (match[1] === "s") pattern.limit = pattern.size === 8 ? "signed8" : "signed32";
    if (match[1] === "u") pattern.limit = "unsigned32";
    if (pattern.limit === "signed8") pattern.size = Number(match[3] ?? size);
  } else if (/^rel(8\??|z)$/.test(name)) {
    pattern.kinds = IMMEDIATE;
    pattern.role = "relative";
    pattern.size = name === "relz" ? size : 8;
  } else if ((match = /^m16:(16|32|64)$/.exec(name))) {
    pattern.kinds = MEMORY;
    pattern.size = Number(match[1]);
    pattern.isFar = true;
  } else if ((match = /^far(\d\d)$/.exec(name))) {
    pattern.kinds = FAR;
    pattern.size = Number(match[1]);
    pattern.role = "immediate";
  } else if ((match = /^moffs(\d+|v)$/.exec(name))) {
    pattern.kinds = MEMORY;
    pattern.size = sizeOf(match[1]!, size);
    pattern.plainAddress = true;
    pattern.role = "address";
  } else if (name in otherClasses) {
    pattern.kinds = REGISTER;
    pattern.class = otherClasses[name]!;
  } else {
    pattern.kinds = REGISTER;
    pattern.register = name === "rAX" ? ({ 16: "ax", 32: "eax", 64: "rax" })[size]! : name;
  }
  if (pattern.kinds === IMMEDIATE && pattern.role === "implied" && pattern.limit !== "one") {
    pattern.role = "immediate";
  }
  return pattern;
}

/**
 * Memory goes to the r/m field, and so does the only register beside a digit; `cr`, `dr`, `tr` and
 * `sreg` never do. Of two registers the first is the reg field, as in the manual's "RM".
 */
function assignRoles(
  operands: Pattern[],
  { digit, plus, encoding }: { digit: number; plus: boolean; encoding: string[] },
): void {
  const open = operands.filter((pattern) =>
    pattern.role === "implied" && pattern.register === undefined &&
    (pattern.kinds & (REGISTER | MEMORY)) !== 0
  );
  if (plus) {
    const place = open.findIndex((pattern) => pattern.kinds === REGISTER);
    if (place >= 0) open.splice(place, 1)[0]!.role = "opcode";
  }
  if (digit === -2) return;
  const special = ["segment", "control", "debug", "test"];
  const memory = open.find((pattern) => (pattern.kinds & MEMORY) !== 0) ??
    (encoding.includes("MR")
      ? open[0]
      : open.findLast((pattern) => !special.includes(pattern.class)));
  for (const pattern of open) pattern.role = pattern === memory ? "rm" : "reg";
}

/** The size that memory and a general register or an immediate of the row have in common. */
function findCommonSize(operands: readonly Pattern[]): number {
  const memory = operands.find((pattern) => (pattern.kinds & MEMORY) !== 0);
  if (!memory || memory.size === 0) return 0;
  const partner = operands.some((pattern) =>
    pattern !== memory && pattern.size === memory.size && pattern.role !== "implied"
  );
  const fixed = operands.some((pattern) => pattern.register !== undefined && memory.plainAddress);
  return partner || fixed ? memory.size : 0;
}
