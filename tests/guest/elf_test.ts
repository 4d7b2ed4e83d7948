import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import { GuestError, loadGuest, parseElf } from "../../src/guest/mod.ts";
import { prove } from "../../src/machine/mod.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";
import { lackOf } from "../cli/program.ts";

interface Segment {
  type?: number;
  vaddr: bigint;
  paddr?: bigint;
  bytes: number[];
  memsz?: bigint;
  /** `PF_R`, `PF_W` and `PF_X`. */
  flags?: number;
}

/** Changes to the header of {@linkcode elf}. */
interface Header {
  machine?: number;
  type?: number;
  data?: number;
  entry?: bigint;
}

/** An ELF file made by hand (System V ABI, chapters 4 and 5), its symbols at the end. */
function elf(
  bits: 32 | 64,
  segments: Segment[],
  options: Header & { symbols?: Record<string, bigint>; absolute?: readonly string[] } = {},
): Uint8Array {
  const word = bits / 8;
  const headerSize = bits === 64 ? 64 : 52;
  const programSize = bits === 64 ? 56 : 32;
  const sectionSize = bits === 64 ? 64 : 40;
  const symbolSize = bits === 64 ? 24 : 16;
  const file: number[] = [];
  const put = (at: number, size: number, value: number | bigint) => {
    for (let i = 0; i < size; i++) file[at + i] = Number((BigInt(value) >> BigInt(8 * i)) & 0xffn);
  };
  const fill = (length: number) => {
    while (file.length < length) file.push(0);
  };
  let end = headerSize + segments.length * programSize;
  fill(end);
  for (const [i, segment] of segments.entries()) {
    const { type = 1, vaddr, paddr = vaddr, bytes, memsz, flags = 7 } = segment;
    const at = headerSize + i * programSize;
    put(at, 4, type);
    put(at + (bits === 64 ? 4 : 24), 4, flags);
    const fields = [end, vaddr, paddr, bytes.length, memsz ?? bytes.length];
    const first = bits === 64 ? 8 : 4;
    for (const [j, value] of fields.entries()) put(at + first + j * word, word, value);
    file.push(...bytes);
    end = file.length;
  }
  const symbols = Object.entries(options.symbols ?? {});
  let sections = 0;
  if (symbols.length > 0) {
    const names = [0];
    const table = file.length;
    fill(table + (symbols.length + 1) * symbolSize);
    for (const [i, [name, value]] of symbols.entries()) {
      const at = table + (i + 1) * symbolSize;
      put(at, 4, names.length);
      put(at + (bits === 64 ? 8 : 4), word, value);
      put(at + (bits === 64 ? 6 : 14), 2, options.absolute?.includes(name) ? 0xfff1 : 1);
      names.push(...new TextEncoder().encode(name), 0);
    }
    const strings = file.length;
    file.push(...names);
    sections = file.length;
    fill(sections + 2 * sectionSize);
    for (
      const [i, type, offset, size] of [[0, 2, table, strings - table], [
        1,
        3,
        strings,
        names.length,
      ]] as const
    ) {
      const at = sections + i * sectionSize;
      put(at + 4, 4, type);
      put(at + (bits === 64 ? 24 : 16), word, offset);
      put(at + (bits === 64 ? 32 : 20), word, size);
      put(at + (bits === 64 ? 40 : 24), 4, 1);
    }
  }
  const { machine = bits === 64 ? 62 : 3, type = 2, data = 1 } = options;
  for (const [i, byte] of [0x7f, 0x45, 0x4c, 0x46, bits / 32, data, 1].entries()) file[i] = byte;
  put(16, 2, type);
  put(18, 2, machine);
  put(20, 4, 1);
  put(24, word, options.entry ?? segments[0]?.vaddr ?? 0);
  put(24 + word, word, headerSize);
  put(24 + 2 * word, word, sections);
  const sizes = 24 + 3 * word + 4;
  put(sizes, 2, headerSize);
  put(sizes + 2, 2, programSize);
  put(sizes + 4, 2, segments.length);
  put(sizes + 6, 2, sectionSize);
  put(sizes + 8, 2, sections === 0 ? 0 : 2);
  return Uint8Array.from(file);
}

function failure(bytes: Uint8Array): string {
  return assertThrows(() => parseElf(bytes, "guest.elf"), GuestError).message;
}

const HLT = 0xf4;

for (const bits of [32, 64] as const) {
  Deno.test(`parseElf() reads the segments, the entry and the symbols of a ${bits}-bit file`, () => {
    const file = elf(bits, [
      { vaddr: 0x3000n, bytes: [7], memsz: 0x10n, flags: 6 },
      { vaddr: 0x1000n, bytes: [0x90, HLT], flags: 5 },
    ], { entry: 0x1001n, symbols: { _start: 0x1001n, table: 0x3000n } });
    assertEquals(parseElf(file, "guest.elf"), {
      bits,
      entry: 0x1001,
      segments: [
        { address: 0x1000, bytes: Uint8Array.of(0x90, HLT), size: 2, isCode: true },
        { address: 0x3000, bytes: Uint8Array.of(7), size: 16, isCode: false },
      ],
      symbols: new Map([["_start", 0x1001n], ["table", 0x3000n]]),
    });
  });

  Deno.test(`parseElf() gives physical addresses where a ${bits}-bit file has others`, () => {
    const segment = { vaddr: 0x8000_0000n, paddr: 0x10_0000n, bytes: [0x90, HLT] };
    const file = elf(bits, [segment], {
      entry: 0x8000_0001n,
      symbols: { last: 0x8000_0001n, end: 0x8000_0002n, number: 0x8000_0001n },
      absolute: ["number"],
    });
    const { entry, segments, symbols } = parseElf(file, "guest.elf");
    assertEquals([entry, segments[0]!.address], [0x10_0001, 0x10_0000]);
    assertEquals(Object.fromEntries(symbols), {
      last: 0x10_0001n,
      // Behind the segment, but a place in it.
      end: 0x10_0002n,
      number: 0x8000_0001n,
    });
  });

  Deno.test(`parseElf() refuses a ${bits}-bit file that is cut off, wherever that is`, () => {
    const file = elf(bits, [{ vaddr: 0x1000n, bytes: [0x90, HLT] }], { symbols: { a: 0x1000n } });
    for (let length = 4; length < file.length; length++) {
      const message = failure(file.subarray(0, length));
      assertEquals(/cut off/.test(message), true, `${length} bytes: ${message}`);
    }
  });
}

Deno.test("parseElf() refuses what is no static x86 executable, and says what it is", () => {
  const segments = [{ vaddr: 0x1000n, bytes: [HLT] }];
  const cases: [Uint8Array, string][] = [
    [elf(64, segments, { type: 1 }), "a relocatable object"],
    [elf(64, segments, { type: 3 }), "dynamically linked or position-independent"],
    [elf(64, segments, { type: 4 }), "a core dump"],
    [elf(64, segments, { data: 2 }), "big-endian"],
    [elf(64, segments, { machine: 183 }), "for another machine, AArch64"],
    [elf(32, segments, { machine: 40 }), "for another machine, ARM"],
    [elf(64, segments, { machine: 999 }), "for another machine, number 999"],
    [elf(32, segments, { machine: 62 }), "a 32-bit file for x86-64 (x32)"],
    [elf(64, segments, { machine: 3 }), "a 64-bit file for i386"],
    [elf(64, [...segments, { type: 3, vaddr: 0n, bytes: [0] }]), "dynamically linked"],
    [elf(64, []), "has no segment that is loaded"],
    [elf(64, [{ type: 4, vaddr: 0n, bytes: [0] }]), "has no segment that is loaded"],
    [elf(64, segments, { entry: 0x2000n }), "The entry point 0x2000 lies in no segment"],
  ];
  for (const [file, expected] of cases) {
    const message = failure(file);
    assertEquals(message.includes(expected), true, message);
    assertEquals(message.startsWith("guest.elf: "), true, message);
  }
});

Deno.test("parseElf() refuses segments that overlap, and names both", () => {
  const file = elf(32, [{ vaddr: 0x1000n, bytes: [HLT], memsz: 0x101n }, {
    vaddr: 0x1100n,
    bytes: [1],
  }]);
  assertEquals(
    failure(file),
    "guest.elf: The segments 0 (0x1000–0x1100) and 1 (0x1100–0x1100) overlap",
  );
});

Deno.test("parseElf() refuses a segment with more bytes in the file than in memory", () => {
  const file = elf(64, [{ vaddr: 0x1000n, bytes: [1, 2, 3], memsz: 2n }]);
  assertEquals(/more than in memory/.test(failure(file)), true);
});

Deno.test("parseElf() refuses a segment beyond the physical addresses", () => {
  const file = elf(64, [{ vaddr: 0xffff_ffff_ffff_0000n, bytes: [HLT], memsz: 1n << 40n }]);
  assertEquals(/beyond 2\^52/.test(failure(file)), true);
});

Deno.test("parseElf() answers every damaged header with a file or one clear error", () => {
  const file = elf(64, [{ vaddr: 0x1000n, bytes: [0x90, HLT] }], { symbols: { a: 0x1000n } });
  for (let at = 4; at < file.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const damaged = file.slice();
      damaged[at] = value;
      try {
        parseElf(damaged, "guest.elf");
      } catch (error) {
        if (!(error instanceof GuestError)) throw error;
      }
    }
  }
});

Deno.test("loadGuest() gives an ELF file the mode of its class and the RAM it needs", () => {
  const file = (bits: 32 | 64) => elf(bits, [{ vaddr: 0x40_0000n, bytes: [HLT] }]);
  const long = loadGuest(file(64), { name: "guest" });
  assertEquals([long.format, long.settings.mode, long.settings.ram], ["elf", "long", 0x60_0000]);
  assertEquals(loadGuest(file(32), { name: "guest" }).settings.mode, "protected");
});

Deno.test("loadGuest() asks before it gives an ELF file very much RAM", () => {
  const file = elf(64, [{ vaddr: 0x1_0000_0000n, bytes: [HLT] }]);
  const { message } = assertThrows(() => loadGuest(file, { name: "guest" }), GuestError);
  assertEquals(
    message,
    "guest: A segment of 1 byte at 0x100000000 does not fit into 2048K of RAM: RAM has at most 4048M",
  );
});

Deno.test("loadGuest() says how much RAM all segments of an ELF file take", () => {
  const file = elf(32, [
    { vaddr: 0x1000n, bytes: [HLT] },
    { vaddr: 0x3000n, bytes: [7] },
  ]);
  const at = { file: "--ram", line: 1, text: "4K", start: 0 };
  const overrides = [{ name: "ram", at }];
  assertThrows(
    () => loadGuest(file, { name: "guest", overrides }),
    AssemblyError,
    "that takes 16K",
  );
});

const SOURCE = `
int answer = 42, sum, zero[100];
void _start(void) {
  for (const char *s = "Hi\\n"; *s; s++) __asm__ volatile("outb %0, $0xe9" :: "a"(*s));
  for (int i = 0; i < 100; i++) sum += zero[i] + i;
  __asm__ volatile("hlt" :: "a"(answer));
}`;

for (
  const { bits, flags, register } of [
    { bits: 64, flags: ["-m64"], register: "rax" },
    { bits: 32, flags: ["-m32", "-fno-pic"], register: "eax" },
  ]
) {
  const options = [...flags, "-O1", "-static", "-nostdlib", "-no-pie", "-fcf-protection=none"];
  const lack = lackOf("gcc", [...flags, "-x", "c", "-E", "/dev/null"]);
  const runs = lack === undefined ? kvmTest : testUnless.bind(undefined, lack);
  runs(
    `an executable of ${bits} bits that gcc and ld make runs and proves what it did`,
    async () => {
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/guest.c`, SOURCE);
        const { success, stderr } = await new Deno.Command("gcc", {
          args: [...options, "-o", `${folder}/guest`, `${folder}/guest.c`],
        }).output();
        assertEquals(success, true, new TextDecoder().decode(stderr));
        const expectations = [`${register} = 42`, 'output = "Hi\\n"', "dword [sum] = 4950"];
        const program = loadGuest(await Deno.readFile(`${folder}/guest`), {
          name: "guest",
          overrides: expectations.map((text) => ({
            name: "expect",
            at: { file: "--expect", line: 1, text, start: 0 },
          })),
        });
        const { outcome, verdicts } = await prove(program);
        assertEquals(outcome, "proved", JSON.stringify(verdicts));
        assertEquals(verdicts.length, 4);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}
