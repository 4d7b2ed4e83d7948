import { someName } from "./token.ts";

/** The names that may be macros, to pass over lines that have none of them. */
export class MacroNames {
  /** In lower case. */
  readonly #names = new Set<string>();
  /** By first character the lengths, as a mask: that answers faster. */
  readonly #lengths = new Uint32Array(128);

  /** Adds a name. */
  add(name: string): void {
    const lower = name.toLowerCase();
    this.#names.add(lower);
    const first = lower.charCodeAt(0);
    if (first < 128) this.#lengths[first]! |= 1 << Math.min(lower.length, 31);
  }

  /** Whether a line may call a macro. */
  mayCall(text: string): boolean {
    return someName(text, (start, end) => {
      const code = text.charCodeAt(start);
      if (code === 0x5F && text.charCodeAt(start + 1) === 0x5F) return true;
      const first = code >= 0x41 && code <= 0x5A ? code + 32 : code;
      if (first < 128 && (this.#lengths[first]! & (1 << Math.min(end - start, 31))) === 0) {
        return false;
      }
      return this.#names.has(text.slice(start, end).toLowerCase());
    });
  }
}
