/**
 * The Linux KVM API for Deno: run x86 code in a real virtual machine.
 *
 * @module
 */

export * from "./kvm/mod.ts";
