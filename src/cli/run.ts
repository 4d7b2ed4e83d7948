import { type Override, readGuest } from "../guest/mod.ts";
import { prove } from "../machine/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { terminalStyle, write } from "./output.ts";
import { type Parsed, parseOptions, UsageError } from "./usage.ts";

/** `run`: runs a guest of the user's. */
export const run: Command = {
  help: `Run a guest in a virtual machine, and prove what it did.

Usage: deno run --allow-ffi --allow-read main.ts run [OPTION…] FILE

FILE is NASM source, a flat binary or an ELF executable, which is found from its content; - is the
standard input.

Options, which win over the guest's ;! directives of the same names:
  --mode MODE          the CPU mode: real, protected, paged, long
  --ram SIZE           the RAM: 2M, 64K
  --load ADDRESS       where a source or a flat binary goes
  --entry ADDRESS      where it starts: a number or a label
  --stack ADDRESS      the stack pointer
  --irqchip yes|no     an in-kernel PIC, IOAPIC and PIT; HLT then waits for an interrupt
  --cpuid LEAF[.SUB]:REG=MASK
                       the bits of CPUID that the guest sees: 1:ecx=0xfffffffe
  --set REG=VALUE      a register before the first instruction
  --expect 'WHAT'      something it must prove: 'ax = 42', 'word [0x400] = 42', 'zf = 1',
                       'output = "Hi\\n"', 'exit = shutdown', 'exit = status 3'
  --io stop|log|ignore what happens to accesses that nobody answers
  --timeout TIME       how long it may run: 500ms, 5s (default), 1m
  --help               this

--cpuid, --set and --expect can be given again and again.

Exit codes: 0 proved; 1 an expectation failed; 2 bad usage or a bad guest; 3 this host cannot do
it; 4 the guest failed; 124 the time was up; 130 Ctrl-C.`,
  run: async (args) => {
    const parsed = parseOptions(args, { values, lists });
    const program = readGuest(fileOf(parsed), { overrides: overridesOf(parsed) });
    for (const warning of program.warnings) tell(warning);
    const { green, red } = await terminalStyle();
    const { outcome, verdicts } = await prove(program, {
      output: (bytes) => write(bytes),
    });
    for (const { expectation, found, holds } of verdicts) {
      write(`${holds ? green("holds") : red("FAILS")}  ${expectation.padEnd(35)} found ${found}\n`);
    }
    return codes[outcome];
  },
};

/** The options that a guest's directives have too; those in `lists` can be repeated. */
export const values = ["mode", "ram", "load", "entry", "stack", "irqchip", "io", "timeout"];
/** {@linkcode values} */
export const lists = ["cpuid", "set", "expect"];

const codes = {
  proved: exitCode.proved,
  failed: exitCode.failed,
  crashed: exitCode.guest,
  unsupported: exitCode.host,
  timeout: exitCode.deadline,
  interrupted: exitCode.interrupted,
} as const;

/** The one file that is named. */
export function fileOf({ words }: Parsed): string {
  const [file, other] = words;
  if (file === undefined) throw new UsageError("There is no guest: run [OPTION…] FILE");
  if (other !== undefined) {
    throw new UsageError(`One guest is run at a time, and "${other}" is a second one`);
  }
  return file;
}

/** The directives that were given as options. */
export function overridesOf({ values: given, lists: givenLists }: Parsed): Override[] {
  const all = [
    ...values.map((name) => [name, given.get(name)] as const),
    ...lists.flatMap((name) => givenLists.get(name)!.map((text) => [name, text] as const)),
  ];
  return all.flatMap(([name, text]) =>
    text === undefined ? [] : [{ name, at: { file: `--${name}`, line: 1, text, start: 0 } }]
  );
}

function tell(text: string): void {
  write(`${text}\n`, Deno.stderr);
}
