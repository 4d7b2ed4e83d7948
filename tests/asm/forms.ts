import { allRows, type Bits } from "../../src/asm/instructions.ts";

/** Immediates at and around every limit of their encodings. */
const immediates = [
  "-129",
  "-128",
  "-1",
  "0",
  "1",
  "127",
  "128",
  "255",
  "256",
  "0x7FFF",
  "0x8000",
  "0xFF80",
  "0xFFFF",
  "0x10000",
  "0x7FFFFFFF",
  "0x80000000",
  "0xFFFFFF80",
  "0xFFFFFFFF",
  "-0x80000000",
  "-0x8000",
];
const wideImmediates = [
  "0x100000000",
  "0x7FFFFFFFFFFFFFFF",
  "0x8000000000000000",
  "0xFFFFFFFFFFFFFFFF",
  "-0x80000001",
];

/** Memory operands' insides: each shape of address, with displacements at their limits. */
const addresses: Record<Bits, string[]> = {
  16: [
    "0x1234",
    "bx",
    "si",
    "di",
    "bp",
    "bx+si",
    "bx+di",
    "bp+si",
    "bp+di",
    "si+bx",
    "di+bp",
    "bx+1",
    "bp+0",
    "bx-128",
    "bx-129",
    "bx+127",
    "bx+128",
    "si+0x7FFF",
    "di+0xFFFF",
    "bp+si-1",
    "bx+di+0x1000",
    "byte bx+1",
    "word bx+1",
    "word bx",
    "es:bx",
    "fs:bp+di+5",
    "ds:0x10",
    "ebx",
    "eax+ecx*4+5",
    "dword 0x12345",
    "esp+4",
    "word 0x10",
  ],
  32: [
    "0x12345678",
    "eax",
    "ebx",
    "ecx",
    "esp",
    "ebp",
    "esi",
    "eax+ecx",
    "ebp+eax",
    "eax+ebp",
    "eax+esp",
    "esp+eax",
    "eax*2",
    "ebp*2",
    "eax*4",
    "ecx*8+5",
    "eax*3",
    "edx*5",
    "edi*9",
    "nosplit eax*2",
    "nosplit eax*1",
    "eax*1",
    "eax*1+ebx",
    "ebx+eax*1",
    "esp+ecx*8",
    "ebp+esi*4",
    "eax+127",
    "eax+128",
    "eax-128",
    "eax-129",
    "ebp+0",
    "esp+0",
    "ebx+ecx*2+0x7FFFFFFF",
    "eax+0xFFFFFFFF",
    "byte eax+1",
    "dword eax+1",
    "dword eax",
    "byte eax",
    "es:eax",
    "gs:ebp+4",
    "bx+si",
    "word 0x1234",
    "bp",
    "fs:0",
    "eax+eax",
    "eax+eax*2",
    "eax+ebx*1+1",
    "dword 0x10",
  ],
  64: [
    "0x12345678",
    "rel 0x1000",
    "abs 0x1000",
    "rax",
    "rbx",
    "rsp",
    "rbp",
    "r8",
    "r12",
    "r13",
    "r15",
    "rax+rcx",
    "rbp+rax",
    "rax+rbp",
    "rax+rsp",
    "r12+rax",
    "rax+r12",
    "r13+r13",
    "r12*2",
    "rax*2",
    "rbp*2",
    "r13*2",
    "rax*4+5",
    "r9*8",
    "r10*3",
    "rdx*5",
    "r13*9",
    "nosplit rax*2",
    "nosplit r8*1",
    "rsp+r14*8",
    "rbp+rsi*4",
    "rax+127",
    "rax+128",
    "r8-128",
    "r8-129",
    "r13+0",
    "rsp+0",
    "rbx+r12*2+0x7FFFFFFF",
    "rax-0x80000000",
    "byte rax+1",
    "dword r9+1",
    "dword rax",
    "fs:rax",
    "gs:0x10",
    "fs:r13",
    "eax",
    "r8d+ecx*4",
    "esp+4",
    "r13d",
    "rax+rax*4",
    "dword 0x10",
    "rel fs:0x10",
    "0x7FFFFFFF",
    "es:rbx",
  ],
};

/** Fewer of them for the many instructions with VEX prefixes, which see no more than registers. */
const fewAddresses: Record<Bits, string[]> = {
  16: ["0x1234", "bx+si", "bp+0", "es:bx+127", "eax+ecx*4+5"],
  32: ["0x12345678", "eax", "ecx*8+5", "esp+0", "ebp+128", "bx+si", "r8d"],
  64: ["rel 0x1000", "rax", "r8", "rax+r12", "r9*8", "r13+128", "r14+r15*2-128", "fs:r13", "eax"],
};

/** Addresses with a vector register, `V`, and wrong ones: of `W` of the other class, or without. */
const vectorAddresses: Record<Bits, string[]> = {
  16: ["eax+V1*4", "V1", "bx+V1", "esp+V4*8-128", "eax", "eax+W1"],
  32: [
    "eax+V1*4",
    "V2",
    "V3*2+ebp",
    "esp+V4*8-128",
    "5,V7*4",
    "eax*2+V1",
    "eax+V9",
    "eax+W1",
    "eax",
  ],
  64: ["rax+V1*4", "V2", "V3*2+rbp", "r13+V15", "V4*8+0x1000", "r12+V9*2+128", "eax+V1", "rel V1"]
    .concat(["rax*2+V1", "V1*3", "V1+V2", "V1+V1", "V1,rax", "word V1", "rax+W1", "rax", "0x10"]),
};

const sizeNames: Record<number, string> = {
  8: "byte",
  16: "word",
  32: "dword",
  64: "qword",
  80: "tword",
  128: "oword",
  256: "yword",
  512: "zword",
};

const general: Record<number, string[]> = {
  8: ["al", "cl", "bl", "ah", "dh", "spl", "dil", "r8b", "r15b"],
  16: ["ax", "cx", "bx", "sp", "bp", "di", "r8w", "r15w"],
  32: ["eax", "ecx", "ebx", "esp", "ebp", "edi", "r8d", "r15d"],
  64: ["rax", "rcx", "rbx", "rsp", "rbp", "rdi", "r8", "r15"],
};

const others: Record<string, string[]> = {
  sreg: ["es", "cs", "ss", "ds", "fs", "gs"],
  cr: ["cr0", "cr2", "cr3", "cr4", "cr8"],
  dr: ["dr0", "dr6", "dr7"],
  tr: ["tr3", "tr6", "tr7"],
  mm: ["mm0", "mm3", "mm7"],
  xmm: ["xmm0", "xmm3", "xmm7", "xmm8", "xmm15"],
  ymm: ["ymm0", "ymm3", "ymm7", "ymm8", "ymm15"],
  sti: ["st0", "st1", "st7"],
  "to sti": ["to st0", "to st7"],
};

/** What stands for one operand of a row in a mode: some spellings, the plainest first. */
function spellings(pattern: string, bits: Bits): string[] {
  const name = pattern.replace(/^vvvv:/, "");
  if (others[name]) return others[name];
  if (name === "1") return ["1"];
  if (name === "rAX") return ["ax", "eax", "rax"];
  if (name === "r32na") return general[32]!;
  if (name.startsWith("rel")) {
    return ["$", "$+2", "$+129", "$+130", "$-126", "$-127", "$-1000", "$+100000"].flatMap((
      target,
    ) =>
      ["", "short ", "near ", "word ", "dword ", "strict near ", "strict "].map((word) =>
        word + target
      )
    );
  }
  if (name.startsWith("far")) {
    return ["8:0x1234", "0xFFFF:0", "word 8:5", "dword 8:0x12345"];
  }
  if (/^m16:/.test(name)) {
    return addresses[bits].flatMap((address) =>
      ["far", "far word", "far dword", "far qword", "dword far"].map((word) =>
        `${word} [${address}]`
      )
    );
  }
  const match = /^(simm|uimm|imm|moffs|r\/m|mm\/m|xmm\/m|r|m)(\d*|v|z|y)(?::\d+)?$/.exec(name);
  if (!match) return [name];
  const [, stem = "", suffix = ""] = match;
  const sizes = suffix === "v" || suffix === "z"
    ? [16, 32, 64]
    : suffix === "y"
    ? [32, 64]
    : [Number(suffix)];
  if (stem.endsWith("imm")) return immediateSpellings(sizes);
  const memory = stem === "moffs"
    ? [
      "[0x1234]",
      "[es:0x5678]",
      "[word 0x1234]",
      "[dword 0x12345]",
      "[qword 0x123456789AB]",
      "[abs 5]",
    ]
    : addresses[bits].map((address) => `[${address}]`);
  const result: string[] = [];
  for (const size of sizes) {
    if (stem.startsWith("mm")) result.push(...others["mm"]!);
    else if (stem.startsWith("xmm")) result.push(...others["xmm"]!);
    else if (stem.startsWith("r")) result.push(...general[size]!);
    if (stem.endsWith("m") || stem === "moffs") {
      const word = sizeNames[size];
      result.push(memory[0]!);
      result.push(...(word ? memory.map((text) => `${word} ${text}`) : memory));
    }
  }
  return result;
}

function immediateSpellings(sizes: number[]): string[] {
  const words = ["", "byte ", "strict ", "strict byte "];
  for (const size of sizes) {
    if (size > 8) words.push(`${sizeNames[size]} `, `strict ${sizeNames[size]} `);
  }
  const values = sizes.includes(64) ? [...immediates, ...wideImmediates] : immediates;
  return [...new Set(words)].flatMap((word) =>
    (word === "" ? values : ["-128", "-1", "1", "127", "128", "0x1234"]).map((value) =>
      word + value
    )
  );
}

/**
 * Lines that show every row of the instruction table in one mode: each spelling of each operand in
 * turn, beside plain spellings of the others of each size. Of the many comparisons of vectors only
 * the first one gets all of them, and every other one an eighth.
 */
export function* formLines(bits: Bits): Generator<string> {
  const seen = new Set<string>();
  for (const row of allRows()) {
    let count = 0;
    for (const line of rowLines(row, bits)) {
      if (/^vcmpcc/.test(row.row) && row.place > 0 && count++ % 8 !== row.place % 8) continue;
      if (seen.has(line)) continue;
      seen.add(line);
      yield line;
    }
  }
}

/** Lines with each size before each operand of every row with vector registers. */
export function* sizeLines(bits: Bits): Generator<string> {
  const seen = new Set<string>();
  const isSized = new RegExp(`\\b(${Object.values(sizeNames).join("|")}|strict)\\b`);
  for (const row of allRows()) {
    if (!/ (\S*:)?([xy]?mm|m?x)\b/.test(row.row) || (row.place > 0 && /^\w+cc/.test(row.row))) {
      continue;
    }
    for (const line of rowLines(row, bits)) {
      const operands = line.slice(row.mnemonic.length + 1).split(", ");
      const kind = row.mnemonic + operands.map((text) => text.replace(/\d+$|\[.*/, "")).join();
      if (isSized.test(line) || seen.has(kind)) continue;
      seen.add(kind);
      for (const size of Object.values(sizeNames)) {
        const sized = operands.map((text) => `${size} ${text}`);
        yield `${row.mnemonic} ${sized.join(", ")}`;
        for (const at of operands.keys()) {
          yield `${row.mnemonic} ${operands.with(at, sized[at]!).join(", ")}`;
        }
      }
    }
  }
}

/** The lines of one row. */
export function* rowLines(
  { mnemonic, row }: { mnemonic: string; row: string },
  bits: Bits,
): Generator<string> {
  const columns = row.split(/ {2,}/);
  const patterns = columns.length > 2 ? columns[1]!.split(", ") : [];
  if (/\b[xy]mm|\bm?x\b/.test(columns[1]!) && row.includes(" VEX.")) {
    yield* vectorLines(mnemonic, patterns, bits);
    return;
  }
  for (const operands of combinations(patterns.map((name) => spellings(name, bits)))) {
    const line = `${mnemonic} ${operands.join(", ")}`.trimEnd();
    // Here NASM panics, and says nothing of the lines that follow.
    if (/ a64 /.test(row) && /\[.*\b(e..|r\d+d)\b/.test(line)) continue;
    yield line;
  }
}

/** The lines of a row with vector registers: for each size, and without what may be left out. */
function* vectorLines(mnemonic: string, patterns: string[], bits: Bits): Generator<string> {
  const isForBoth = patterns.some((name) => /\bm?x\b/.test(name));
  for (const size of isForBoth ? [128, 256] : [0]) {
    const whole = patterns.map((name) =>
      name.replace(/^mx$/, `m${size}`).replace(/^x\/m$/, `x/m${size}`)
        .replace(/\bx\b/, size === 128 ? "xmm" : "ymm")
    );
    const short = whole.filter((name) => !name.endsWith("*"));
    for (const names of short.length < whole.length ? [whole, short] : [whole]) {
      for (const operands of combinations(names.map((name) => vectorSpellings(name, bits)))) {
        yield `${mnemonic} ${operands.join(", ")}`;
      }
    }
  }
}

/** What stands for one operand of such a row: right and wrong sizes of registers and memory, too. */
function vectorSpellings(pattern: string, bits: Bits): string[] {
  const name = pattern.replace(/^vvvv:/, "").replace(/\*$/, "");
  const match = /^(?:([xy]mm|r)?\/?)m(\d+)(?:\[(.mm)\])?$/.exec(name);
  const kind = match ? match[1] : name;
  if (kind === undefined || /^[xy]mm$/.test(kind)) {
    const result: string[] = [];
    if (kind) {
      const [first = "", ...rest] = others[kind]!;
      const sized = ["dword", "qword", "oword", "yword"].map((word) => `${word} ${first}`);
      result.push(first, ...sized, kind === "xmm" ? "ymm1" : "xmm1", ...rest);
    }
    if (match) result.push(...vectorMemory(match, bits));
    return result;
  }
  const list = spellings(name, bits);
  return match
    ? [...list.filter((text) => !text.includes("[")), ...vectorMemory(match, bits)]
    : list;
}

function vectorMemory([, , size, index]: RegExpExecArray, bits: Bits): string[] {
  const word = sizeNames[Number(size)]!;
  const insides = index
    ? vectorAddresses[bits].map((text) =>
      text.replaceAll("V", index).replaceAll("W", index === "xmm" ? "ymm" : "xmm")
    )
    : fewAddresses[bits];
  const plain = insides.map((inside) => `[${inside}]`);
  const wrong = Object.values(sizeNames).map((other) => `${other} ${plain[0]}`);
  return [plain[0]!, ...plain.map((memory) => `${word} ${memory}`), ...wrong];
}

function* combinations(all: string[][]): Generator<string[]> {
  if (all.length === 0) yield [];
  for (const [i, candidates] of all.entries()) {
    for (const candidate of candidates) {
      // Beside one operand's spellings the others are plain, once of each kind and size.
      const variants = Math.max(...all.map((list, j) => j === i ? 1 : plainSpellings(list).length));
      for (let variant = 0; variant < Math.min(variants, 3); variant++) {
        yield all.map((list, j) =>
          j === i ? candidate : plainSpellings(list)[variant % plainSpellings(list).length]!
        );
      }
    }
  }
}

const plainCache = new WeakMap<string[], string[]>();

/** The first register of each size, the last one, and the first and second memory operand. */
function plainSpellings(list: string[]): string[] {
  let plain = plainCache.get(list);
  if (!plain) {
    const memory = list.filter((text) => text.includes("["));
    const rest = list.filter((text) => !text.includes("["));
    const firsts = Object.values(general).map((names) => names[1]!).filter((name) =>
      rest.includes(name)
    );
    plain = firsts.length > 1 ? firsts : [...rest.slice(0, 1), ...rest.slice(-1)];
    if (plain.length === 0 || (firsts.length === 1)) plain.push(...memory.slice(0, 2));
    plainCache.set(list, plain);
  }
  return plain;
}
