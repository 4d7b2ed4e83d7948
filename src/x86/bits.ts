import { CR0, CR4, EFER } from "./control.ts";
import { flags } from "./register.ts";

/** A register whose bits have names. */
export type BitRegister = "rflags" | "cr0" | "cr4" | "efer";

/** The bits by name; those of RFLAGS are in Intel SDM vol. 1 §3.4.3. */
const registers: Readonly<Record<BitRegister, Readonly<Record<string, bigint>>>> = {
  rflags: Object.fromEntries(
    Object.entries(flags).map(([name, bit]) => [name.toUpperCase(), 1n << BigInt(bit)]),
  ),
  cr0: CR0,
  cr4: CR4,
  efer: EFER,
};

/**
 * The names of the bits that are set, the lowest first; `IOPL=3` for the two bits of RFLAGS that are
 * a number. A bit without a name is given by its number: `bit 63`.
 */
export function bitNames(register: BitRegister, value: bigint): string[] {
  const names = new Map(Object.entries(registers[register]).map(([name, bit]) => [bit, name]));
  const found: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const mask = 1n << BigInt(bit);
    if ((value & mask) === 0n) continue;
    // Bit 1 is always set and says nothing; bits 12 and 13 are the I/O privilege level.
    if (register === "rflags" && [1, 12, 13].includes(bit)) continue;
    found.push(names.get(mask) ?? `bit ${bit}`);
  }
  const iopl = (value >> 12n) & 3n;
  if (register === "rflags" && iopl !== 0n) found.push(`IOPL=${iopl}`);
  return found;
}

/** The names of the exceptions, by vector (Intel SDM vol. 3A §6.3.1, AMD APM vol. 2 §8.2). */
const exceptions: Readonly<Record<number, string>> = {
  0: "#DE, a division by zero or with too large a quotient",
  1: "#DB, a debug exception",
  2: "an NMI",
  3: "#BP, a breakpoint (INT3)",
  4: "#OF, an overflow (INTO)",
  5: "#BR, out of BOUND's range",
  6: "#UD, an invalid instruction",
  7: "#NM, an FPU or SSE instruction that CR0 or CR4 does not allow",
  8: "#DF, a double fault",
  10: "#TS, an invalid TSS",
  11: "#NP, a segment that is not present",
  12: "#SS, a stack fault",
  13: "#GP, a general protection fault",
  14: "#PF, a page fault",
  16: "#MF, an x87 error",
  17: "#AC, an unaligned access",
  18: "#MC, a machine check",
  19: "#XM, an SSE error",
  20: "#VE, a virtualization exception",
  21: "#CP, a control protection exception",
};

/** What breaks control-flow integrity, by the error code of #CP (Intel SDM vol. 3A §6.15). */
const controlProtection: Readonly<Record<number, string>> = {
  1: "a RET to another address than the shadow stack has",
  2: "a far RET or an IRET to another address than the shadow stack has",
  3: "an indirect jump or call to what is no ENDBRANCH",
  4: "an RSTORSSP whose token is wrong",
  5: "a SETSSBSY whose token is wrong",
};

/** What the exception of a vector is: `#PF, a page fault`. */
export function describeException(vector: number): string {
  return exceptions[vector] ?? `vector ${vector}`;
}

/**
 * What an exception's error code says: of a page fault what was tried (Intel SDM vol. 3A §4.7), of a
 * control protection exception what was wrong (§6.15), of the others the selector at fault (§6.13).
 */
export function describeErrorCode(vector: number, code: number): string {
  if (vector === 14) {
    const access = code & 16 ? "an instruction fetch" : code & 2 ? "a write" : "a read";
    const who = code & 4 ? "user" : "supervisor";
    const why = code & 8
      ? "a reserved bit is set in an entry"
      : code & 1
      ? "the page is protected"
      : "the page is not present";
    return `${access} in ${who} mode: ${why}`;
  }
  // Bit 15 says that it was in an enclave.
  if (vector === 21) return controlProtection[code & 0x7fff] ?? `error code ${code}`;
  // Bit 0 alone says that the event came from outside of the program.
  if (code <= 1) return "no selector";
  const table = code & 2 ? "IDT" : code & 4 ? "LDT" : "GDT";
  return `entry ${code >> 3} of the ${table}`;
}
