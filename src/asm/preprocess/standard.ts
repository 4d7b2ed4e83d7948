import { findTest } from "./condition.ts";
import { substring } from "./directives.ts";
import type { Arity, Line, MultiMacro } from "./multi.ts";
import type { Preprocessor } from "./preprocessor.ts";
import type { Parameter, SingleMacro } from "./single.ts";
import {
  isOperator,
  numberTokens,
  quote,
  skipSpace,
  type Token,
  token,
  tokenize,
  unquote,
} from "./token.ts";
import { toBytes } from "../lexer.ts";

/**
 * Multi-line macros that every source has: name, parameters, body. `align`, `bits`, `global` and
 * others that are macros in NASM are directives of the assembler here.
 */
const standardMacros: Readonly<Record<string, readonly [spec: string, body: string]>> = {
  struc: ["1-2 0", "%push\n%define %$strucname %1\n[absolute %2]\n%$strucname:"],
  endstruc: ["0", "%{$strucname}_size equ ($-%$strucname)\n%pop\n__?SECT?__"],
  istruc: ["1", "%push\n%define %$strucname %1\n%$strucstart:"],
  at: [
    "1-2+",
    `%defstr %$member %1
%substr %$first %$member 1
%ifidn %$first,'.'
times (%$strucname%1-%$strucname)-($-%$strucstart) db 0
%else
times (%1-%$strucname)-($-%$strucstart) db 0
%endif
%2`,
  ],
  float: [
    "1-*",
    `%rep %0
[float %1]
%ifidni %1,default
%define __?FLOAT_DAZ?__ nodaz
%define __?FLOAT_ROUND?__ near
%elifidni %1,daz
%define __?FLOAT_DAZ?__ daz
%elifidni %1,nodaz
%define __?FLOAT_DAZ?__ nodaz
%elifidni %1,near
%define __?FLOAT_ROUND?__ near
%elifidni %1,up
%define __?FLOAT_ROUND?__ up
%elifidni %1,down
%define __?FLOAT_ROUND?__ down
%elifidni %1,zero
%define __?FLOAT_ROUND?__ zero
%endif
%rotate 1
%endrep`,
  ],
  iend: ["0", "times %{$strucname}_size-($-%$strucstart) db 0\n%pop"],
};

/** Directives that are macros in NASM: after `%clear` they are not there but in brackets. */
export const directiveMacros: ReadonlySet<string> = new Set(
  ("align alignb sectalign extern static global common required cpu float default bits use16 use32 " +
    "use64 org section segment absolute").split(" "),
);

/** What `%ifmacro` finds of a directive of the assembler that is a macro in NASM. */
export function directiveMacro(name: string): Arity | undefined {
  if (!directiveMacros.has(name) && name !== "incbin") return undefined;
  return name.startsWith("use")
    ? { minimum: 0, maximum: 0, isGreedy: false }
    : { minimum: 1, maximum: Infinity, isGreedy: false };
}

/** Names in a line that the preprocessor must look at even before anything is defined. */
export const RESERVED: readonly string[] = [
  ...Object.keys(standardMacros),
  "section",
  "segment",
  "absolute",
];

/** A standard multi-line macro, by its name in lower case. */
export function standardMulti(name: string): MultiMacro | undefined {
  if (!Object.hasOwn(standardMacros, name)) return undefined;
  const [spec, body] = standardMacros[name]!;
  const [, minimum, maximum, plus, fallback] = /^(\d)(?:-([\d*]))?(\+?)(?: (.*))?$/.exec(spec)!;
  const tokens = fallback === undefined ? [] : tokenize(fallback);
  return {
    name,
    caseSensitive: false,
    minimum: Number(minimum),
    maximum: maximum === "*" ? Infinity : Number(maximum ?? minimum),
    isGreedy: plus === "+",
    isHidden: true,
    isRecursive: false,
    defaults: tokens.length > 0 ? [{ tokens, start: 0 }] : [],
    body: body.split("\n").map((text): Line => ({ text, file: "<standard>", line: 0 })),
    takesLabel: false,
    active: 0,
  };
}

/** The single-line macros and the functions that are defined from the start. */
export class StandardSingles {
  #run: Preprocessor;
  #started = new Date();

  /** @param run What the macros tell about. */
  constructor(run: Preprocessor) {
    this.#run = run;
  }

  /** A macro by its name in lower case. */
  find(name: string): SingleMacro | undefined {
    if (name.startsWith("%")) return this.#function(name);
    if (!/^__.+__$/.test(name)) return undefined;
    const inner = name.slice(2, -2).replace(/^\?(.+)\?$/, "$1");
    const canonical = `__?${inner.toUpperCase()}?__`;
    const isCanonical = name.startsWith("__?");
    if (KEYWORDS.has(inner)) {
      // The keywords of the assembler are macros that stand for themselves, `__float32__` is an alias.
      if (isCanonical) return macro(name, { body: [token("called", "%?")], anyCase: true });
      return macro(name, { body: [token("id", `__?${inner}?__`)], isAlias: true, anyCase: true });
    }
    const make = Object.hasOwn(this.#facts, inner) ? this.#facts[inner] : undefined;
    if (!make) return undefined;
    if (isCanonical) return macro(canonical, { expand: () => make() });
    return macro(`__${inner.toUpperCase()}__`, { body: [token("id", canonical)], isAlias: true });
  }

  readonly #facts: Readonly<Record<string, () => readonly Token[]>> = {
    file: () => [quote(toBytes(this.#run.location.file))],
    line: () => numberTokens(BigInt(this.#run.location.line)),
    bits: () => numberTokens(BigInt(this.#run.bits)),
    ptr: () => [token("id", { 16: "word", 32: "dword" }[this.#run.bits] ?? "qword")],
    pass: () => numberTokens(2n),
    sect: () => tokenize("[section .text]"),
    sectalign_align_updates_section: () => numberTokens(1n),
    nasm_major: () => numberTokens(2n),
    nasm_minor: () => numberTokens(16n),
    nasm_subminor: () => numberTokens(1n),
    nasm_patchlevel: () => numberTokens(0n),
    nasm_version_id: () => [token("number", "002100100h")],
    nasm_ver: () => [token("string", '"2.16.01"')],
    output_format: () => [token("id", "bin")],
    float_daz: () => [token("id", "nodaz")],
    float_round: () => [token("id", "near")],
    float: () => tokenize("__?FLOAT_DAZ?__,__?FLOAT_ROUND?__"),
    date: () => [token("string", `"${this.#date(LOCAL)}"`)],
    time: () => [token("string", `"${this.#time(LOCAL)}"`)],
    date_num: () => [token("number", this.#date(LOCAL).replaceAll("-", ""))],
    time_num: () => [token("number", this.#time(LOCAL).replaceAll(":", ""))],
    utc_date: () => [token("string", `"${this.#date(UTC)}"`)],
    utc_time: () => [token("string", `"${this.#time(UTC)}"`)],
    utc_date_num: () => [token("number", this.#date(UTC).replaceAll("-", ""))],
    utc_time_num: () => [token("number", this.#time(UTC).replaceAll(":", ""))],
    posix_time: () => numberTokens(BigInt(Math.floor(this.#started.getTime() / 1000))),
  };

  #clock(zone: number): string {
    const offset = zone === LOCAL ? this.#started.getTimezoneOffset() * 60_000 : 0;
    return new Date(this.#started.getTime() - offset).toISOString();
  }

  #date(zone: number): string {
    return this.#clock(zone).slice(0, 10);
  }

  #time(zone: number): string {
    return this.#clock(zone).slice(11, 19);
  }

  /** `%eval(…)`, `%strlen(…)`, `%isnum(…)` and the other functions (manual §4.4). */
  #function(name: string): SingleMacro | undefined {
    if (Object.hasOwn(functions, name)) {
      const [flags, compute] = functions[name]!;
      const parameters = flags.map((each): Parameter => {
        const [text, fallback] = each.split(" ");
        const parameter = { name: "", flags: text! };
        return fallback === undefined
          ? parameter
          : { ...parameter, fallback: numberTokens(BigInt(fallback)) };
      });
      const expand = (values: readonly Token[][]) => compute(values, this.#run);
      return macro(name, { parameters, expand, anyCase: true });
    }
    const test = name.startsWith("%is") ? findTest(name) : undefined;
    if (!test) return undefined;
    const expand = ([value]: readonly Token[][]) =>
      numberTokens(test(value!, this.#run) === true ? 1n : 0n);
    return macro(name, { parameters: [{ name: "", flags: "+" }], expand, anyCase: true });
  }
}

const LOCAL = 0, UTC = 1;

/** Keywords of the assembler that are also spelled `__name__`. */
const KEYWORDS: ReadonlySet<string> = new Set(
  ("infinity nan qnan snan float8 float16 float32 float64 float80m float80e float128l float128h " +
    "utf16 utf16le utf16be utf32 utf32le utf32be ilog2e ilog2w ilog2f ilog2c").split(" "),
);

function macro(
  name: string,
  rest: {
    body?: readonly Token[];
    parameters?: readonly Parameter[];
    expand?: (values: readonly Token[][]) => readonly Token[];
    isAlias?: boolean;
    anyCase?: boolean;
  },
): SingleMacro {
  const { body = [], parameters = [], expand, isAlias = false, anyCase = false } = rest;
  const made = { name, caseSensitive: !anyCase, parameters, body, isAlias };
  return expand ? { ...made, expand } : made;
}

/** The number that an evaluated argument is. */
function numberOf(value: readonly Token[] = []): bigint {
  const digits = value.at(-1);
  if (digits?.type !== "number") return 0n;
  return isOperator(value[0], "-") ? -BigInt(digits.text) : BigInt(digits.text);
}

/** The bytes of an argument that was quoted. */
function textOf(value: readonly Token[] = []): string {
  const first = value[skipSpace(value)];
  return first ? unquote(first) : "";
}

type Compute = (values: readonly Token[][], run: Preprocessor) => readonly Token[];

const join: Compute = (values) =>
  values.flatMap((value, i) => i > 0 ? [token("operator", ","), ...value] : value);

/** The functions: how their arguments are read (see `Parameter`), and what they expand to. */
const functions: Readonly<Record<string, readonly [flags: readonly string[], Compute]>> = {
  "%abs": [["="], ([value]) => {
    const number = numberOf(value);
    return [token("number", String(number < 0n ? -number : number))];
  }],
  "%cond": [["=", "", "?"], ([test, yes, no]) => (numberOf(test) !== 0n ? yes : no) ?? []],
  "%count": [["*"], (values) => numberTokens(BigInt(values.length))],
  "%eval": [["=*"], join],
  "%num": [
    ["=", "=? -1", "=? 10"],
    ([value, digits, base], run) =>
      toDigits(numberOf(value), { digits: numberOf(digits), base: numberOf(base) }, run),
  ],
  "%sel": [["=", "=*"], (values, run) => {
    const which = numberOf(values[0]);
    if (which >= 1n && which < BigInt(values.length)) return values[Number(which)]!;
    run.warn(`%sel(${which}) has no such argument`);
    return [];
  }],
  "%str": [["&+"], join],
  "%strcat": [["&&*"], (values) => [quote(values.map(textOf).join(""))]],
  "%strlen": [["&&"], ([text]) => numberTokens(BigInt(textOf(text).length))],
  "%substr": [["&&", "=", "=? -1"], ([text, start, count]) => [
    quote(substring(textOf(text), Number(numberOf(start)), Number(numberOf(count)))),
  ]],
  "%tok": [["&&"], ([text]) => tokenize(textOf(text))],
};

const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@_";

/** A number as a string of digits: at least so many, or (negative) no fewer than needed. */
function toDigits(
  value: bigint,
  { digits, base }: { digits: bigint; base: bigint },
  run: Preprocessor,
): readonly Token[] {
  if (base < 2n || base > BigInt(DIGITS.length)) {
    run.fail(`%num knows bases from 2 to ${DIGITS.length}, not ${base}`);
    return [];
  }
  if (digits < -253n || digits > 253n) {
    run.fail(`%num gives at most 253 digits, not ${digits}`);
    return [];
  }
  let rest = BigInt.asUintN(64, value);
  let text = "";
  const least = Number(digits < 0n ? -digits : digits);
  while (text.length < least || (digits <= 0n && rest > 0n)) {
    text = DIGITS[Number(rest % base)] + text;
    rest /= base;
  }
  return [quote(text)];
}

/** The source of a package of `%use`, by its name in lower case. */
export function findPackage(name: string): string | undefined {
  return Object.hasOwn(packages, name) ? packages[name]!() : undefined;
}

const packages: Readonly<Record<string, () => string>> = {
  altreg: () => {
    const classic = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
    const numbers = classic.map((name, i) =>
      `%idefine r${i} r${name}\n%idefine r${i}d e${name}\n` +
      `%idefine r${i}w ${name}`
    );
    const low = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
    const bytes = low.map((name, i) => `%idefine r${i}b ${name}\n%idefine r${i}l ${name}`);
    const high = ["ah", "ch", "dh", "bh"].map((name, i) => `%idefine r${i}h ${name}`);
    const upper = Array.from({ length: 8 }, (_, i) => `%idefine r${i + 8}l r${i + 8}b`);
    return [...numbers, ...bytes, ...high, ...upper].join("\n");
  },
  fp: () => {
    const formats = ["8", "16", "32", "64", "80m", "80e", "128l", "128h"].map((bits) =>
      `%define float${bits}(x) __?float${bits}?__(x)`
    );
    return [
      "%define Inf __?Infinity?__",
      "%define NaN __?QNaN?__",
      "%define QNaN __?QNaN?__",
      "%define SNaN __?SNaN?__",
      ...formats,
      "%define bfloat16(x) __?bfloat16?__(x)",
      "%imacro bf16 1-*.nolist\n%rep %0\ndw __?bfloat16?__(%1)\n%rotate 1\n%endrep\n%endmacro",
    ].join("\n");
  },
  ifunc: () =>
    ["e ilog2", "e ilog2e", "w ilog2w", "w ilog2fw", "f ilog2f", "c ilog2c"].map((line) => {
      const [kind, name] = line.split(" ");
      return `%idefine ${name}(x) (__?ilog2${kind}?__(x))`;
    }).join("\n") + "\n%idefine ilog2cw(x) (__?ilog2w?__(x) * 0 + __?ilog2c?__(x))",
  masm: () => MASM,
  smartalign: () => SMART_ALIGN,
};

/**
 * The package masm (manual §6.5): words of MASM that are skipped, and its procedures and segments.
 * `%null %00` makes a macro take the label before it.
 */
const MASM = `%idefine ptr __?masm_ptr?__
%idefine flat __?masm_flat?__
%idefine offset
%idefine tbyte tword
%imacro proc 0-1+.nolist
%ifidni {%1},{far}
%idefine ret retf
%else
%idefine ret retn
%endif
%00 :
%endmacro
%imacro endp 0.nolist
%null %00
%undef ret
%endmacro
%imacro segment 0-1+.nolist
%xdefine __?SECT?__ [segment %00 %1]
__?SECT?__
%endmacro
%imacro ends 0-1+.nolist
%null %00
%endmacro
%imacro end 0-1+.nolist
%null %00
%endmacro
[default rel]`;

/** What `align` of the package smartalign fills with: mode, jump threshold, and per bits the fills. */
const fills: readonly (readonly [mode: string, threshold: number, fills: readonly string[][]])[] =
  (() => {
    const one = ["90"];
    const prefixed = ["90", "6690", "666690", "66666690"];
    const long = ["90", "6690", "0f1f00", "0f1f4000"];
    const longest = [...long, "0f1f440000", "660f1f440000", "0f1f8000000000"];
    const word = ["90", "89f6", "8d7400", "8db40000", "8db4000090", "8db4000089ff"];
    const generic16 = [...word, "8db400008d7d00", "8db400008dbd0000"];
    const leas = ["90", "89f6", "8d7600", "8d742600", "908d742600", "8db600000000"];
    const generic32 = [...leas, "8db42600000000"];
    const k7 = ["90", "8bc0", "8d0420", "8d442000", "8d44200090", "8d8000000000", "8d040500000000"];
    const p6 = [...longest, "0f1f840000000000"];
    return [
      ["nop", 16, [one, one, one]],
      ["generic", 8, [generic16, generic32, prefixed]],
      ["k8", 16, [prefixed, prefixed, prefixed]],
      ["k7", 16, [prefixed, k7, prefixed]],
      ["p6", 16, [long, p6, p6]],
    ];
  })();

/** The package smartalign (manual §6.2): `alignmode`, and an `align` that fills with long no-ops. */
const SMART_ALIGN = [
  "%imacro alignmode 1-2.nolist",
  ...fills.flatMap(([mode, threshold, modes], i) => [
    `%${i === 0 ? "" : "el"}ifidni %1,${mode}`,
    `%define __?ALIGN_JMP_THRESHOLD?__ ${threshold}`,
    ...modes.flatMap((texts, k) => [
      `%define __?ALIGN_${16 << k}BIT_GROUP?__ ${texts.length}`,
      ...texts.map((text, n) =>
        `%define __?ALIGN_${16 << k}BIT_${n + 1}B?__ ${text.replaceAll(/..(?!$)/g, "0x$&,")}`
          .replace(/([0-9a-f]{2})$/, "0x$1")
      ),
    ]),
  ]),
  "%else\n%error unknown alignment mode: %1\n%endif",
  "%ifnempty %2",
  "%ifidni %2,nojmp\n%xdefine __?ALIGN_JMP_THRESHOLD?__ -1",
  "%else\n%xdefine __?ALIGN_JMP_THRESHOLD?__ %2\n%endif",
  "%endif",
  "%xdefine __?ALIGNMODE?__ %1,__?ALIGN_JMP_THRESHOLD?__",
  "%endmacro",
  "%defalias __ALIGNMODE__ __?ALIGNMODE?__",
  "%imacro align 1-2+.nolist",
  "%ifnempty %2",
  "times (((%1) - (($-$$) % (%1))) % (%1)) %2",
  "%else",
  "%push",
  "%assign %$pad (((%1) - (($-$$) % (%1))) % (%1))",
  "%if __?ALIGN_JMP_THRESHOLD?__ != -1 && %$pad > __?ALIGN_JMP_THRESHOLD?__",
  "jmp %$end",
  "times (((%1) - (($-$$) % (%1))) % (%1)) nop",
  "%else",
  "times (%$pad / __?ALIGN_%[__?BITS?__]BIT_GROUP?__) " +
  "db __?ALIGN_%[__?BITS?__]BIT_%[__?ALIGN_%[__?BITS?__]BIT_GROUP?__]B?__",
  "%assign %$pad %$pad % __?ALIGN_%[__?BITS?__]BIT_GROUP?__",
  "%if %$pad > 0\ndb __?ALIGN_%[__?BITS?__]BIT_%[%$pad]B?__\n%endif",
  "%endif",
  "%$end:",
  "%pop",
  "%endif",
  // Nothing is left to fill; the assembler's own directive raises the section's alignment.
  "align %1",
  "%endmacro",
  "alignmode generic",
].join("\n");
