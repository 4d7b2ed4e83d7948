import { parseInteger } from "../asm/lexer.ts";
import { type Mode, modes, PAGE_TABLES_ADDRESS } from "../x86/mode.ts";
import { findRegister, type Register, registerNames } from "../x86/register.ts";
import {
  checkAddress,
  checkFit,
  type Expectation,
  type Names,
  parseExpectation,
  parseFitting,
  parseSum,
} from "./expectation.ts";
import { type Located, Scanner } from "./scanner.ts";

/** How a guest is to be run and what it must prove. */
export interface Settings {
  /** The CPU mode it starts in: `real` unless said otherwise. */
  mode: Mode;
  /** The size of its RAM in bytes, a multiple of 4096: 2 MiB unless said otherwise. */
  ram: number;
  /** Where its image goes: its origin unless said otherwise. */
  load: number | undefined;
  /** The address of its first instruction: where the image goes unless said otherwise. */
  entry: number | undefined;
  /** The stack pointer at its start: the top of RAM, or 0x7000 in real mode. */
  stack: number | undefined;
  /** Registers that are not zero at its start. */
  set: { register: Register; value: bigint }[];
  /** What its CPUID hides. */
  cpuid: CpuidMask[];
  /** Whether it gets the in-kernel PIC, IOAPIC and PIT; HLT then waits for an interrupt. */
  irqchip: boolean;
  /** What happens to accesses that nobody answers. */
  io: "stop" | "log" | "ignore";
  /** What it must prove. */
  expect: Expectation[];
  /** How long it may run, in milliseconds. */
  timeout: number;
}

/** The bits of a CPUID answer that the guest sees; the others read as 0. */
export interface CpuidMask {
  /** The leaf: EAX before CPUID. */
  leaf: number;
  /** The subleaf, ECX before CPUID; every one unless said otherwise. */
  subleaf: number | undefined;
  /** The register of the answer. */
  register: "eax" | "ebx" | "ecx" | "edx";
  /** The bits that stay. */
  mask: number;
}

/** The settings of a guest that says nothing. */
export function defaultSettings(): Settings {
  return {
    mode: "real",
    ram: 2 * 1024 * 1024,
    load: undefined,
    entry: undefined,
    stack: undefined,
    set: [],
    cpuid: [],
    irqchip: false,
    io: "stop",
    expect: [],
    timeout: 5000,
  };
}

const DIRECTIVE = /^\s*;!\s*([\w-]*)\s*(:?)\s*/;

/** A directive up to a comment behind its value: a semicolon outside of quotes. */
const UNCOMMENTED = /^\s*;!(?:[^;"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)*(?=;)/;

/** The directives that add to what is there already. */
const REPEATABLE: readonly string[] = ["set", "cpuid", "expect"];

/**
 * Reads the directives of a guest's source: its lines that begin with `;!`. A comment may follow.
 *
 * @param source The guest's source.
 * @param options `name`: the source's name for messages; the rest: what names mean.
 * @throws {AssemblyError} For a directive that is unknown, whose value is wrong, or that is given more
 * than once and has one value.
 */
export function parseDirectives(
  source: string,
  options: Names & { name: string },
): Settings {
  const { name: file, ...names } = options;
  const settings = defaultSettings();
  const seen = new Map<string, number>();
  for (const [i, line] of source.split("\n").entries()) {
    const text = UNCOMMENTED.exec(line)?.[0] ?? line;
    const found = DIRECTIVE.exec(text);
    if (found === null) continue;
    const [all, name = "", colon] = found;
    const at = { file, line: i + 1, text };
    if (name === "" || colon !== ":") {
      throw new Scanner({ ...at, start: text.indexOf(";!") }).error(
        "A directive is written ;! NAME: VALUE",
      );
    }
    const nameStart = text.indexOf(name);
    const earlier = seen.get(name);
    if (earlier !== undefined && !REPEATABLE.includes(name)) {
      throw new Scanner({ ...at, start: nameStart }).error(
        `The directive ${name} is given more than once: line ${earlier} has it too`,
      );
    }
    seen.set(name, i + 1);
    applyDirective(settings, name, { ...names, at: { ...at, start: all.length }, nameStart });
  }
  return settings;
}

/** The last directive in `source` that one of `names` is: where its value stands. */
export function findDirective(
  source: string,
  options: { file: string; names: readonly string[] },
): Located | undefined {
  const { file, names } = options;
  return source.split("\n")
    .map((text, i) => ({ text, line: i + 1, found: DIRECTIVE.exec(text) }))
    .filter(({ found }) => found !== null && names.includes(found[1]!))
    .map(({ text, line, found }) => ({ file, line, text, start: found![0].length }))
    .at(-1);
}

/**
 * Changes `settings` as one directive says.
 *
 * @param name The directive: `mode`, `ram`, `expect`, …
 * @param options `at`: its value and where that stands.
 * @throws {AssemblyError} For a directive that is unknown or whose value is wrong.
 */
export function applyDirective(
  settings: Settings,
  name: string,
  options: Names & { at: Located; nameStart?: number },
): void {
  const { at, nameStart = at.start, ...names } = options;
  const apply = Object.hasOwn(directives, name) ? directives[name] : undefined;
  const scanner = new Scanner(at);
  if (apply === undefined) {
    throw scanner.unknownName(`There is no directive "${name}"`, {
      start: nameStart,
      known: Object.keys(directives),
    });
  }
  apply(settings, { ...names, scanner, at });
}

interface Context extends Names {
  scanner: Scanner;
  at: Located;
}

/** What each directive does. */
const directives: Record<string, (settings: Settings, context: Context) => void> = {
  mode(settings, { scanner }) {
    settings.mode = scanner.oneOf(Object.keys(modes) as Mode[], "the mode");
    scanner.end();
  },
  ram(settings, { scanner, at }) {
    settings.ram = parseSize(scanner, at);
  },
  load(settings, context) {
    settings.load = parseAddress(context);
  },
  entry(settings, context) {
    settings.entry = parseAddress(context);
  },
  stack(settings, context) {
    settings.stack = parseAddress(context);
  },
  set(settings, { scanner, symbols }) {
    do settings.set.push(parseRegisterValue(scanner, symbols)); while (scanner.take(","));
    scanner.end();
  },
  cpuid(settings, { scanner }) {
    do settings.cpuid.push(parseCpuidMask(scanner)); while (scanner.take(","));
    scanner.end();
  },
  irqchip(settings, { scanner }) {
    settings.irqchip = scanner.oneOf(["yes", "no"], "irqchip") === "yes";
    scanner.end();
  },
  io(settings, { scanner }) {
    settings.io = scanner.oneOf(["stop", "log", "ignore"], "io");
    scanner.end();
  },
  expect(settings, context) {
    settings.expect.push(parseExpectation(context.at, context));
  },
  timeout(settings, { scanner, at }) {
    settings.timeout = parseDuration(scanner, at);
  },
};

function parseAddress({ scanner, symbols, addresses = symbols }: Context): number {
  const start = scanner.position;
  const { value } = parseSum(scanner, { symbols: addresses, what: "an address or a label" });
  const address = checkAddress(scanner, value, start);
  scanner.end();
  return address;
}

function parseRegisterValue(
  scanner: Scanner,
  symbols: Names["symbols"],
): { register: Register; value: bigint } {
  const start = scanner.position;
  const name = scanner.name("a register");
  const register = findRegister(name);
  if (register === undefined) {
    throw scanner.unknownName(`There is no register "${name}"`, { start, known: registerNames() });
  }
  if (!scanner.take("=")) throw scanner.unexpected("expected =");
  const value = BigInt.asUintN(
    register.bits,
    parseFitting(scanner, { symbols, bits: register.bits }),
  );
  return { register, value };
}

/** `1:ecx = 0xfffffffe`, `7.0:ebx = 0`: LEAF[.SUBLEAF]:REGISTER = MASK. */
function parseCpuidMask(scanner: Scanner): CpuidMask {
  const leaf = parseWord(scanner);
  const subleaf = parseSubleaf(scanner);
  if (!scanner.take(":")) throw scanner.unexpected("expected : and a register behind the leaf");
  const register = scanner.oneOf(["eax", "ebx", "ecx", "edx"], "the register of CPUID");
  if (!scanner.take("=")) throw scanner.unexpected("expected = and a mask");
  return { leaf, subleaf, register, mask: parseWord(scanner) };
}

function parseWord(scanner: Scanner): number {
  const start = scanner.position;
  const value = checkFit(scanner, scanner.number("a value"), { bits: 32, start });
  return Number(BigInt.asUintN(32, value));
}

/** `.1`, which the scanner takes for a local label. */
function parseSubleaf(scanner: Scanner): number | undefined {
  if (!scanner.peek.startsWith(".") || scanner.isString) return undefined;
  const start = scanner.position;
  const name = scanner.name("a subleaf");
  const value = /^\.\d/.test(name) ? parseInteger(name.slice(1)) : undefined;
  if (value === undefined || value > 0xffff_ffffn) {
    throw scanner.error("A subleaf is a number of 32 bits behind the point: 7.0:ebx=0", start);
  }
  return Number(value);
}

/** A number with a unit behind it, which the scanner's tokens would tear apart: `500ms`, `4M`. */
function parseQuantity(
  scanner: Scanner,
  at: Located,
  units: Record<string, number>,
): number | undefined {
  const found = /^(\d+(?:\.\d+)?|0x[\da-f]+)\s*([a-z]*)\s*$/i.exec(at.text.slice(at.start));
  const unit = found && Object.entries(units).find(([name]) => name === found[2]!.toLowerCase());
  if (scanner.atEnd || !unit) return undefined;
  return Number(found[1]) * unit[1];
}

/** RAM comes in pages. */
export const PAGE_SIZE = 4096;
/** Above lie the page tables, the interrupt controllers and KVM's own pages. */
export const MAX_RAM: number = PAGE_TABLES_ADDRESS;

function parseSize(scanner: Scanner, at: Located): number {
  const units = { "": 1, b: 1, k: 2 ** 10, kib: 2 ** 10, m: 2 ** 20, mib: 2 ** 20, g: 2 ** 30 };
  const size = parseQuantity(scanner, at, { ...units, gib: 2 ** 30 });
  if (size === undefined) {
    throw scanner.error("A size is a number of bytes, or with a unit: 4096, 64K, 4M, 1G");
  }
  if (size <= 0 || size % PAGE_SIZE !== 0) {
    throw scanner.error(`The size of RAM is a positive multiple of ${PAGE_SIZE} bytes`);
  }
  if (size > MAX_RAM) throw scanner.error(`The size of RAM is at most ${MAX_RAM / 2 ** 20}M`);
  return size;
}

function parseDuration(scanner: Scanner, at: Located): number {
  const milliseconds = parseQuantity(scanner, at, { ms: 1, s: 1000, m: 60_000 });
  if (milliseconds === undefined || milliseconds <= 0) {
    throw scanner.error("A duration is a positive number with a unit: 500ms, 5s, 1m");
  }
  return milliseconds;
}
