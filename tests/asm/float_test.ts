import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { changeFloatMode, defaultFloatMode, encodeFloat } from "../../src/asm/float.ts";
import { nasmTest, runNasm } from "./nasm.ts";

const seed = 20_260_102;

/** The directive that stores each format, and the exponents of ten that it goes to. */
const formats = {
  8: ["db", 4],
  16: ["dw", 9],
  32: ["dd", 48],
  64: ["dq", 330],
  80: ["dt", 5000],
  128: ["do", 5010],
} as const;

/** Literals of every notation; most exponents are near the limits of the format or near 0. */
function literal(tens: number): fc.Arbitrary<string> {
  const digits = (base: number, most: number) =>
    fc.array(fc.nat(base - 1), { minLength: 1, maxLength: most }).map((values) =>
      values.map((value) => value.toString(base)).join("")
    );
  const exponent = (limit: number) =>
    fc.oneof(fc.integer({ min: -limit, max: limit }), fc.integer({ min: -12, max: 12 }));
  const twos = exponent(Math.round(tens * 3.4));
  const decimal = fc.tuple(digits(10, 60), digits(10, 60), exponent(tens)).map(([whole, part, e]) =>
    `${whole}.${part}e${e}`
  );
  const short = fc.tuple(digits(10, 9), exponent(Math.min(tens, 15))).map(([whole, e]) =>
    `${whole}e${e}`
  );
  // What lies halfway between two numbers of the format, or nearly.
  const integer = fc.tuple(fc.bigInt(0n, 1n << 140n), fc.nat(40)).map(([number, shift]) =>
    `${number >> BigInt(shift) << BigInt(shift)}.`
  );
  const powers = ([["0x", 16], ["0h", 16], ["0b", 2], ["0y", 2], ["0o", 8], ["0q", 8]] as const)
    .map(([prefix, base]) =>
      fc.tuple(digits(base, 20), digits(base, 60), twos).map(([whole, part, p]) =>
        `${prefix}${whole}.${part}p${p}`
      )
    );
  return fc.tuple(fc.constantFrom("", "-"), fc.oneof(decimal, short, integer, ...powers))
    .map(([sign, text]) => sign + text);
}

for (const [width, [directive, tens]] of Object.entries(formats)) {
  nasmTest(`encodeFloat() makes NASM's bits of random constants of ${width} bits`, () => {
    const bytes = Number(width) / 8;
    for (const word of ["near", "up", "down", "zero", "daz"]) {
      const mode = changeFloatMode(defaultFloatMode, word)!;
      const literals = fc.sample(literal(tens), { seed, numRuns: 500 });
      const source = literals.map((text) => `${directive} ${text}\n`).join("");
      const nasm = runNasm(`float ${word}\n${source}`, { args: ["-w-all"] }).bytes!;
      for (const [i, text] of literals.entries()) {
        const theirs = nasm.slice(i * bytes, (i + 1) * bytes).reverse().toHex();
        const ours = encodeFloat(text, Number(width), mode)?.bits.toString(16);
        assertEquals(ours?.padStart(bytes * 2, "0"), theirs, `${word} ${directive} ${text}`);
      }
    }
  });
}

Deno.test("encodeFloat() rounds as the float directive says", () => {
  const round = (text: string, word: string) =>
    encodeFloat(text, 32, changeFloatMode(defaultFloatMode, word))?.bits.toString(16);
  assertEquals(["near", "zero", "up"].map((word) => round("1.1", word)), [
    "3f8ccccd",
    "3f8ccccc",
    "3f8ccccd",
  ]);
  assertEquals(["down", "up"].map((word) => round("-1.1", word)), ["bf8ccccd", "bf8ccccc"]);
  assertEquals(["nodaz", "daz"].map((word) => round("1e-40", word)), ["116c2", "0"]);
});

Deno.test("encodeFloat() computes with as many digits as NASM and no more", () => {
  // Exactly halfway between two floats: cut off after 192 bits it is below.
  assertEquals(encodeFloat("1.5e10", 32)?.bits, 0x505F8475n);
  assertEquals(encodeFloat("15000000000.0", 32)?.bits, 0x505F8475n);
  assertEquals(encodeFloat("1.0", 64)?.bits, 0x3FF0000000000000n);
});

Deno.test("encodeFloat() says what is doubtful about a constant", () => {
  const doubt = (text: string, width: number) => encodeFloat(text, width)?.doubt;
  assertEquals(doubt("1e39", 32), "is too large and becomes infinity");
  assertEquals(doubt("255.0", 8), "is too large and becomes infinity");
  assertEquals(doubt(`1.${"1".repeat(52)}`, 64), "has more than 52 digits");
  assertEquals(doubt("0.0001", 64), undefined);
  assertEquals(doubt("1234567890123456789p", 80), "has more than 18 digits");
});

Deno.test("changeFloatMode() knows the words of the float directive", () => {
  const mode = changeFloatMode(changeFloatMode(defaultFloatMode, "up")!, "daz");
  assertEquals(mode, { rounding: "up", flushesDenormals: true });
  assertEquals(changeFloatMode(mode!, "default"), defaultFloatMode);
  assertEquals(changeFloatMode(mode!, "sideways"), undefined);
});
