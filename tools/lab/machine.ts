/**
 * The lab's machine: QEMU's software CPU, which emulates AMD-V.
 *
 * @module
 */

/** How a run of the lab ended. */
export type Outcome =
  /** The command ended with this exit code. */
  | { kind: "exited"; code: number }
  /** The command did not end within its time limit. */
  | { kind: "timeout" }
  /** This signal told the lab to stop. */
  | { kind: "stopped"; signal: Deno.Signal }
  /** The machine did not come up, or ended before the command did. */
  | { kind: "failed"; reason: string };

/** The outcome of a run, and what may explain it. */
export type Run = {
  outcome: Outcome;
  /** The last output of the command, its errors included. */
  output: string;
  /** The last messages of the lab's kernel. */
  console: string;
};

/** What {@linkcode boot} starts, and whom it tells. */
export type BootOptions = {
  kernel: string;
  initramfs: string;
  /** A folder for the machine's sockets. */
  folder: string;
  /** Seconds that the command may take. */
  limit: number;
  /** Called when the command starts, with the version of the lab's kernel. */
  onUp: (release: string) => void;
};

/** Boots the machine, passes the command's output on as it comes, and waits for the end. */
export async function boot(options: BootOptions): Promise<Run> {
  const listeners = PORTS.map(({ name }) =>
    Deno.listen({ transport: "unix", path: `${options.folder}/${name}` })
  );
  // The machine must not outlive this process, however that ends; and Ctrl-C is this process's to
  // answer, so the machine is not in the terminal's group.
  const qemu = new Deno.Command("setpriv", {
    args: ["--pdeathsig", "KILL", "qemu-system-x86_64", ...qemuArguments(options)],
    detached: true,
    stdin: "null",
    stdout: "null",
  }).spawn();

  let running = true;
  let outcome: Outcome | undefined;
  const end = (cause: Outcome) => {
    outcome ??= cause;
    if (running) qemu.kill("SIGKILL");
  };
  let timer = setTimeout(
    end,
    BOOT_LIMIT * 1000,
    { kind: "failed", reason: `it was not up within ${BOOT_LIMIT} s` },
  );
  let silence: ReturnType<typeof setTimeout> | undefined;
  const frozen: Outcome = {
    kind: "failed",
    reason: `it froze: no sign of life for ${SILENCE_LIMIT} s`,
  };
  const onStatus = (word: string, value: string) => {
    clearTimeout(silence);
    silence = setTimeout(end, SILENCE_LIMIT * 1000, frozen);
    if (word === "alive") return;
    clearTimeout(timer);
    if (word === "up") {
      timer = setTimeout(end, options.limit * 1000, { kind: "timeout" });
      options.onUp(value);
    } else {
      outcome ??= { kind: "exited", code: Number(value) };
      // What the command left running may keep the machine from powering off.
      timer = setTimeout(end, POWER_OFF_LIMIT * 1000, outcome);
    }
  };
  const onInterrupt = () => end({ kind: "stopped", signal: "SIGINT" });
  const onTerminate = () => end({ kind: "stopped", signal: "SIGTERM" });
  Deno.addSignalListener("SIGINT", onInterrupt);
  Deno.addSignalListener("SIGTERM", onTerminate);

  const output = new Tail();
  const console = new Tail();
  try {
    const exit = qemu.status.then(() => {
      running = false;
    });
    const connections = await Promise.race([
      Promise.all(listeners.map((listener) => listener.accept())),
      exit,
    ]);
    if (connections) {
      const [kernel, stdout, stderr, status] = connections.map(({ readable }) => readable);
      await Promise.all([
        console.keep(kernel!),
        output.keep(stdout!, Deno.stdout),
        output.keep(stderr!, Deno.stderr),
        readStatus(status!, onStatus),
      ]);
    }
    await exit;
  } finally {
    if (running) qemu.kill("SIGKILL");
    clearTimeout(timer);
    clearTimeout(silence);
    for (const listener of listeners) listener.close();
    Deno.removeSignalListener("SIGINT", onInterrupt);
    Deno.removeSignalListener("SIGTERM", onTerminate);
  }
  return {
    outcome: outcome ?? { kind: "failed", reason: "it ended by itself" },
    output: output.text,
    console: console.text,
  };
}

/** Seconds until the command must have started: about 4 on a fast machine. */
const BOOT_LIMIT = 120;

/**
 * Seconds without a sign of life, which comes every 5, after which the machine is taken for dead:
 * QEMU's software CPU froze when KVM patched the running kernel, until lab.ts kept a VM open.
 */
const SILENCE_LIMIT = 90;

/** Seconds between the command's end and the machine's. */
const POWER_OFF_LIMIT = 10;

/**
 * The serial ports by the order of Linux's ttyS names; init.sh says what each is for.
 * Each has an interrupt of its own: on a PC two ports share one, and wait for each other.
 */
const PORTS = [
  { name: "console", address: 0x3f8, irq: 4 },
  { name: "stdout", address: 0x2f8, irq: 3 },
  { name: "stderr", address: 0x3e8, irq: 5 },
  { name: "status", address: 0x2e8, irq: 7 },
] as const;

function qemuArguments({ kernel, initramfs, folder }: BootOptions): string[] {
  return [
    "-accel tcg,thread=multi -cpu max",
    `-smp ${Math.min(Math.max(navigator.hardwareConcurrency, 2), 4)} -m 3072`,
    "-no-user-config -nodefaults -display none -no-reboot",
    ...PORTS.map(({ name, address, irq }) =>
      `-chardev socket,id=${name},path=${folder}/${name} ` +
      `-device isa-serial,chardev=${name},iobase=${address},irq=${irq}`
    ),
    "-append",
  ].flatMap((words) => words.split(" ")).concat(
    "console=ttyS0 quiet mitigations=off oops=panic panic=-1",
    "-kernel",
    kernel,
    "-initrd",
    initramfs,
  );
}

/** Reads the lines "up RELEASE", "alive" and "exit CODE" as they come. */
async function readStatus(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (word: string, value: string) => void,
): Promise<void> {
  let unfinished = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop()!;
    for (const line of lines) {
      const [word = "", value = ""] = line.split(" ");
      take(word, value);
    }
  }
}

/** The last part of a text that comes in pieces. */
class Tail {
  static readonly #LENGTH = 8192;
  text = "";

  /** Keeps the end of a stream, and copies all of it to a writer, if there is one. */
  async keep(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    copy?: { writable: WritableStream<Uint8Array> },
  ): Promise<void> {
    const writer = copy?.writable.getWriter();
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      await writer?.write(bytes);
      const text = decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
      this.text = (this.text + text).slice(-Tail.#LENGTH);
    }
    writer?.releaseLock();
  }
}
