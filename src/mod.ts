/**
 * The Linux KVM API for Deno: run x86 code in a real virtual machine.
 *
 * @module
 */

export * from "./kvm/mod.ts";
export * from "./x86/mod.ts";
// Not part of the folders' own mod.ts, since running a guest takes none of it.
export * from "./x86/bits.ts";
export * from "./x86/page_walk.ts";
export * from "./guest/labels.ts";
export * from "./kvm/statistics.ts";
export * from "./guest/mod.ts";
export * from "./machine/mod.ts";
