// The guests in the folder guests/: each proves what it says, and would fail if it did nothing.

import { assert, assertEquals } from "@std/assert";
import { loadSource, type Program } from "../src/guest/mod.ts";
import { prove, tryMode } from "../src/machine/mod.ts";
import { assertSameAsNasm, nasmTest } from "./asm/nasm.ts";
import { hasKvm, kvmTest } from "./kvm_host.ts";

const HLT = 0xf4;

const folder = new URL("../guests/", import.meta.url);
const paged = hasKvm ? tryMode("paged") : undefined;
const lacks32BitPaging = paged?.works === false ? paged.reason : undefined;

for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  const source = Deno.readTextFileSync(new URL(name, folder));
  const lacks = /^;! mode: paged/m.test(source) ? lacks32BitPaging : undefined;

  nasmTest(`guests/${name} assembles to NASM's bytes`, () => assertSameAsNasm(source));

  kvmTest(`guests/${name} proves what it says`, async () => {
    const { outcome, verdicts } = await prove(loadSource(source, name));
    assertEquals(verdicts.filter(({ holds }) => !holds), []);
    assertEquals(outcome, "proved");
  }, { lacks });

  kvmTest(`guests/${name} proves nothing if it halts at once`, async () => {
    const { outcome, verdicts } = await prove(withFirstByte(loadSource(source, name), HLT));
    assertEquals(outcome, "failed");
    assert(verdicts.some(({ holds }) => !holds));
  }, { lacks });
}

/** The guest with another first instruction; without an interrupt controller, so that HLT ends it. */
function withFirstByte(program: Program, byte: number): Program {
  const [segment] = program.segments;
  const bytes = segment.bytes.slice();
  bytes[program.entry - segment.address] = byte;
  const settings = { ...program.settings, irqchip: false };
  return { ...program, segments: [{ ...segment, bytes }], settings };
}
