import type { Regs, Sregs } from "../kvm/mod.ts";
import { CR0 } from "./control.ts";

/** The registers that a name can mean. */
export interface RegisterFile {
  /** The general registers, RIP and RFLAGS. */
  regs: Regs;
  /** Segment and control registers. */
  sregs: Sregs;
}

/** A register, a part of one, or a flag. */
export interface Register {
  /** The name it was found by, in lower case. */
  readonly name: string;
  /** How many bits it has: 1 for a flag. */
  readonly bits: 1 | 8 | 16 | 32 | 64;
  /** Its value. */
  read(file: RegisterFile): bigint;
  /**
   * Changes it: a part of a register leaves the rest as it is. In real mode a segment register also
   * gets the base that belongs to it, selector × 16; elsewhere it keeps its descriptor.
   */
  write(file: RegisterFile, value: bigint): void;
}

/** The flags of RFLAGS and their bits (Intel SDM vol. 1 §3.4.3). */
export const flags: Readonly<Record<string, number>> = {
  cf: 0,
  pf: 2,
  af: 4,
  zf: 6,
  sf: 7,
  tf: 8,
  if: 9,
  df: 10,
  of: 11,
  nt: 14,
  rf: 16,
  vm: 17,
  ac: 18,
  vif: 19,
  vip: 20,
  id: 21,
};

/**
 * The register called `name`, in any width and case: `al`, `ax`, `eax`, `rax`, `r8d`, `cs`, `cr0`,
 * `efer`, `eflags`, `zf`.
 */
export function findRegister(name: string): Register | undefined {
  const lower = name.toLowerCase();
  return general(lower) ?? system(lower) ?? flag(lower);
}

/** Every name that {@linkcode findRegister} knows, for suggestions. */
export function registerNames(): string[] {
  const legacy = ["ax", "bx", "cx", "dx", "si", "di", "sp", "bp"];
  const numbered = Array.from({ length: 8 }, (_, i) => `r${i + 8}`);
  return [
    ...["a", "b", "c", "d"].flatMap((letter) => [`${letter}l`, `${letter}h`]),
    ...["sil", "dil", "spl", "bpl"],
    ...legacy.flatMap((word) => [word, `e${word}`, `r${word}`]),
    ...numbered.flatMap((word) => [word, `${word}d`, `${word}w`, `${word}b`]),
    ...["ip", "eip", "rip", "flags", "eflags", "rflags"],
    ...segments,
    ...controls,
    ...Object.keys(flags),
  ];
}

const segments = ["cs", "ds", "es", "fs", "gs", "ss"] as const;
const controls = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const;

/** A part of a 64-bit register: `bits` wide, from bit `shift` on. */
function part(
  name: string,
  key: keyof Regs,
  { bits, shift = 0n }: { bits: 1 | 8 | 16 | 32 | 64; shift?: bigint },
): Register {
  const mask = ((1n << BigInt(bits)) - 1n) << shift;
  return {
    name,
    bits,
    read: ({ regs }) => (regs[key] & mask) >> shift,
    write({ regs }, value) {
      regs[key] = (regs[key] & ~mask) | ((value << shift) & mask);
    },
  };
}

function general(name: string): Register | undefined {
  // al, ah, bl, …: the low and the high byte of AX, BX, CX and DX.
  let found = /^([abcd])([lh])$/.exec(name);
  if (found) {
    const shift = found[2] === "h" ? 8n : 0n;
    return part(name, `r${found[1]}x` as keyof Regs, { bits: 8, shift });
  }
  found = /^(si|di|sp|bp)l$/.exec(name);
  if (found) return part(name, `r${found[1]}` as keyof Regs, { bits: 8 });
  found = /^([er]?)([abcd]x|si|di|sp|bp|ip|flags)$/.exec(name);
  if (found) {
    const bits = ({ "": 16, e: 32, r: 64 } as const)[found[1] as "" | "e" | "r"];
    return part(name, `r${found[2]}` as keyof Regs, { bits });
  }
  found = /^(r(?:8|9|1[0-5]))([dwb]?)$/.exec(name);
  if (found) {
    const bits = ({ "": 64, d: 32, w: 16, b: 8 } as const)[found[2] as "" | "d" | "w" | "b"];
    return part(name, found[1] as keyof Regs, { bits });
  }
  return undefined;
}

function system(name: string): Register | undefined {
  const segment = segments.find((key) => key === name);
  if (segment !== undefined) {
    return {
      name,
      bits: 16,
      read: ({ sregs }) => BigInt(sregs[segment].selector),
      write({ sregs }, value) {
        const isReal = (sregs.cr0 & CR0.PE) === 0n;
        const base = isReal ? value * 16n : sregs[segment].base;
        sregs[segment] = { ...sregs[segment], selector: Number(value), base };
      },
    };
  }
  const control = controls.find((key) => key === name);
  if (control === undefined) return undefined;
  return {
    name,
    bits: 64,
    read: ({ sregs }) => sregs[control],
    write({ sregs }, value) {
      sregs[control] = value;
    },
  };
}

function flag(name: string): Register | undefined {
  const bit = Object.hasOwn(flags, name) ? flags[name] : undefined;
  return bit === undefined ? undefined : part(name, "rflags", { bits: 1, shift: BigInt(bit) });
}
