import { defaultSettings } from "./directive.ts";
import { isElf, parseElf } from "./elf.ts";
import { GuestError } from "./error.ts";
import { type LoadOptions, type Program, settle } from "./program.ts";
import { fromSource } from "./source.ts";

/**
 * Loads a guest: NASM source, an ELF executable or a flat binary. Which of them it is, is found from
 * its bytes; the name decides only where they could be both: text of one line is a flat binary if it
 * is called so (`.bin`, `.img`), and text that is not UTF-8 a source (`.asm`, `.s`, `.nasm`).
 *
 * A source is assembled, and its origin and directives say where it goes. An ELF file says so itself;
 * it starts in protected or long mode, as its class says, with RAM that holds its segments. A flat
 * binary goes to 0, a boot sector (0x55, 0xAA at its byte 510) to 0x7C00, and starts in real mode.
 *
 * @throws {AssemblyError} When the source, a directive or an override is wrong.
 * @throws {GuestError} When the file is no guest, or its settings do not fit it or each other.
 */
export function loadGuest(bytes: Uint8Array, options: LoadOptions): Program {
  if (bytes.length === 0) throw new GuestError(options.name, "The file is empty");
  if (isElf(bytes)) return fromElf(bytes, options);
  const source = asText(bytes);
  const isNamedFlat = /\.(bin|img)$/i.test(options.name) && !source?.includes("\n");
  if (source !== undefined && !isNamedFlat) return fromSource(source, options);
  if (!/\.(asm|s|nasm)$/i.test(options.name)) return fromFlat(bytes, options);
  const latin1 = new TextDecoder("latin1").decode(bytes);
  const place = latin1.search(NO_TEXT);
  return place < 0
    ? doubted(
      fromSource(latin1, options),
      "It is not UTF-8 and is read as Latin-1: what is not ASCII in its strings becomes UTF-8",
    )
    : doubted(
      fromFlat(bytes, options),
      `It is named as a source, but the 0x${
        bytes[place]!.toString(16).padStart(2, "0")
      } at its byte ${place} is in no text: it is taken for a flat binary`,
    );
}

function doubted(program: Program, warning: string): Program {
  return { ...program, warnings: [...program.warnings, `${program.name}: ${warning}`] };
}

/** The control characters that are in no text. */
// deno-lint-ignore no-control-regex
const NO_TEXT = /[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]/;

/** The bytes as text; nothing where they can be none. */
function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return NO_TEXT.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function fromElf(bytes: Uint8Array, options: LoadOptions): Program {
  const { name } = options;
  const { bits, entry, segments, symbols } = parseElf(bytes, name);
  const settings = defaultSettings();
  settings.mode = bits === 64 ? "long" : "protected";
  const last = segments.at(-1)!;
  settings.ram = Math.max(settings.ram, ramFor(last.address + (last.size ?? last.bytes.length)));
  const [first, ...others] = segments;
  return settle(() => settings, {
    name,
    format: "elf",
    segments: [first!, ...others],
    entry,
    symbols,
    listing: [],
    warnings: [],
  }, options);
}

const MIB = 2 ** 20;
/** More than this is asked for, not given. */
const MOST_RAM_UNASKED = 1024 * MIB;

/** RAM up to `end` and a stack above it. */
function ramFor(end: number): number {
  const size = (Math.ceil(end / MIB) + 1) * MIB;
  return size <= MOST_RAM_UNASKED ? size : 0;
}

const BOOT_SECTOR = { address: 0x7c00, size: 512, signature: [0x55, 0xaa] } as const;

function fromFlat(bytes: Uint8Array, options: LoadOptions): Program {
  const isBootSector = bytes.length >= BOOT_SECTOR.size &&
    BOOT_SECTOR.signature.every((byte, i) => bytes[BOOT_SECTOR.size - 2 + i] === byte);
  const address = isBootSector ? BOOT_SECTOR.address : 0;
  return settle(defaultSettings, {
    name: options.name,
    format: "flat",
    segments: [{ address, bytes }],
    entry: address,
    symbols: new Map(),
    listing: [],
    warnings: [],
  }, options);
}
