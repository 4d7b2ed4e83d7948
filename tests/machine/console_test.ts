import { assertEquals } from "@std/assert";
import { SerialPort } from "../../src/machine/mod.ts";

// The 16550's registers, in the words of its data sheet (National Semiconductor PC16550D, table II).
const [DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 2, 3, 4, 5, 6, 7];

/** A serial port and what it has sent. */
function serialPort() {
  const sent: number[] = [];
  const port = new SerialPort((bytes) => sent.push(...bytes));
  return {
    sent,
    save: () => port.save(),
    write: (register: number, ...values: number[]) => port.write(register, Uint8Array.from(values)),
    read(register: number): number {
      const data = new Uint8Array(1);
      port.read(register, data);
      return data[0]!;
    },
  };
}

Deno.test("SerialPort sends what is written, unless the divisor latch is open", () => {
  const { sent, read, write } = serialPort();
  write(DATA, 0x41);
  write(LCR, 0x83);
  write(DATA, 0x0c);
  write(IER, 0x01);
  assertEquals([read(DATA), read(IER), read(LCR)], [0x0c, 0x01, 0x83]);
  write(LCR, 0x03);
  write(DATA, 0x42);
  assertEquals([sent, read(IER)], [[0x41, 0x42], 0]);
});

Deno.test("SerialPort is always ready to send, connected, and has no interrupt", () => {
  const { read } = serialPort();
  assertEquals([read(LSR), read(MSR), read(IIR), read(DATA)], [0x60, 0xb0, 0x01, 0]);
});

Deno.test("SerialPort keeps its scratch register, and shows that it has FIFOs once they are on", () => {
  const { read, write } = serialPort();
  write(SCR, 0x5a);
  assertEquals(read(SCR), 0x5a);
  write(FCR, 0xc7);
  assertEquals(read(IIR), 0xc1);
});

Deno.test("SerialPort receives in loopback what it sends, and sends nothing then", () => {
  const { sent, read, write } = serialPort();
  write(MCR, 0x1e);
  write(DATA, 0xae);
  assertEquals(read(LSR), 0x61);
  assertEquals(read(DATA), 0xae);
  assertEquals([read(LSR), read(DATA)], [0x60, 0]);
  write(MCR, 0x0f);
  write(DATA, 0x21);
  assertEquals(sent, [0x21]);
});

Deno.test("SerialPort shows the modem control's outputs as the modem's status in loopback", () => {
  const { read, write } = serialPort();
  // DTR, RTS, OUT 1 and OUT 2 lead to DSR, CTS, RI and DCD; Linux looks for the last pair.
  for (const [control, status] of [[1, 0x20], [2, 0x10], [4, 0x40], [8, 0x80], [0xa, 0x90]]) {
    write(MCR, 0x10 | control!);
    assertEquals(read(MSR), status);
  }
  write(MCR, 0xf);
  assertEquals(read(MSR), 0xb0);
});

Deno.test("SerialPort.save() gives all its state back, as often as one likes", () => {
  const { read, save, write } = serialPort();
  write(LCR, 0x80);
  write(DATA, 0x0c);
  write(LCR, 0);
  write(MCR, 0x10);
  write(DATA, 0xae);
  const restore = save();
  for (let i = 0; i < 2; i++) {
    write(SCR, 1);
    assertEquals([read(DATA), read(LSR)], [0xae, 0x60]);
    write(LCR, 0x80);
    assertEquals(read(DATA), 0x0c);
    write(DATA, 0xff);
    restore();
    assertEquals([read(SCR), read(LSR), read(LCR)], [0, 0x61, 0]);
  }
});
