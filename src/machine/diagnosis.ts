import { formatEnding } from "../guest/mod.ts";
import { type Exit, hostBackend, uapi } from "../kvm/mod.ts";
import { describeErrorCode, describeException } from "../x86/bits.ts";
import { CR0, CR4 } from "../x86/control.ts";
import { startingCr4 } from "../x86/mode.ts";
import { type PageWalk, walkPages } from "../x86/page_walk.ts";
import { type Disassembler, loadDisassembler, type RegisterFile } from "../x86/mod.ts";
import { accessPlace } from "./access.ts";
import { codeAround, type CodeLine } from "./code.ts";
import { describeExit } from "./describe_exit.ts";
import type { Stop } from "./machine.ts";
import type { Place, View } from "./place.ts";

/** What happened to a guest that did not end as it should, where, and what may have caused it. */
export interface Diagnosis {
  /** What happened, in one line. */
  readonly what: string;
  /** The instruction; nothing where it cannot be told. */
  readonly place: Place | undefined;
  /** The code around it. */
  readonly code: readonly CodeLine[];
  /** Whether the code is shown as bytes because Deno was not given `--allow-read`. */
  readonly lacksPermission: boolean;
  /** Whether KVM has reset the registers, as it does on AMD after a shutdown: the guest's are lost. */
  readonly registersLost: boolean;
  /** The registers. */
  readonly registers: RegisterFile;
  /** The top of the stack, the lowest address first. */
  readonly stack: readonly StackWord[];
  /** How the addresses in question are translated, where paging is on. */
  readonly walks: readonly PageWalk[];
  /** What typically causes it, the likeliest first. */
  readonly causes: readonly string[];
}

/** A word of the stack. */
export interface StackWord {
  /** Its linear address. */
  readonly address: bigint;
  /** Its value: 2, 4 or 8 bytes, as wide as the code. */
  readonly value: bigint;
  /** The label before it, where it is an address in the program. */
  readonly symbol: string | undefined;
}

/** The vector of #UD. */
const INVALID_OPCODE = 6;
/** The vector of #PF. */
const PAGE_FAULT = 14;

/** How many words of the stack are shown. */
const STACK_WORDS = 8;

/**
 * Explains why a guest stopped.
 *
 * @param view The machine, just stopped.
 * @param stop Why it stopped.
 * @param options `disassemble`: whether code without a source is disassembled, which takes 0.1 s the
 * first time (yes, unless said otherwise).
 */
export async function diagnose(
  view: View,
  stop: Stop,
  options: { disassemble?: boolean } = {},
): Promise<Diagnosis> {
  const { disassemble = true } = options;
  const registersLost = stop.reason === "shutdown" && isReset(view.registers);
  const inSource = registersLost ? undefined : findRip(view, stop);
  const needsDisassembler = disassemble && !registersLost &&
    (inSource === undefined || view.place(inSource).line === undefined);
  const disassembler = needsDisassembler ? await permittedDisassembler() : undefined;
  const rip = disassembler === undefined ? inSource : findRip(view, stop, disassembler);
  const place = rip === undefined ? undefined : view.place(rip);
  const shown = rip ?? view.registers.regs.rip;
  const state: State = {
    view,
    stop,
    place,
    registersLost,
    walks: registersLost ? [] : walksOf(view),
    code: registersLost ? [] : codeAround(view, { rip: shown, disassembler }),
  };
  return {
    what: describeStop(stop),
    place,
    code: state.code,
    lacksPermission: needsDisassembler && disassembler === undefined,
    registersLost,
    registers: view.registers,
    stack: registersLost ? [] : stackOf(view),
    walks: state.walks,
    causes: causesOf(state),
  };
}

/** The disassembler; nothing where Deno was not given the permission to read its files. */
export async function permittedDisassembler(): Promise<Disassembler | undefined> {
  try {
    return await loadDisassembler();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** Why a machine stopped, in one line: `It wrote 0x41 to port 0x80 (1 byte): nobody answers there`. */
export function describeStop(stop: Stop): string {
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  switch (stop.reason) {
    case "timeout":
      return "It was still running when its time was up";
    case "interrupted":
      return "It was interrupted while it was running";
    case "unhandled": {
      const { exit } = stop;
      const isAccess = exit.reason === "io" || exit.reason === "mmio";
      return capital(describeExit(exit)) + (isAccess ? ": nobody answers there" : "");
    }
    case "status":
      return `It ended with ${formatEnding(stop)}`;
    default:
      return capital(describeExit(stop));
  }
}

/** The state after a reset (Intel SDM vol. 3A table 10-1), to which KVM sets an AMD vCPU. */
export function isReset({ regs, sregs }: RegisterFile): boolean {
  return regs.rip === 0xfff0n && sregs.cs.selector === 0xf000 && sregs.cs.base === 0xffff_0000n;
}

function findRip(view: View, stop: Stop, disassembler?: Disassembler): bigint | undefined {
  if (stop.reason === "unhandled" && (stop.exit.reason === "io" || stop.exit.reason === "mmio")) {
    return accessPlace(view, stop.exit, disassembler);
  }
  return view.rip;
}

/** The instruction's own address, and the last one that was not mapped (CR2). */
function walksOf(view: View): PageWalk[] {
  const { regs, sregs } = view.registers;
  const addresses = new Set([view.toLinear(regs.rip), ...(sregs.cr2 === 0n ? [] : [sregs.cr2])]);
  return [...addresses].flatMap((linear) =>
    walkPages(linear, { sregs, read: view.readPhysical }) ?? []
  );
}

function stackOf(view: View): StackWord[] {
  const { regs, sregs } = view.registers;
  const { bits } = view;
  const size = bits / 8;
  const start = bits === 64
    ? regs.rsp
    : BigInt.asUintN(32, sregs.ss.base + BigInt.asUintN(sregs.ss.db === 1 ? 32 : 16, regs.rsp));
  const bytes = view.read(start, STACK_WORDS * size);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const word = bytes.subarray(i * size, (i + 1) * size);
    const value = word.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    // A return address is relative to CS; small numbers are rarely addresses.
    const physical = value < 16n ? undefined : view.physical(view.toLinear(value));
    const symbol = physical === undefined ? undefined : view.labels.near(physical);
    return { address: start + BigInt(i * size), value, symbol };
  });
}

/** What the causes are found from. */
interface State {
  readonly view: View;
  readonly stop: Stop;
  readonly place: Place | undefined;
  readonly registersLost: boolean;
  readonly walks: readonly PageWalk[];
  readonly code: readonly CodeLine[];
}

function causesOf(state: State): string[] {
  const { stop, registersLost } = state;
  if (registersLost) {
    return [
      "On AMD, KVM resets the CPU after a shutdown: where it was and what its registers held is " +
      "lost. On Intel it is not. Stepping (trace) finds the instruction",
      ...withoutTables(state),
      ...withoutSse(state),
    ];
  }
  switch (stop.reason) {
    case "shutdown":
      return [
        ...fetchCauses(state),
        ...exceptionCauses(state),
        ...withoutSse(state),
        ...withoutTables(state),
      ];
    case "timeout":
    case "interrupted":
      return [...waitingCauses(state), ...runawayCauses(state)];
    case "unhandled":
      return exitCauses(state, stop.exit);
    default:
      return [];
  }
}

function exitCauses(state: State, exit: Exit): string[] {
  switch (exit.reason) {
    case "io":
    case "mmio":
      return [...knownDevice(exit), ANSWERS];
    case "internalError":
      return exit.error === "emulation" ? [...fetchCauses(state), ...emulatorCauses()] : [
        "An exception could not be delivered: its handler, the descriptor tables or the stack lie " +
        "where no RAM is",
      ];
    case "failEntry":
      return [
        "The CPU refuses the combination of segment and control registers: values that were set " +
        "by hand, or a mode switch that skipped a step",
      ];
    default:
      return ["hlt does not handle this exit"];
  }
}

const ANSWERS = "The guest runs on with ;! io: log, or ignore (--io): then reads give all ones";

/** What a PC has at ports and addresses where guests often expect it. */
const devices: readonly {
  kind: "io" | "mmio";
  first: number;
  last: number;
  what: string;
}[] = [
  { kind: "io", first: 0x20, last: 0x21, what: "the interrupt controller: ;! irqchip: yes" },
  { kind: "io", first: 0xa0, last: 0xa1, what: "the interrupt controller: ;! irqchip: yes" },
  { kind: "io", first: 0x40, last: 0x43, what: "the timer: ;! irqchip: yes" },
  { kind: "io", first: 0x60, last: 0x64, what: "the keyboard controller, which hlt does not have" },
  { kind: "io", first: 0x70, last: 0x71, what: "the clock (CMOS), which hlt does not have" },
  { kind: "io", first: 0x80, last: 0x80, what: "the POST code, which nobody reads here" },
  { kind: "io", first: 0x92, last: 0x92, what: "the A20 gate: here A20 always is on" },
  { kind: "io", first: 0x1f0, last: 0x1f7, what: "the disk, which hlt does not have" },
  { kind: "io", first: 0x3c0, last: 0x3df, what: "the VGA card, which hlt does not have" },
  { kind: "io", first: 0xcf8, last: 0xcff, what: "the PCI bus, which hlt does not have" },
  { kind: "mmio", first: 0xfec0_0000, last: 0xfec0_0fff, what: "the IOAPIC: ;! irqchip: yes" },
  { kind: "mmio", first: 0xfee0_0000, last: 0xfee0_0fff, what: "the local APIC: ;! irqchip: yes" },
];

function knownDevice(exit: Exit & { reason: "io" | "mmio" }): string[] {
  const address = exit.reason === "io" ? exit.port : exit.address;
  const device = devices.find(({ kind, first, last }) =>
    kind === exit.reason && first <= address && address <= last
  );
  return device === undefined ? [] : [`On a PC this is ${device.what}`];
}

/** The CPU was sent where it cannot fetch an instruction. */
function fetchCauses({ view }: State): string[] {
  const { physical, linear } = view.place();
  const where = `0x${linear.toString(16)}`;
  const sent = "a jump, a call or a return to a wrong address, or an overwritten stack";
  if (physical === undefined) return [`No page is mapped at ${where}, where it runs: ${sent}`];
  if (view.readPhysical(physical, 1) === undefined) {
    return [`There is no RAM at ${where}, where it runs: ${sent}`];
  }
  return [];
}

function emulatorCauses(): string[] {
  const backend = hostBackend();
  return backend === "kvm_pvm"
    ? [
      "kvm_pvm runs this mode in KVM's instruction emulator, which does not know every instruction: " +
      "a host with VT-x or AMD-V may run it",
    ]
    : ["KVM's emulator, which steps in where the CPU cannot go on, does not know the instruction"];
}

/** The exception that started it, where KVM tells. */
function exceptionCauses(state: State): string[] {
  const { view } = state;
  const { nr, hasErrorCode, errorCode } = view.machine.vcpu.getEvents().exception;
  const { cr2 } = view.registers.sregs;
  // KVM leaves the last exception there. It is 0, a division by zero's, also where there was none.
  if (nr === 0) return divisionCauses(state);
  const details = [
    ...(hasErrorCode ? [describeErrorCode(nr, errorCode)] : []),
    ...(nr === PAGE_FAULT ? [`at 0x${cr2.toString(16)} (CR2)`] : []),
  ];
  return [`The last exception was ${[describeException(nr), ...details].join(", ")}`];
}

function divisionCauses({ code }: State): string[] {
  const here = code.find(({ isHere }) => isHere)?.text ?? "";
  return /\b(i?div|aam)\b/i.test(here) ? [`The exception was ${describeException(0)}`] : [];
}

/** A guest starts without descriptor tables: an exception it does not expect ends it. */
function withoutTables({ view, registersLost }: State): string[] {
  const { idt, gdt, cr0 } = view.registers.sregs;
  const isReal = (cr0 & CR0.PE) === 0n;
  if (registersLost) {
    return [
      "A guest that takes an exception before it has an IDT (lidt), or whose handler takes another, " +
      "ends so; so does one that loads a segment register without a GDT (lgdt)",
    ];
  }
  if (isReal) return [];
  const none = (name: string, load: string) => `There is no ${name}: load one (${load}) before`;
  return [
    ...(idt.limit === 0 ? [`${none("IDT", "lidt")} anything can cause an exception`] : [
      "The IDT has no usable entry for the exception: not present, outside of the limit, or with a " +
      "selector that the GDT does not have",
    ]),
    ...(gdt.limit === 0 ? [`${none("GDT", "lgdt")} a segment register is loaded`] : []),
  ];
}

/** What a C compiler makes uses SSE, and a guest starts without it (Intel SDM vol. 3A §14.1). */
function withoutSse({ view, registersLost }: State): string[] {
  const { program: { format, settings: { mode, set } }, registers: { sregs } } = view;
  const isSet = registersLost
    ? set.some(({ register: { name } }) => name === "cr4")
    : (sregs.cr4 & CR4.OSFXSR) !== 0n;
  if (format !== "elf" || isSet) return [];
  if (!registersLost && view.machine.vcpu.getEvents().exception.nr !== INVALID_OPCODE) return [];
  const cr4 = startingCr4(mode) | CR4.OSFXSR | CR4.OSXMMEXCPT;
  return [
    "SSE instructions, which C compilers use, are invalid before CR4.OSFXSR is set: start with " +
    `--set cr4=0x${cr4.toString(16)}, or compile with -mgeneral-regs-only`,
  ];
}

function waitingCauses({ view }: State): string[] {
  const { KVM_MP_STATE_HALTED } = uapi;
  if (view.machine.vcpu.getMpState() !== KVM_MP_STATE_HALTED) return [];
  const IF = 1n << 9n;
  return [
    (view.registers.regs.rflags & IF) === 0n
      ? "It waits in HLT with interrupts off (IF = 0): nothing can wake it"
      : "It waits in HLT for an interrupt that does not come: is its line unmasked?",
  ];
}

/** Zeros are instructions too: 00 00 is ADD [EAX], AL. */
function runawayCauses({ view }: State): string[] {
  if (!isZero(view.read(view.toLinear(view.rip), 16))) return [];
  return [
    "It runs through memory that holds zeros: it has left its code, perhaps past a missing HLT",
    ...(callsBios(view)
      ? ["It has an INT for the BIOS, which is not there: its vector is zero"]
      : []),
  ];
}

/** Whether a guest in real mode calls the BIOS: INT 0x10 (screen) to 0x1a (clock) without a vector. */
function callsBios(view: View): boolean {
  const { program, registers: { sregs: { cr0, idt } } } = view;
  if ((cr0 & CR0.PE) !== 0n) return false;
  const [INT, FIRST, LAST] = [0xcd, 0x10, 0x1a];
  return program.segments.some(({ bytes }) =>
    bytes.some((opcode, at) => {
      const vector = bytes[at + 1] ?? 0;
      return opcode === INT && FIRST <= vector && vector <= LAST &&
        isZero(view.read(idt.base + BigInt(vector * 4), 4));
    })
  );
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.every((byte) => byte === 0);
}
