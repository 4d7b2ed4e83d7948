/** A binary floating-point format: how wide its parts are. */
interface Format {
  /** Bits in all: a sign, the exponent and the rest. */
  readonly width: number;
  /** Bits of the exponent. */
  readonly exponent: number;
  /** Whether the leading one is stored (x87's 80 bits). */
  readonly isExplicit: boolean;
}

/** The formats by their bits (NASM manual §3.4.6); `8` is a sign, four bits and three. */
const formats: Readonly<Record<number | "bfloat16", Format>> = {
  8: { width: 8, exponent: 4, isExplicit: false },
  16: { width: 16, exponent: 5, isExplicit: false },
  bfloat16: { width: 16, exponent: 8, isExplicit: false },
  32: { width: 32, exponent: 8, isExplicit: false },
  64: { width: 64, exponent: 11, isExplicit: false },
  80: { width: 80, exponent: 15, isExplicit: true },
  128: { width: 128, exponent: 15, isExplicit: false },
};

/** What the directive `float` sets (NASM manual §7.10). */
export interface FloatMode {
  /** Whether denormal numbers become zero: `daz`. */
  readonly flushesDenormals: boolean;
  /** Where what lies between two numbers goes. */
  readonly rounding: "near" | "up" | "down" | "zero";
}

/** What is in force before the first `float`. */
export const defaultFloatMode: FloatMode = { flushesDenormals: false, rounding: "near" };

/** The mode after `float word`; undefined if there is no such word. */
export function changeFloatMode(mode: FloatMode, word: string): FloatMode | undefined {
  switch (word) {
    case "default":
      return defaultFloatMode;
    case "daz":
    case "nodaz":
      return { ...mode, flushesDenormals: word === "daz" };
    case "near":
    case "up":
    case "down":
    case "zero":
      return { ...mode, rounding: word };
    default:
      return undefined;
  }
}

/** A constant as bits. */
export interface FloatBits {
  /** The bits, sign highest. */
  readonly bits: bigint;
  /** What is doubtful about it. */
  readonly doubt?: string;
}

/**
 * A floating-point constant, with NASM's bits even where those are not the nearest to it: NASM
 * computes with 192 bits, cuts off what is beyond them, and looks at 52 decimal digits; a number of
 * less than twice the largest one keeps its digits beside the exponent of infinity.
 *
 * @param text `1.5`, `-1e10`, `0x1.8p3`, for 80 bits the packed decimal `123p`, or one of the names
 * `__?Infinity?__`, `__?QNaN?__`, `__?SNaN?__` and their kin.
 * @param name The format, by its bits: 8, 16, 32, 64, 80, 128; or `bfloat16`.
 * @param mode How to round.
 * @returns Its bits, or undefined if the text is no such constant.
 */
export function encodeFloat(
  text: string,
  name: number | "bfloat16",
  mode: FloatMode = defaultFloatMode,
): FloatBits | undefined {
  const format = formats[name]!;
  const isNegative = text.startsWith("-");
  const plain = text.replace(/^[-+]/, "").toLowerCase();
  const digits = plain.replaceAll("_", "");
  const float = plain.startsWith("__")
    ? readSpecial(digits, format)
    : /^0p|p$/.test(digits)
    ? readPacked(digits.replace(/^0p|p$/, ""), format)
    : readNumber(digits, { format, mode, isNegative });
  if (!float || !isNegative) return float;
  return { ...float, bits: float.bits | 1n << BigInt(format.width - 1) };
}

function infinity({ width, exponent, isExplicit }: Format): bigint {
  const ones = (2n << BigInt(exponent)) - (isExplicit ? 1n : 2n);
  return ones << BigInt(width - exponent - 2);
}

/** Infinity and NaN, named with their underscores taken off. */
function readSpecial(name: string, format: Format): FloatBits | undefined {
  switch (name.replaceAll("?", "")) {
    case "infinity":
      return { bits: infinity(format) };
    case "nan":
    case "qnan": {
      const highest = format.width - format.exponent - (format.isExplicit ? 3 : 2);
      return { bits: infinity(format) | 1n << BigInt(highest) };
    }
    case "snan":
      return { bits: infinity(format) | 1n };
    default:
      return undefined;
  }
}

/** The x87's packed decimal: 18 digits, two in a byte (Intel SDM vol. 1 §4.7). */
function readPacked(digits: string, { width }: Format): FloatBits | undefined {
  if (width !== 80 || !/^\d*$/.test(digits)) return undefined;
  const bits = BigInt(`0x0${digits.slice(-18)}`);
  return digits.length > 18 ? { bits, doubt: "has more than 18 digits" } : { bits };
}

/** How many bits NASM computes with, and how many decimal digits it looks at. */
const precision = 192;
const mostDigits = 52;

/** NASM's limits for exponents of ten and of two. */
const mostTens = 5000;
const mostTwos = 20_000;

/** `mantissa` / 2^192 × 2^`exponent`; the mantissa has 192 bits, or is 0. */
interface Scaled {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Cuts off what is beyond 192 bits. */
function scale(mantissa: bigint, exponent: number): Scaled {
  if (mantissa === 0n) return { mantissa, exponent: 0 };
  const surplus = mantissa.toString(2).length - precision;
  return {
    mantissa: surplus >= 0 ? mantissa >> BigInt(surplus) : mantissa << BigInt(-surplus),
    exponent: exponent + surplus,
  };
}

function multiply(a: Scaled, b: Scaled): Scaled {
  return scale(a.mantissa * b.mantissa, a.exponent + b.exponent - precision);
}

function readNumber(
  text: string,
  how: { format: Format; mode: FloatMode; isNegative: boolean },
): FloatBits | undefined {
  const [, letter, rest = text] = /^(?:0([xhoqbydt])|(?=\$))\$?(.*)$/.exec(text) ?? [];
  const isDecimal = rest === text || letter === "d" || letter === "t";
  const value = isDecimal ? readDecimal(rest) : readPowerOfTwo(rest, letter);
  if (!value) return undefined;
  const rounded = round(value, how);
  const isLong = isDecimal && /^[.0]*([\d.]*)/.exec(rest)![1]!.replace(".", "").length > mostDigits;
  return isLong && !rounded.doubt
    ? { ...rounded, doubt: `has more than ${mostDigits} digits` }
    : rounded;
}

/**
 * A decimal constant: the digits as a fraction below one, cut off, times a power of ten that is
 * multiplied up from 10 or from 1/10.
 */
function readDecimal(text: string): Scaled | undefined {
  const match = /^(\d*)\.?(\d*)(?:e([-+]?\d*))?$/.exec(text);
  if (!match) return undefined;
  const [, whole = "", part = "", exponent = "0"] = match;
  const digits = (whole + part).replace(/^0+/, "").slice(0, mostDigits);
  if (digits === "") return { mantissa: 0n, exponent: 0 };
  const point = (whole + part).replace(/^0+/, "").length - part.length;
  const power = point + readExponent(exponent, mostTens);
  const shift = precision + 4 * digits.length;
  let value = scale(
    (BigInt(digits) << BigInt(shift)) / 10n ** BigInt(digits.length),
    precision - shift,
  );
  let factor = power < 0 ? tenth : scale(10n, precision);
  for (let rest = Math.abs(power); rest > 0; rest >>= 1) {
    if (rest & 1) value = multiply(factor, value);
    factor = multiply(factor, factor);
  }
  return value;
}

/** 1/10: 0.CCC… times 2^-3, rounded up in the last of the 192 bits. */
const tenth: Scaled = { mantissa: BigInt(`0x${"C".repeat(precision / 4 - 1)}D`), exponent: -3 };

/** An exponent, at most `most`; NASM takes a missing one for zero. */
function readExponent(digits: string, most: number): number {
  const exponent = /\d/.test(digits) ? Number(digits) : 0;
  return Math.max(-most, Math.min(exponent, most));
}

/** Hexadecimal, octal and binary constants: `0x1.8p3`. The exponent is a power of two. */
function readPowerOfTwo(text: string, letter = "x"): Scaled | undefined {
  const match = /^([0-9a-f]*)\.?([0-9a-f]*)(?:p([-+]?\d*))?$/.exec(text);
  if (!match) return undefined;
  const [, whole = "", part = "", exponent = "0"] = match;
  const bits = letter === "x" || letter === "h" ? 4 : letter === "o" || letter === "q" ? 3 : 1;
  let mantissa = 0n;
  for (const digit of whole + part) {
    const value = parseInt(digit, 16);
    if (value >= 1 << bits) return undefined;
    mantissa = mantissa << BigInt(bits) | BigInt(value);
  }
  const twos = readExponent(exponent, mostTwos) - bits * part.length;
  return scale(mantissa, precision + twos);
}

/** Packs a number into a format. */
function round(
  { mantissa, exponent }: Scaled,
  { format, mode, isNegative }: { format: Format; mode: FloatMode; isNegative: boolean },
): FloatBits {
  if (mantissa === 0n) return { bits: 0n };
  const { width, exponent: exponentBits, isExplicit } = format;
  const bias = (1 << (exponentBits - 1)) - 1;
  const biased = exponent - 1 + bias;
  if (biased > 2 * bias + 1) return tooLarge(format);
  const isDenormal = biased < 1;
  // Where the leading one goes, counted from the highest bit.
  const head = exponentBits + (isExplicit ? 1 : 0);
  const surplus = BigInt(precision - width);
  const shifted = mantissa >> BigInt(head + (isDenormal ? 1 - biased : 0));
  const rest = shifted & (1n << surplus) - 1n;
  let bits = shifted >> surplus;
  if (isRoundedUp(bits, { rest, half: 1n << surplus - 1n, mode, isNegative })) bits++;
  const one = 1n << BigInt(width - 1 - head);
  const isCarried = (bits & one << 1n) !== 0n;
  if (isCarried) bits >>= 1n;
  if (isDenormal && (bits & one) === 0n) return { bits: mode.flushesDenormals ? 0n : bits };
  const stored = isDenormal ? 1 : biased + (isCarried ? 1 : 0);
  if (isCarried && stored > 2 * bias) return tooLarge(format);
  return {
    bits: (isExplicit ? bits : bits & ~one) | BigInt(stored) << BigInt(width - 1 - exponentBits),
  };
}

function tooLarge(format: Format): FloatBits {
  return { bits: infinity(format), doubt: "is too large and becomes infinity" };
}

/** Up and down go by the first bit cut off alone, as NASM does: they are near but for ties. */
function isRoundedUp(
  bits: bigint,
  { rest, half, mode: { rounding }, isNegative }: {
    rest: bigint;
    half: bigint;
    mode: FloatMode;
    isNegative: boolean;
  },
): boolean {
  if (rounding === "near") return rest > half || (rest === half && (bits & 1n) === 1n);
  return rest >= half && rounding === (isNegative ? "down" : "up");
}

/**
 * The value of a floating-point function such as `__?float32?__(1.5)` (NASM manual §3.4.6).
 *
 * @param name The function's name without underscores, such as `float32` or `float80m`.
 * @param text The constant.
 * @param mode How to round.
 * @returns Its value as an integer, or undefined if the text is no constant.
 */
export function floatFunction(
  name: string,
  text: string,
  mode: FloatMode = defaultFloatMode,
): bigint | undefined {
  const [, width = "", part] = /^b?float(\d+)([hlme]?)$/.exec(name) ?? [];
  const bits = encodeFloat(text, name === "bfloat16" ? "bfloat16" : Number(width), mode)?.bits;
  if (bits === undefined) return undefined;
  // The wide formats come in two parts: 80m and 80e, 128l and 128h.
  return part === "e" || part === "h" ? bits >> 64n : BigInt.asUintN(64, bits);
}
