/** A binary floating-point format: how wide its parts are. */
interface Format {
  /** Bits of the exponent. */
  readonly exponent: number;
  /** Bits of the fraction. */
  readonly fraction: number;
  /** Whether the leading one is stored (x87's 80 bits). */
  readonly isExplicit: boolean;
}

/** The formats by what NASM calls them (manual §3.4.7); `8` is a sign, four bits and three. */
const formats: Readonly<Record<string, Format>> = {
  8: { exponent: 4, fraction: 3, isExplicit: false },
  16: { exponent: 5, fraction: 10, isExplicit: false },
  bfloat16: { exponent: 8, fraction: 7, isExplicit: false },
  32: { exponent: 8, fraction: 23, isExplicit: false },
  64: { exponent: 11, fraction: 52, isExplicit: false },
  80: { exponent: 15, fraction: 63, isExplicit: true },
  128: { exponent: 15, fraction: 112, isExplicit: false },
};

/** A constant as bits. */
export interface FloatBits {
  /** The bits, sign highest. */
  readonly bits: bigint;
  /** Whether it was too large and became infinity. */
  readonly isOverflow: boolean;
}

/**
 * A floating-point constant, rounded to the nearest, ties to even.
 *
 * @param text `1.5`, `-1e10`, `0x1.8p3`, for x87 the packed decimal `123p`, or one of the names `__?Infinity?__`, `__?QNaN?__`,
 * `__?SNaN?__` and their kin.
 * @param format `8`, `16`, `32`, `64`, `80`, `128` or `bfloat16`.
 * @returns Its bits, or undefined if the text is no such constant.
 */
export function encodeFloat(text: string, format: string): FloatBits | undefined {
  const layout = formats[format]!;
  const isNegative = text.startsWith("-");
  const plain = text.replace(/^[-+]/, "").toLowerCase().replaceAll("_", "");
  const sign = isNegative
    ? 1n << BigInt(layout.exponent + layout.fraction + (layout.isExplicit ? 1 : 0))
    : 0n;
  if (format === "80") {
    const packed = encodePacked(plain);
    if (packed !== undefined) return { bits: sign | packed, isOverflow: false };
  }
  const special = encodeSpecial(plain, layout);
  if (special !== undefined) return { bits: sign | special, isOverflow: false };
  const packed = layout.isExplicit ? /^(?:0p(\d+)|(\d+)p)$/.exec(plain) : undefined;
  if (packed) return { bits: sign | packedDecimal(packed[1] ?? packed[2]!), isOverflow: false };
  const value = readDecimal(plain) ?? readPowerOfTwo(plain);
  if (!value) return undefined;
  const rounded = round(value, layout);
  return { bits: sign | rounded.bits, isOverflow: rounded.isOverflow };
}

/** The x87's packed decimal: 18 digits, two in a byte (Intel SDM vol. 1 §4.7). */
function packedDecimal(digits: string): bigint {
  return BigInt("0x" + digits.slice(-18));
}

function infinity({ exponent, fraction, isExplicit }: Format): bigint {
  const ones = (1n << BigInt(exponent)) - 1n;
  return isExplicit
    ? ones << BigInt(fraction + 1) | 1n << BigInt(fraction)
    : ones << BigInt(fraction);
}

/** Infinity and NaN, named with their underscores and question marks taken off. */
function encodeSpecial(name: string, layout: Format): bigint | undefined {
  switch (name.replaceAll("?", "")) {
    case "infinity":
      return infinity(layout);
    case "nan":
    case "qnan":
      return infinity(layout) | 1n << BigInt(layout.fraction - 1);
    case "snan":
      return infinity(layout) | 1n;
    default:
      return undefined;
  }
}

/** Up to 18 decimal digits for FBLD: `123p` or `0p123`. */
function encodePacked(text: string): bigint | undefined {
  const match = /^(?:0p(\d{1,18})|(\d{1,18})p)$/.exec(text);
  return match ? BigInt(`0x${match[1] ?? match[2]}`) : undefined;
}

/** A value as a fraction of integers. */
interface Ratio {
  readonly over: bigint;
  readonly under: bigint;
}

/** How many bits NASM computes with, and how many decimal digits it looks at. */
const precision = 192;
const mostDigits = 52;

/** Exponents beyond these are zero or infinity in every format. */
const largestExponent = 20_000;

/** A number in [1/2, 1) with `precision` bits, the rest cut off, times a power of two. */
interface Scaled {
  readonly mantissa: bigint;
  readonly exponent: number;
}

function scale(mantissa: bigint, exponent: number): Scaled {
  const surplus = mantissa.toString(2).length - precision;
  return {
    mantissa: surplus >= 0 ? mantissa >> BigInt(surplus) : mantissa << BigInt(-surplus),
    exponent: exponent + surplus,
  };
}

function multiply(a: Scaled, b: Scaled): Scaled {
  return scale(a.mantissa * b.mantissa, a.exponent + b.exponent - precision);
}

/**
 * A decimal constant, as exact as NASM makes it and no more, so that what lies halfway between two
 * floats is rounded as NASM rounds it: the digits as a fraction below one, cut off, times a power of
 * ten that is multiplied up from 10 or from 1/10 in the same precision.
 */
function readDecimal(text: string): Ratio | undefined {
  const match = /^(\d*)\.?(\d*)(?:e([-+]?\d*))?$/.exec(text);
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const [, whole = "", part = "", exponent = "0"] = match;
  const digits = (whole + part).replace(/^0+/, "");
  if (digits === "") return { over: 0n, under: 1n };
  const point = digits.length - part.length + readExponent(exponent);
  const power = Math.max(-largestExponent, Math.min(point, largestExponent));
  const kept = digits.slice(0, mostDigits);
  const shift = precision + 4 * kept.length;
  let value = scale(
    (BigInt(kept) << BigInt(shift)) / 10n ** BigInt(kept.length),
    precision - shift,
  );
  let factor = power < 0 ? tenth : scale(10n, precision);
  for (let rest = Math.abs(power); rest > 0; rest >>= 1) {
    if (rest & 1) value = multiply(value, factor);
    factor = multiply(factor, factor);
  }
  const twos = value.exponent - precision;
  return twos >= 0
    ? { over: value.mantissa << BigInt(twos), under: 1n }
    : { over: value.mantissa, under: 1n << BigInt(-twos) };
}

/** 1/10, cut off after 192 bits: 0.CCC… times 2^-3. */
const tenth: Scaled = { mantissa: BigInt(`0x${"C".repeat(precision / 4)}`), exponent: -3 };

/** An exponent; NASM takes a missing one for zero. */
function readExponent(digits: string): number {
  return Number(/^[-+]?$/.test(digits) ? 0 : digits);
}

/** Hexadecimal, octal and binary constants: `0x1.8p3`. The exponent is a power of two. */
function readPowerOfTwo(text: string): Ratio | undefined {
  const match = /^(?:0([xhobqy])|\$)([0-9a-f]*)\.?([0-9a-f]*)(?:p([-+]?\d*))?$/.exec(text);
  if (!match || (match[2] === "" && match[3] === "")) return undefined;
  const [, letter = "x", whole = "", part = "", exponent = "0"] = match;
  const bits = letter === "x" || letter === "h" ? 4 : letter === "o" || letter === "q" ? 3 : 1;
  let digits = 0n;
  for (const digit of whole + part) {
    const value = parseInt(digit, 16);
    if (value >= 1 << bits) return undefined;
    digits = digits << BigInt(bits) | BigInt(value);
  }
  const scale = readExponent(exponent) - bits * part.length;
  return scale >= 0
    ? { over: digits << BigInt(Math.min(scale, largestExponent)), under: 1n }
    : { over: digits, under: 1n << BigInt(Math.min(-scale, largestExponent)) };
}

function round({ over, under }: Ratio, layout: Format): FloatBits {
  const { exponent: exponentBits, fraction, isExplicit } = layout;
  if (over === 0n) return { bits: 0n, isOverflow: false };
  const bias = (1 << (exponentBits - 1)) - 1;
  // The exponent that gives 1 <= value < 2; below the smallest one, numbers are denormal.
  let exponent = over.toString(2).length - under.toString(2).length;
  if (exponent >= 0 ? over < under << BigInt(exponent) : over << BigInt(-exponent) < under) {
    exponent--;
  }
  const scale = fraction - Math.max(exponent, 1 - bias);
  const top = scale >= 0 ? over << BigInt(scale) : over;
  const bottom = scale >= 0 ? under : under << BigInt(-scale);
  let mantissa = top / bottom;
  const rest = 2n * (top % bottom);
  if (rest > bottom || (rest === bottom && (mantissa & 1n) === 1n)) mantissa++;
  let biased = Math.max(exponent, 1 - bias) + bias;
  if (mantissa >> BigInt(fraction + 1) !== 0n) {
    mantissa >>= 1n;
    biased++;
  }
  if (mantissa >> BigInt(fraction) === 0n) biased = 0;
  if (biased >= (1 << exponentBits) - 1) return { bits: infinity(layout), isOverflow: true };
  const stored = isExplicit ? mantissa : mantissa & (1n << BigInt(fraction)) - 1n;
  return {
    bits: BigInt(biased) << BigInt(fraction + (isExplicit ? 1 : 0)) | stored,
    isOverflow: false,
  };
}

/**
 * The value of a floating-point function such as `__?float32?__(1.5)` (NASM manual §3.4.7).
 *
 * @param name The function's name without underscores, such as `float32` or `float80m`.
 * @param text The constant.
 * @returns Its value as an integer, or undefined if the text is no constant.
 */
export function floatFunction(name: string, text: string): bigint | undefined {
  const match = /^(bfloat16|float(\d+))([hlme]?)$/.exec(name);
  if (!match) return undefined;
  const format = match[2] ?? "bfloat16";
  const bits = encodeFloat(text, format)?.bits;
  if (bits === undefined) return undefined;
  // The wide formats come in two parts: 80m and 80e, 128l and 128h.
  return match[3] === "e" || match[3] === "h" ? bits >> 64n : BigInt.asUintN(64, bits);
}
