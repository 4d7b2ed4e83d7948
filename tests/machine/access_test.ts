import { assertEquals } from "@std/assert";
import { loadGuest, loadSource, type Program } from "../../src/guest/mod.ts";
import { accessPlace, Machine, permittedDisassembler, View } from "../../src/machine/mod.ts";
import type { Mode } from "../../src/x86/mod.ts";
import { modes } from "../../src/x86/mod.ts";
import { lackOfMode } from "../cli/program.ts";
import { kvmTest } from "../kvm_host.ts";

const HEADER = (mode: Mode) => `;! mode: ${mode}\nbits ${modes[mode].bits}\n`;

/** RIP at the exit of the first access, and the place of its instruction, as offsets of labels. */
async function placeOf(program: Program): Promise<bigint | undefined> {
  using machine = Machine.for(program);
  const stop = await machine.run({ timeout: 5000 });
  if (stop.reason !== "unhandled" || (stop.exit.reason !== "io" && stop.exit.reason !== "mmio")) {
    throw new Error(`The guest ended in ${stop.reason}`);
  }
  return accessPlace(new View(machine, program), stop.exit, await permittedDisassembler());
}

/** The same bytes without their source. */
function withoutSource({ segments: [{ bytes }] }: Program, mode: Mode): Program {
  const at = { file: "--mode", line: 1, text: mode, start: 0 };
  return loadGuest(bytes, { name: "guest.bin", overrides: [{ name: "mode", at }] });
}

const ports: Record<string, string> = {
  "out 0x80, al": "mov al, 0x42",
  "out 0x80, ax": "mov ax, 0x42",
  "out 0x80, eax": "mov eax, 0x42",
  "out dx, al": "mov dx, 0x1234",
  // Twice in a row: RIP at the exit is at one of them, or behind it.
  "out dx, ax": "mov dx, 0x1234",
  "out dx, eax": "mov dx, 0xee\nmov al, 0xe6",
  "in al, 0x80": "mov al, 0x42",
  "in ax, dx": "mov dx, 0x1234",
  "in eax, dx": "mov dx, 0x1234",
  "outsb": "mov dx, 0x1234",
  "rep outsb": "mov dx, 0x1234\nmov cx, 3",
  "rep insb": "mov dx, 0x1234\nmov cx, 3\nmov di, 0x4000",
};

const memory: Record<string, string> = {
  "mov [ebx], eax": "",
  "mov dword [ebx], 0x12345678": "",
  "mov eax, [ebx]": "",
  "add [ebx], eax": "",
  "push dword [ebx]": "",
  "movzx eax, byte [ebx]": "",
  "stosd": "mov edi, ebx",
  "rep stosb": "mov edi, ebx\nmov ecx, 3",
  "rep movsb": "mov esi, ebx\nmov edi, 0x4000\nmov ecx, 3",
};

for (const mode of Object.keys(modes) as Mode[]) {
  const test = (name: string, cases: Record<string, string>, before = "") =>
    kvmTest(`accessPlace() finds the instruction of ${name} in ${mode} mode`, async () => {
      for (const [access, setUp] of Object.entries(cases)) {
        const source = `${HEADER(mode)}${before}\n${setUp}\naccess: ${access}\n${access}\nhlt\n`;
        const program = loadSource(source, "guest.asm");
        const expected = program.symbols.get("access");
        assertEquals(await placeOf(program), expected, access);
        assertEquals(await placeOf(withoutSource(program, mode)), expected, `${access}, no source`);
      }
    }, { lacks: lackOfMode(mode) });
  test("a port access", ports);
  // In the paged modes RAM alone is mapped.
  if (mode === "protected") test("a memory access", memory, "mov ebx, 0x10000000");
}

kvmTest("accessPlace() says nothing where it cannot be told", async () => {
  // The CALL writes its return address where no RAM is.
  const source = `${
    HEADER("protected")
  }mov esp, 0x10000000\ncall far_away\nhlt\nret\nfar_away: hlt\n`;
  assertEquals(await placeOf(loadSource(source, "guest.asm")), undefined);
});
