/** Prefixes that may stand before a string instruction besides REP (Intel SDM vol. 2A §2.1.1). */
const OTHER_PREFIXES: readonly number[] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67];
/** REPNE, REP. */
const REP_PREFIXES: readonly number[] = [0xf2, 0xf3];

/** The opcode of the string instruction that `code` begins with, if a REP prefix repeats it. */
export function repeatedOpcode(code: Uint8Array, bits: 16 | 32 | 64): number | undefined {
  let isRepeated = false;
  for (const byte of code) {
    const isRex = bits === 64 && (byte & 0xf0) === 0x40;
    if (REP_PREFIXES.includes(byte)) isRepeated = true;
    else if (!OTHER_PREFIXES.includes(byte) && !isRex) {
      return isRepeated && isString(byte) ? byte : undefined;
    }
  }
  return undefined;
}

/** INS, OUTS; MOVS, CMPS; STOS, LODS, SCAS (Intel SDM vol. 2B and 2C). */
function isString(opcode: number): boolean {
  return (opcode & 0xfc) === 0x6c || (opcode & 0xfc) === 0xa4 ||
    (0xaa <= opcode && opcode <= 0xaf);
}
