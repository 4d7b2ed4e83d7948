// deno-lint-ignore-file no-console
/**
 * The resident memory of an idle VM, one that has run to its HLT: keeps as many as the argument says,
 * and prints the bytes each has added. `bench/c/idle.c` does the same.
 *
 * @module
 */

import { Kvm } from "../src/kvm/mod.ts";
import { create, prove, realGuest } from "./guest.ts";

const count = Number(Deno.args[0]);
const program = realGuest();
const kvms: Kvm[] = [];
let before = 0;
// What the first ones add is the program's own: V8 compiles it.
const own = 20;
for (let i = 0; i < own + count; i++) {
  if (i === own) before = resident();
  const kvm = Kvm.open();
  const { vcpu, ram } = create(kvm, program);
  prove(vcpu, ram, program);
  kvms.push(kvm);
}
console.log((resident() - before) / count);
for (const kvm of kvms) kvm.close();

function resident(): number {
  return Deno.memoryUsage().rss;
}
