import { assert, assertEquals } from "@std/assert";
import type { CpuidEntry } from "../../src/kvm/mod.ts";
import {
  cpuidFeatures,
  cpuidNames,
  type CpuidRegister,
  physicalAddressBits,
  withApicId,
} from "../../src/x86/mod.ts";
import { testUnless } from "../kvm_host.ts";

const entry = (leaf: number, values: Partial<CpuidEntry>): CpuidEntry => ({
  function: leaf,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...values,
});

Deno.test("cpuidFeatures() names the bits that are set, bit 31 and nameless ones too", () => {
  const entries = [
    entry(1, { ecx: 0x8001_0001, edx: 1 }),
    entry(7, { index: 1, eax: 1 << 4 }),
    entry(0x4000_0001, { eax: 1 << 24 }),
  ];
  assertEquals(cpuidFeatures(entries), [
    { leaf: 1, subleaf: 0, register: "ecx", names: ["pni", "bit16", "hypervisor"] },
    { leaf: 1, subleaf: 0, register: "edx", names: ["fpu"] },
    { leaf: 7, subleaf: 1, register: "eax", names: ["avx_vnni"] },
    { leaf: 7, subleaf: 1, register: "edx", names: [] },
    { leaf: 0x4000_0001, subleaf: 0, register: "eax", names: ["clocksource_stable_bit"] },
  ]);
});

Deno.test("withApicId() puts a vCPU's number wherever CPUID tells it, and changes nothing else", () => {
  const others = { eax: 0xffff_ffff, ebx: 0xffff_ffff, ecx: 0xffff_ffff, edx: 0xffff_ffff };
  const leaves = [0x1, 0x7, 0xb, 0x1f, 0x8000_001e];
  assertEquals(withApicId(leaves.map((leaf) => entry(leaf, others)), 0x82), [
    entry(0x1, { ...others, ebx: 0x82ff_ffff }),
    entry(0x7, others),
    entry(0xb, { ...others, edx: 0x82 }),
    entry(0x1f, { ...others, edx: 0x82 }),
    entry(0x8000_001e, { ...others, eax: 0x82 }),
  ]);
});

Deno.test("physicalAddressBits() reads leaf 0x80000008, and is 36 without it", () => {
  assertEquals(physicalAddressBits([entry(0x8000_0008, { eax: 0x3030 | 0x39 })]), 0x39);
  assertEquals(physicalAddressBits([]), 36);
});

Deno.test("cpuidNames has each register once, no bit above 31, no name twice in a register", () => {
  const places = cpuidNames.map(({ leaf, subleaf, register }) => `${leaf}.${subleaf} ${register}`);
  assertEquals(new Set(places).size, places.length);
  for (const { names } of cpuidNames) {
    assert(Object.keys(names).every((bit) => Number(bit) <= 31));
    assertEquals(new Set(Object.values(names)).size, Object.values(names).length);
  }
});

/** The compiler's names that are not the kernel's, after lowering and dropping underscores. */
const aliases: Record<string, string> = {
  sse3: "pni",
  pclmul: "pclmulqdq",
  cmpxchg16b: "cx16",
  rdrnd: "rdrand",
  cmpxchg8b: "cx8",
  fxsave: "fxsr",
  prfchw: "3dnowprefetch",
  "3dnowp": "3dnowext",
  bmi: "bmi1",
  sha: "shani",
};

const header = findHeader();

testUnless(
  header === undefined ? "the C compiler has no cpuid.h" : undefined,
  "cpuidNames agrees with the C compiler's cpuid.h",
  () => {
    /** The leaf that each part of the header is about, by a definition in it. */
    let place: { leaf: number; subleaf: number } = { leaf: 7, subleaf: 1 };
    let register: CpuidRegister = "eax";
    let compared = 0;
    for (const line of header!.split("\n")) {
      if (/^\/\* %ecx \*\//.test(line) && register === "eax") place = { leaf: 1, subleaf: 0 };
      const leaf = /%eax == (0x[0-9a-f]+|\d+)(?:, %ecx == (\d+))?/.exec(line);
      if (leaf) place = { leaf: Number(leaf[1]), subleaf: Number(leaf[2] ?? 0) };
      if (/PT sub leaf|Keylocker/.test(line)) return assert(compared > 80, `${compared}`);
      const named = /^\/\* %(e[abcd]x) +\*\//.exec(line);
      if (named) register = named[1] as CpuidRegister;
      // The one leaf that the header does not name.
      if (named && register === "ebx" && place.leaf === 0x8000_0001) {
        place = { leaf: 0x8000_0008, subleaf: 0 };
      }
      if (/Extended State Enumeration/.test(line)) register = "eax";
      const bit = /define bit_(\w+)\s+\(1u? << (\d+)\)/.exec(line);
      if (!bit) continue;
      const lowered = bit[1]!.toLowerCase().replaceAll("_", "");
      // LZCNT is reported by leaf 0x80000001, where the header lists it under leaf 1.
      if (lowered === "lzcnt") continue;
      const { names } = cpuidNames.find((row) =>
        row.leaf === place.leaf && row.subleaf === place.subleaf && row.register === register
      )!;
      assertEquals(names[Number(bit[2])]?.replaceAll("_", ""), aliases[lowered] ?? lowered, line);
      compared++;
    }
  },
);

/** The text of GCC's header. */
function findHeader(): string | undefined {
  try {
    const { stdout } = new Deno.Command("gcc", {
      args: ["-print-file-name=include/cpuid.h"],
    }).outputSync();
    return Deno.readTextFileSync(new TextDecoder().decode(stdout).trim());
  } catch {
    return undefined;
  }
}

const para = findParaHeader();

testUnless(
  para === undefined ? "there is no <asm/kvm_para.h>" : undefined,
  "cpuidNames agrees with the kernel's kvm_para.h",
  () => {
    const { names } = cpuidNames.find(({ leaf }) => leaf === 0x4000_0001)!;
    const features = [...para!.matchAll(/define KVM_FEATURE_(\w+)\s+(\d+)/g)];
    assert(features.length > 15);
    for (const [, name, bit] of features) assertEquals(names[Number(bit)], name!.toLowerCase());
  },
);

function findParaHeader(): string | undefined {
  const paths = ["/usr/include/x86_64-linux-gnu/asm/kvm_para.h", "/usr/include/asm/kvm_para.h"];
  for (const path of paths) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      // The next one.
    }
  }
  return undefined;
}
