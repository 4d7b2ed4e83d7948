/**
 * A machine around a guest: devices on buses, a console, and a run loop with a deadline.
 *
 * @module
 */

export { Bus, type BusRange, type Device } from "./bus.ts";
export { COM1, DEBUG_CONSOLE, SerialPort } from "./console.ts";
export {
  type DeadlineSupport,
  debugFacilities,
  type DebugFacility,
  type Support,
  TRIED_DEADLINE,
  tryDeadline,
  tryDebugging,
  tryMode,
} from "./host.ts";
export {
  Machine,
  type MachineOptions,
  type MachineSnapshot,
  type MemoryRegion,
  type RunOptions,
  STATUS_PORT,
  type Stop,
} from "./machine.ts";
export { type Proof, prove, type ProveOptions, Prover } from "./prove.ts";
export { accessPlace, describeAccess } from "./access.ts";
export { codeAround, type CodeLine } from "./code.ts";
export {
  describeStop,
  diagnose,
  type Diagnosis,
  permittedDisassembler,
  type StackWord,
} from "./diagnosis.ts";
export { describePlace, type Place, type SourceLine, View } from "./place.ts";
export { decodeSnapshot, encodeSnapshot, SnapshotFileError } from "./snapshot_file.ts";
export { Tick, TICK_MILLISECONDS } from "./tick.ts";
export {
  type MemoryChange,
  type RegisterChange,
  trace,
  type TraceOptions,
  type TraceStep,
} from "./trace.ts";
