/**
 * Assembles the source that the first argument names into the binary that the second names: NASM's
 * job, as a process of its own.
 *
 * @module
 */

import { assemble } from "../src/asm/mod.ts";

const [source, binary] = Deno.args;
Deno.writeFileSync(binary!, assemble(Deno.readTextFileSync(source!)).bytes);
