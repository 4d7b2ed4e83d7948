/** The string functions by their names without underscores (NASM manual §3.4.5). */
const encodings: Readonly<Record<string, readonly [size: 2 | 4, isLittle: boolean]>> = {
  utf16: [2, true],
  utf16le: [2, true],
  utf16be: [2, false],
  utf32: [4, true],
  utf32le: [4, true],
  utf32be: [4, false],
};

/** Whether a name, in lower case and without underscores, is that of a string function. */
export function isStringFunction(name: string): boolean {
  return Object.hasOwn(encodings, name);
}

/**
 * What a string function makes of a string: UTF-8 in another encoding.
 *
 * @param name The function, such as `utf16le`.
 * @param bytes The string, one character a byte.
 * @returns The bytes, likewise, or undefined if the string is not UTF-8.
 */
export function encodeString(name: string, bytes: string): string | undefined {
  const [size, isLittle] = encodings[name]!;
  let text: string;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    text = decoder.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  } catch {
    return undefined;
  }
  const units = size === 2
    ? Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
    : Array.from(text, (character) => character.codePointAt(0)!);
  return units.map((unit) => {
    const parts = Array.from({ length: size }, (_, i) => String.fromCharCode(unit >>> 8 * i & 255));
    return (isLittle ? parts : parts.reverse()).join("");
  }).join("");
}
