/**
 * Runs a ROM in v86, an emulator of a PC in JavaScript, until the guest writes its verdict to port
 * 0xF4, and exits with it as QEMU's isa-debug-exit does: 1 for the value 0.
 * It has a configuration of its own, so that nobody but this benchmark loads v86.
 *
 * @module
 */

import { V86 } from "npm:v86@0.5.462";

/** What v86 has for devices; its declarations leave that out. */
interface Inside {
  v86: {
    cpu: {
      io: { register_write(port: number, device: object, write: (value: number) => void): void };
    };
  };
}

const rom = await Deno.readFile(Deno.args[0]!);
const emulator = new V86({
  bios: { buffer: rom.buffer },
  memory_size: 2 * 1024 * 1024,
  wasm_fn: async (imports) => {
    const url = new URL(import.meta.resolve("npm:v86@0.5.462/build/v86.wasm"));
    const { instance } = await WebAssembly.instantiate(await Deno.readFile(url), imports);
    return instance.exports;
  },
  autostart: false,
});
emulator.add_listener("emulator-loaded", () => {
  const { io } = (emulator as unknown as Inside).v86.cpu;
  io.register_write(0xe9, {}, (byte) => Deno.stdout.writeSync(Uint8Array.of(byte)));
  io.register_write(0xf4, {}, (value) => Deno.exit(value * 2 + 1));
  emulator.run();
});
