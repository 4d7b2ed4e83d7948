import { exitCode } from "./exit_code.ts";

/** A subcommand: one file each in this folder. */
export interface Command {
  /** Its help, as `--help` prints it. */
  readonly help: string;
  /**
   * Runs it.
   *
   * @param args The words behind its name.
   * @returns The exit code of the program.
   */
  run(args: string[]): number | Promise<number>;
}

interface Row {
  readonly summary: string;
  load(): Promise<Command>;
}

/** The subcommands; each is loaded when it is used. */
const commands: Readonly<Record<string, Row>> = {
  asm: {
    summary: "assemble a source in NASM's syntax into a flat binary",
    load: async () => (await import("./asm.ts")).asm,
  },
  hello: {
    summary: "run the example guest and prove its result (the default)",
    load: async () => (await import("./hello.ts")).hello,
  },
  info: {
    summary: "say whether guests can run here, and what this host's KVM can do",
    load: async () => (await import("./info.ts")).info,
  },
  run: {
    summary: "run a guest from a file: NASM source, a flat binary or an ELF executable",
    load: async () => (await import("./run.ts")).run,
  },
  test: {
    summary: "prove every guest in files and folders, several at a time",
    load: async () => (await import("./test.ts")).test,
  },
  trace: {
    summary: "run a guest an instruction at a time and show what each one did",
    load: async () => (await import("./trace.ts")).trace,
  },
  disasm: {
    summary: "disassemble a guest",
    load: async () => (await import("./disasm.ts")).disasm,
  },
};

/**
 * Runs the command that `args` name.
 *
 * @param args The words of the command line.
 * @returns The exit code of the program.
 */
export async function main(args: string[]): Promise<number> {
  const [first = "hello"] = args;
  const isOption = first.startsWith("-") && first !== "-";
  const words = isOption ? args : args.slice(1);
  const options = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined);
  try {
    if (first === "--help" || first === "-h" || first === "help") return await help(args[1]);
    if (first === "--version" || first === "-V") return await version();
    const command = await find(isOption ? "hello" : first);
    if (options.includes("--help") || options.includes("-h")) return await print(command.help);
    return await command.run(words);
  } catch (error) {
    const { report } = await import("./report_error.ts");
    return report(error, { json: options.includes("--json") });
  }
}

async function find(name: string): Promise<Command> {
  const row = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (row !== undefined) return await row.load();
  const { unknownWord } = await import("./usage.ts");
  throw unknownWord(`There is no command "${name}"`, name, Object.keys(commands));
}

async function help(name?: string): Promise<number> {
  if (name !== undefined) return await print((await find(name)).help);
  const rows = Object.entries(commands).map(([name, { summary }]) =>
    `  ${name.padEnd(8)}${summary}`
  );
  return await print(`Run x86 code in a KVM virtual machine, and prove what it did.

Usage: deno run --allow-ffi main.ts [COMMAND] [OPTION…]

Commands:
${rows.join("\n")}

Options:
  --help     this, or with a command, the command's help
  --version  the version

Exit codes: 0 proved; 1 an expectation failed; 2 bad usage or source; 3 this host cannot do
it; 4 the guest failed; 124 the deadline passed; 130 Ctrl-C. With --json an error is a JSON
document too, {"error": MESSAGE, "exitCode": NUMBER}, besides the message on stderr.`);
}

async function version(): Promise<number> {
  const { default: config } = await import("../../deno.json", { with: { type: "json" } });
  return await print(`hlt ${config.version}`);
}

async function print(text: string): Promise<number> {
  const { write } = await import("./output.ts");
  write(`${text}\n`);
  return exitCode.proved;
}
