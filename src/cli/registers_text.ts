import type { Segment } from "../kvm/mod.ts";
import { bitNames } from "../x86/bits.ts";
import { EFER } from "../x86/control.ts";
import type { RegisterFile } from "../x86/mod.ts";
import type { Style } from "./output.ts";

const general = [
  ...["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
] as const;
const segments = ["cs", "ds", "es", "fs", "gs", "ss"] as const;

type GeneralRegister = keyof RegisterFile["regs"];

/**
 * All registers, decoded, in lines.
 *
 * @param file The registers.
 * @param options `before`: what they were; those that changed are marked with a star.
 */
export function registersText(
  file: RegisterFile,
  options: { before?: RegisterFile; style: Style },
): string {
  const { before, style } = options;
  const { regs, sregs } = file;
  const isLong = (sregs.efer & EFER.LMA) !== 0n;
  const isWide = isLong || general.some((name) => regs[name as GeneralRegister] >> 32n !== 0n);
  const digits = isWide ? 16 : 8;
  const mark = (text: string, value: unknown, old: unknown) =>
    before === undefined || same(value, old)
      ? `${text} `
      : `${style.bold(text)}${style.yellow("*")}`;
  const register = (name: string) => {
    const value = regs[name as GeneralRegister];
    return mark(
      `${name.padEnd(3)} ${hex(value, digits)}`,
      value,
      before?.regs[name as GeneralRegister],
    );
  };
  const shown = general.filter((name) => isWide || /^r\D/.test(name));
  const lines: string[] = [];
  for (let i = 0; i < shown.length; i += 4) {
    lines.push(shown.slice(i, i + 4).map(register).join(" "));
  }
  const { rflags } = regs;
  const flags = `rflags ${hex(rflags, 8)} ${bitNames("rflags", rflags).join(" ")}`;
  lines.push(`${register("rip")} ${mark(flags.trimEnd(), rflags, before?.regs.rflags)}`);
  for (const name of segments) {
    const segment = sregs[name];
    lines.push(mark(`${name}  ${segmentText(segment)}`, segment, before?.sregs[name]));
  }
  for (const name of ["gdt", "idt"] as const) {
    const { base, limit } = sregs[name];
    const text = `${name} base ${hex(base, 8)} limit ${hex(limit, 4)}`;
    lines.push(mark(text, sregs[name], before?.sregs[name]));
  }
  for (const name of ["cr0", "cr4", "efer"] as const) {
    const text = `${name.padEnd(4)} ${hex(sregs[name], 8)} ${
      bitNames(name, sregs[name]).join(" ")
    }`;
    lines.push(mark(text.trimEnd(), sregs[name], before?.sregs[name]));
  }
  const faults = (["cr2", "cr3"] as const).map((name) =>
    mark(`${name}  ${hex(sregs[name], 8)}`, sregs[name], before?.sregs[name])
  );
  lines.push(faults.join(" "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function segmentText(segment: Segment): string {
  const { selector, base, limit, dpl, unusable, present } = segment;
  const state = unusable ? ", unusable" : present ? "" : ", not present";
  return `${hex(selector, 4)} base ${hex(base, 8)} limit ${hex(limit, 8)} ${kind(segment)}, ` +
    `DPL ${dpl}${state}`;
}

/** The descriptor's type in words (Intel SDM vol. 3A §3.4.5.1). */
function kind({ s, type, db, l }: Segment): string {
  if (s === 0) return `system segment of type ${type}`;
  const bits = l ? 64 : db ? 32 : 16;
  const CODE = 8;
  const READ_OR_WRITE = 2;
  const isFree = (type & READ_OR_WRITE) !== 0;
  return (type & CODE) !== 0
    ? `${bits}-bit code${isFree ? "" : ", execute-only"}`
    : `data${isFree ? "" : ", read-only"}`;
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  const others = b as Record<string, unknown>;
  return Object.entries(a).every(([key, value]) => same(value, others[key]));
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
