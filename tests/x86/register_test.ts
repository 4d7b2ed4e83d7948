import { assertEquals } from "@std/assert";
import type { Regs, Segment, Sregs } from "../../src/kvm/mod.ts";
import { findRegister, flags, type RegisterFile, registerNames } from "../../src/x86/mod.ts";

const VALUE = 0x1122_3344_5566_7788n;
const ONES = 0xffff_ffff_ffff_ffffn;

const generalKeys = [
  ...["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "rip", "rflags"],
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
];
const segmentKeys = ["cs", "ds", "es", "fs", "gs", "ss"] as const;
const controlKeys = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const;

/** Registers that all hold `value`; segments have its low 16 bits as their selector. */
function file(value: bigint): RegisterFile {
  const segment = () => ({ base: 0x1234n, limit: 5, selector: Number(value & 0xffffn), db: 1 });
  return {
    regs: Object.fromEntries(generalKeys.map((key) => [key, value])) as unknown as Regs,
    sregs: {
      ...Object.fromEntries(segmentKeys.map((key) => [key, segment() as Segment])),
      ...Object.fromEntries(controlKeys.map((key) => [key, value])),
    } as unknown as Sregs,
  };
}

type Part = [key: string, bits: number, shift: number];

/** Every part of a general register, by name: which register it is in, and where. */
function generalParts(): Record<string, Part> {
  const parts: Record<string, Part> = {};
  for (const letter of ["a", "b", "c", "d"]) {
    parts[`${letter}l`] = [`r${letter}x`, 8, 0];
    parts[`${letter}h`] = [`r${letter}x`, 8, 8];
  }
  for (const word of ["si", "di", "sp", "bp"]) parts[`${word}l`] = [`r${word}`, 8, 0];
  for (const word of ["ax", "bx", "cx", "dx", "si", "di", "sp", "bp", "ip", "flags"]) {
    parts[word] = [`r${word}`, 16, 0];
    parts[`e${word}`] = [`r${word}`, 32, 0];
    parts[`r${word}`] = [`r${word}`, 64, 0];
  }
  for (let i = 8; i < 16; i++) {
    parts[`r${i}`] = [`r${i}`, 64, 0];
    parts[`r${i}d`] = [`r${i}`, 32, 0];
    parts[`r${i}w`] = [`r${i}`, 16, 0];
    parts[`r${i}b`] = [`r${i}`, 8, 0];
  }
  return parts;
}

/** The flags' bits, from Intel SDM vol. 1 figure 3-8. */
const flagBits: Record<string, number> = {
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

/** Every part of a general register, and every flag. */
const parts: Record<string, Part> = {
  ...generalParts(),
  ...Object.fromEntries(
    Object.entries(flagBits).map(([name, bit]): [string, Part] => [name, ["rflags", 1, bit]]),
  ),
};

Deno.test("findRegister() reads every part of every general register, and every flag", () => {
  for (const [name, [, bits, shift]] of Object.entries(parts)) {
    const register = findRegister(name)!;
    assertEquals([register.name, register.bits], [name, bits]);
    for (const value of [VALUE, ONES, 0n]) {
      assertEquals(register.read(file(value)), BigInt.asUintN(bits, value >> BigInt(shift)), name);
    }
  }
});

Deno.test("findRegister() writes a part and leaves the rest of all registers as it is", () => {
  for (const [name, [key, bits, shift]] of Object.entries(parts)) {
    for (const [before, written] of [[ONES, 0n], [0n, ONES]] as const) {
      const changed = file(before);
      const value = BigInt.asUintN(bits, written);
      findRegister(name)!.write(changed, value);
      const mask = BigInt.asUintN(bits, ONES) << BigInt(shift);
      const expected = file(before);
      expected.regs[key as keyof Regs] = (before & ~mask) | (value << BigInt(shift));
      assertEquals(changed, expected, name);
    }
  }
});

Deno.test("findRegister() lets no bit of a value that is too wide out of its part", () => {
  const changed = file(0n);
  findRegister("ah")!.write(changed, 0x1_23n);
  findRegister("zf")!.write(changed, 0b11n);
  assertEquals([changed.regs.rax, changed.regs.rflags], [0x2300n, 0x40n]);
});

Deno.test("findRegister() reads segment registers, and writes them as real mode does", () => {
  for (const key of segmentKeys) {
    const changed = file(VALUE);
    const register = findRegister(key)!;
    assertEquals([register.bits, register.read(changed)], [16, 0x7788n]);
    const before = changed.sregs[key];
    register.write(changed, 0xffffn);
    assertEquals(changed.sregs[key], { ...before, selector: 0xffff, base: 0xf_fff0n });
    assertEquals(before.selector, 0x7788);
    assertEquals(changed, {
      ...file(VALUE),
      sregs: { ...file(VALUE).sregs, [key]: changed.sregs[key] },
    });
  }
});

Deno.test("findRegister() leaves a segment its descriptor where CR0.PE is set", () => {
  const changed = file(ONES);
  findRegister("ds")!.write(changed, 0x20n);
  assertEquals(changed.sregs.ds, { ...file(ONES).sregs.ds, selector: 0x20 });
});

Deno.test("findRegister() reads and writes control registers", () => {
  for (const key of controlKeys) {
    const changed = file(VALUE);
    const register = findRegister(key)!;
    assertEquals([register.bits, register.read(changed)], [64, VALUE]);
    register.write(changed, ONES);
    assertEquals(changed, { ...file(VALUE), sregs: { ...file(VALUE).sregs, [key]: ONES } });
  }
});

Deno.test("findRegister() takes names in any case", () => {
  assertEquals(["EAX", "Rip", "R8D", "ZF", "CR0"].map((name) => findRegister(name)?.name), [
    "eax",
    "rip",
    "r8d",
    "zf",
    "cr0",
  ]);
});

Deno.test("findRegister() knows no other names", () => {
  const names = [
    "",
    "a",
    "x",
    "eal",
    "rsil",
    "r7",
    "r16",
    "r8l",
    "r08",
    "exx",
    "ecs",
    "cr1",
    "cr9",
  ];
  for (const name of [...names, "ax ", "axx", "st0", "xmm0", "constructor", "__proto__"]) {
    assertEquals(findRegister(name), undefined, name);
  }
});

Deno.test("registerNames() gives exactly the names that findRegister() knows", () => {
  const expected = [...Object.keys(parts), ...segmentKeys, ...controlKeys];
  assertEquals(registerNames().toSorted(), expected.toSorted());
  for (const name of registerNames()) assertEquals(findRegister(name)?.name, name);
});

Deno.test("flags gives the bits of RFLAGS", () => {
  assertEquals({ ...flags }, flagBits);
});
