/**
 * Disassembly in NASM's syntax, by iced-x86. It is loaded only when it is used, and reads its own
 * WebAssembly file then: that takes `--allow-read`.
 *
 * @module
 */

/** An instruction in words. */
export interface Disassembled {
  /** In NASM's syntax; `(bad)` for bytes that are no instruction. */
  readonly text: string;
  /** In bytes; 1 for bytes that are no instruction. */
  readonly length: number;
  /** Where it leads: on to the next one, into a handler, or elsewhere. */
  readonly flow: "next" | "interrupt" | "branch";
  /** The address that it jumps to or that it calls, or of the memory that it names relative to RIP. */
  readonly target?: bigint;
}

/** Puts the first instruction of `code` into words. */
export type Disassembler = (
  code: Uint8Array,
  at: { address: bigint; bits: 16 | 32 | 64 },
) => Disassembled;

/**
 * Loads the disassembler.
 *
 * @throws {Deno.errors.NotCapable} Without the permission to read its file.
 *
 * @example Two bytes in words
 * ```ts
 * import { loadDisassembler } from "@hlt/hlt";
 *
 * const disassemble = await loadDisassembler();
 * console.log(disassemble(Uint8Array.of(0xb0, 42), { address: 0n, bits: 16 })); // mov al,2Ah
 * ```
 */
export async function loadDisassembler(): Promise<Disassembler> {
  const { Decoder, DecoderOptions, FlowControl, Formatter, FormatterSyntax } = await import(
    "npm:iced-x86@1.21.0"
  );
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = "0x";
  formatter.hexSuffix = "";
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  formatter.spaceAfterOperandSeparator = true;
  return (code, { address, bits }) => {
    // Their memory is WebAssembly's, which nobody collects.
    const decoder = new Decoder(bits, code, DecoderOptions.None);
    decoder.ip = address;
    const instruction = decoder.decode();
    try {
      const target = instruction.isIpRelMemoryOperand
        ? instruction.ipRelMemoryAddress
        : instruction.nearBranchTarget;
      return instruction.isInvalid ? { text: "(bad)", length: 1, flow: "branch" } : {
        text: formatter.format(instruction),
        length: instruction.length,
        flow: instruction.flowControl === FlowControl.Next
          ? "next"
          : instruction.flowControl === FlowControl.Interrupt
          ? "interrupt"
          : "branch",
        // 0 stands for none.
        ...(target !== 0n && { target }),
      };
    } finally {
      instruction.free();
      decoder.free();
    }
  };
}
