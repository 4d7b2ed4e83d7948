/**
 * What an x86 CPU needs to start in a mode: segments, control registers, page tables; and what its CPUID means.
 *
 * @module
 */

export {
  type CpuidFeatures,
  cpuidFeatures,
  type CpuidNames,
  cpuidNames,
  type CpuidRegister,
  physicalAddressBits,
  withApicId,
} from "./cpuid.ts";
export {
  IDENTITY_MAP_ADDRESS,
  type Mode,
  type ModeProperties,
  modes,
  PAGE_TABLES_ADDRESS,
  startIn,
  type StartOptions,
  TSS_ADDRESS,
} from "./mode.ts";
export { identityMap } from "./paging.ts";
export {
  findRegister,
  flags,
  type Register,
  type RegisterFile,
  registerNames,
} from "./register.ts";
export { type Disassembled, type Disassembler, loadDisassembler } from "./disassemble.ts";
