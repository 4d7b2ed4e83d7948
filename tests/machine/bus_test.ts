import { assertEquals, assertThrows } from "@std/assert";
import { Bus } from "../../src/machine/mod.ts";

Deno.test("Bus.attach() refuses what is no range, and what another device has", () => {
  const bus = new Bus("ports");
  for (const first of [-1, 0.5, NaN, Infinity]) {
    assertThrows(() => bus.attach({ first }, {}), RangeError, `from ${first} on`);
  }
  for (const length of [0, -1, NaN]) {
    assertThrows(() => bus.attach({ first: 0, length }, {}), RangeError, `${length} ports`);
  }
  bus.attach({ first: 8, length: 8 }, {});
  const taken = "another has 0x8–0xf";
  assertThrows(() => bus.attach({ first: 15 }, {}), RangeError, taken);
  assertThrows(() => bus.attach({ first: 0, length: 9 }, {}), RangeError, taken);
  bus.attach({ first: 0, length: 8 }, {});
  bus.attach({ first: 16, length: Infinity }, {});
});

Deno.test("Bus hands an access as a whole to the device in whose range it begins", () => {
  const bus = new Bus("ports");
  const seen: string[] = [];
  const device = (name: string) => ({
    read: (offset: number, data: Uint8Array) => void data.fill(offset),
    write: (offset: number, data: Uint8Array) => void seen.push(`${name} ${offset}: ${data}`),
  });
  bus.attach({ first: 10, length: 2 }, device("a"));
  bus.attach({ first: 12 }, device("b"));
  bus.write(11, Uint8Array.of(1, 2, 3, 4));
  bus.write(12, Uint8Array.of(5));
  assertEquals(seen, ["a 1: 1,2,3,4", "b 0: 5"]);
  assertEquals(bus.write(9, Uint8Array.of(1, 2)), false);
  const data = new Uint8Array(2);
  assertEquals([bus.read(11, data), ...data], [true, 1, 1]);
  assertEquals(bus.read(13, data), false);
});
