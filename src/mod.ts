/**
 * The Linux KVM API for Deno: run x86 code in a real virtual machine.
 *
 * @module
 */

export * from "./kvm/mod.ts";
export * from "./x86/mod.ts";
export * from "./guest/mod.ts";
export * from "./machine/mod.ts";
