import type { ListingRow } from "../asm/mod.ts";
import type { Program } from "../guest/mod.ts";
import { Labels } from "../guest/labels.ts";
import { uapi } from "../kvm/mod.ts";
import type { RegisterFile } from "../x86/mod.ts";
import { EFER } from "../x86/control.ts";
import { walkPages } from "../x86/page_walk.ts";
import type { Machine } from "./machine.ts";

/** A place in a guest's code. */
export interface Place {
  /** RIP, relative to CS. */
  readonly rip: bigint;
  /** CS. */
  readonly selector: number;
  /** The linear address: that of CS:RIP. */
  readonly linear: bigint;
  /** The guest-physical address; nothing where no page is mapped. */
  readonly physical: number | undefined;
  /** The label before it and the distance: `main+0x4`. */
  readonly symbol: string | undefined;
  /** The line of the source that made the bytes there. */
  readonly line: SourceLine | undefined;
}

/** A line of a guest's source. */
export interface SourceLine {
  /** The file. */
  readonly file: string;
  /** The line's number, from 1. */
  readonly line: number;
  /** Its text. */
  readonly source: string;
}

/** A stopped machine, and the program that runs in it: what lies where. */
export class View {
  /** The machine. */
  readonly machine: Machine;
  /** The program that was loaded. */
  readonly program: Program;
  /** The registers when the view was made. */
  readonly registers: RegisterFile;
  #rows: ListingRow[] | undefined;
  #labels: Labels | undefined;

  /** Looks at `machine` as it is now. */
  constructor(machine: Machine, program: Program) {
    this.machine = machine;
    this.program = program;
    this.registers = machine.registers();
  }

  /** The width of code and addresses: what CS says. */
  get bits(): 16 | 32 | 64 {
    const { cs, efer } = this.registers.sregs;
    return (efer & EFER.LMA) !== 0n && cs.l === 1 ? 64 : cs.db === 1 ? 32 : 16;
  }

  /** RIP; where the CPU waits in a HLT, which it has passed then, that of the HLT. */
  get rip(): bigint {
    const { rip } = this.registers.regs;
    const HLT = 0xf4;
    const isWaiting = this.machine.vcpu.getMpState() === uapi.KVM_MP_STATE_HALTED &&
      this.read(this.toLinear(rip - 1n), 1)[0] === HLT;
    return isWaiting ? rip - 1n : rip;
  }

  /** The place of an instruction in the current code segment: of the current one by default. */
  place(rip: bigint = this.rip): Place {
    const { cs } = this.registers.sregs;
    const linear = this.toLinear(rip);
    const physical = this.physical(linear);
    const row = physical === undefined ? undefined : this.rowAt(physical);
    return {
      rip,
      selector: cs.selector,
      linear,
      physical,
      symbol: physical === undefined ? undefined : this.labels.near(physical),
      line: row && { file: row.file, line: row.line, source: row.source.trim() },
    };
  }

  /** The linear address of an offset in the code segment. */
  toLinear(rip: bigint): bigint {
    if (this.bits === 64) return rip;
    return BigInt.asUintN(32, this.registers.sregs.cs.base + rip);
  }

  /** The guest-physical address of a linear one; nothing where no page is mapped. */
  physical(linear: bigint): number | undefined {
    const { sregs } = this.registers;
    const walk = walkPages(linear, { sregs, read: this.readPhysical });
    return walk === undefined ? Number(linear) : walk.physical;
  }

  /** Guest-physical memory, the page tables that a mode began with included. */
  readonly readPhysical = (address: number, length: number): Uint8Array | undefined => {
    const slot = this.machine.vm.memory.find(({ guestAddress, size }) =>
      guestAddress <= address && address + length <= guestAddress + size
    );
    if (slot === undefined) return undefined;
    const start = address - slot.guestAddress;
    return slot.bytes.slice(start, start + length);
  };

  /** Up to `length` bytes from a linear address on: as many as there is memory for. */
  read(linear: bigint, length: number): Uint8Array {
    const found: number[] = [];
    while (found.length < length) {
      const at = linear + BigInt(found.length);
      const toPageEnd = 4096 - Number(at & 0xfffn);
      const physical = this.physical(at);
      const size = Math.min(toPageEnd, length - found.length);
      const bytes = physical === undefined ? undefined : this.readPhysical(physical, size);
      if (bytes === undefined) break;
      found.push(...bytes);
    }
    return Uint8Array.from(found);
  }

  /** The rows of the listing that made bytes, in the order of their addresses. */
  get rows(): readonly ListingRow[] {
    return this.#rows ??= this.program.listing
      .filter(({ length, isReserved }) => length > 0 && !isReserved)
      .sort((a, b) => a.offset - b.offset);
  }

  /** The row whose bytes are at a guest-physical address, if they still are those it made. */
  rowAt(physical: number): ListingRow | undefined {
    const [{ address, bytes }] = this.program.segments;
    const offset = physical - address;
    const row = this.rows.find((row) => row.offset <= offset && offset < row.offset + row.length);
    if (row === undefined) return undefined;
    const made = bytes.subarray(row.offset, row.offset + row.length);
    const found = this.readPhysical(address + row.offset, row.length);
    return found !== undefined && made.every((byte, i) => byte === found[i]) ? row : undefined;
  }

  /** The program's labels. */
  get labels(): Labels {
    return this.#labels ??= new Labels(this.program);
  }
}

/** `0x7c05`, `f000:fff0 (0xffff0)`, with the label and the line where they are known. */
export function describePlace({ selector, rip, linear, symbol, line }: Place): string {
  const address = rip === linear
    ? `0x${rip.toString(16)}`
    : `${selector.toString(16).padStart(4, "0")}:${rip.toString(16).padStart(4, "0")} (0x${
      linear.toString(16)
    })`;
  return [
    address,
    ...(symbol === undefined ? [] : [` <${symbol}>`]),
    ...(line === undefined ? [] : [`, ${line.file}:${line.line}: ${line.source}`]),
  ].join("");
}
