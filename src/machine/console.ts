import type { Bus, Device } from "./bus.ts";

/** The port of the debug console that Bochs and QEMU have too; a read gives its own number. */
export const DEBUG_CONSOLE = 0xe9;

/** The first serial port of a PC. */
export const COM1 = 0x3f8;

/** The ports whose single-byte writes are output and may be gathered by KVM. */
export const OUTPUT_PORTS: readonly number[] = [DEBUG_CONSOLE, COM1];

/** Puts the debug console and the serial port on a bus; `output` gets what the guest writes. */
export function attachConsole(ports: Bus, output: (bytes: Uint8Array) => void): void {
  ports.attach({ first: DEBUG_CONSOLE }, {
    read: (_offset, data) => data.fill(DEBUG_CONSOLE),
    write: (_offset, data) => output(data),
  });
  ports.attach({ first: COM1, length: 8 }, new SerialPort(output));
}

// The registers of the 16550 (National Semiconductor PC16550D, table II).
const DATA = 0;
const INTERRUPT_ENABLE = 1;
/** Written, it is the FIFO control register. */
const INTERRUPT_IDENTIFICATION = 2;
const LINE_CONTROL = 3;
const MODEM_CONTROL = 4;
const LINE_STATUS = 5;
const MODEM_STATUS = 6;

/** LCR bit 7, DLAB: registers 0 and 1 are the divisor. */
const DIVISOR_LATCH_ACCESS = 0x80;
/** LSR bit 0: a byte was received. */
const DATA_READY = 0x01;
/** LSR bits 5 and 6: the transmitter is empty. */
const TRANSMITTER_EMPTY = 0x60;
/** IIR bit 0: no interrupt is pending. */
const NO_INTERRUPT = 0x01;
/** FCR bit 0 switches the FIFOs on; IIR bits 6 and 7 tell so. */
const FIFO_ENABLE = 0x01;
const FIFOS_ENABLED = 0xc0;
/** MCR bit 4: what is sent is received again, and does not leave. Drivers test the port with it. */
const LOOPBACK = 0x10;
/** MSR bits 4, 5 and 7: clear to send, data set ready, carrier detected. */
const CONNECTED = 0xb0;

/**
 * MSR bits 4 to 7 in loopback: the outputs of MCR, which are RTS (bit 1), DTR (0), OUT 1 (2) and OUT 2 (3)
 * in this order (PC16550D, 8.6).
 */
function loopedBack(modemControl: number): number {
  return [1, 0, 2, 3].reduce(
    (status, from, to) => status | ((modemControl >> from) & 1) << (4 + to),
    0,
  );
}

/**
 * A 16550 that always is ready to send, and receives only what it sends itself in loopback: enough for
 * programs that poll it. It raises no interrupt.
 */
export class SerialPort implements Device {
  readonly #output: (bytes: Uint8Array) => void;
  /** What was written last: the scratch register and others read back. */
  readonly #registers = new Uint8Array(8);
  readonly #divisor = new Uint8Array(2);
  /** What was sent in loopback, and not read yet. */
  #received: number | undefined;

  /**
   * A serial port with nothing written yet.
   *
   * @param output Gets the bytes that the guest sends.
   */
  constructor(output: (bytes: Uint8Array) => void) {
    this.#output = output;
  }

  #has(register: number, bit: number): boolean {
    return (this.#registers[register]! & bit) !== 0;
  }

  get #hasDivisorAccess(): boolean {
    return this.#has(LINE_CONTROL, DIVISOR_LATCH_ACCESS);
  }

  #receive(): number {
    const received = this.#received ?? 0;
    this.#received = undefined;
    return received;
  }

  /** Reads one register, or several from `offset` on. */
  read(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) data[i] = this.#readRegister(offset + i);
  }

  #readRegister(register: number): number {
    switch (register) {
      case DATA:
        return this.#hasDivisorAccess ? this.#divisor[0]! : this.#receive();
      case INTERRUPT_ENABLE:
        return this.#hasDivisorAccess ? this.#divisor[1]! : this.#registers[register]!;
      case INTERRUPT_IDENTIFICATION:
        return this.#has(INTERRUPT_IDENTIFICATION, FIFO_ENABLE)
          ? NO_INTERRUPT | FIFOS_ENABLED
          : NO_INTERRUPT;
      case LINE_STATUS:
        return this.#received === undefined ? TRANSMITTER_EMPTY : TRANSMITTER_EMPTY | DATA_READY;
      case MODEM_STATUS:
        return this.#has(MODEM_CONTROL, LOOPBACK)
          ? loopedBack(this.#registers[MODEM_CONTROL]!)
          : CONNECTED;
      default:
        return this.#registers[register] ?? 0xff;
    }
  }

  /** Writes one register, or several from `offset` on. */
  write(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) this.#writeRegister(offset + i, data.subarray(i, i + 1));
  }

  #writeRegister(register: number, data: Uint8Array): void {
    if (register <= INTERRUPT_ENABLE && this.#hasDivisorAccess) this.#divisor.set(data, register);
    else if (register === DATA && this.#has(MODEM_CONTROL, LOOPBACK)) this.#received = data[0];
    else if (register === DATA) this.#output(data);
    else if (register < this.#registers.length) this.#registers.set(data, register);
  }

  /** Notes the registers, and what is to be received. */
  save(): () => void {
    const registers = this.#registers.slice();
    const divisor = this.#divisor.slice();
    const received = this.#received;
    return () => {
      this.#registers.set(registers);
      this.#divisor.set(divisor);
      this.#received = received;
    };
  }
}
