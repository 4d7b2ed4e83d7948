import { assertEquals, assertThrows } from "@std/assert";
import {
  address,
  array,
  bool8,
  bytes,
  padding,
  s32,
  s64,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../../src/kvm/struct.ts";

const point = struct("point", { x_axis: u16, y_axis: u16 });
const shape = struct("shape", {
  kind: u8,
  color: u32,
  is_filled: bool8,
  pad: padding(5),
  center: point,
  corners: array(point, 2),
  name: bytes(3),
  area: u64,
});

Deno.test("struct() lays fields out at multiples of their alignment", () => {
  const offsets = [...shape.fields].map(([name, { offset }]) => [name, offset]);
  assertEquals(offsets, [
    ["kind", 0],
    ["color", 4],
    ["is_filled", 8],
    ["pad", 9],
    ["center", 14],
    ["corners", 18],
    ["name", 26],
    ["area", 32],
  ]);
});

Deno.test("struct() rounds its size up to the largest alignment", () => {
  assertEquals([shape.size, shape.align], [40, 8]);
  const tail = struct("tail", { first: u32, last: u8 });
  assertEquals([tail.size, tail.align], [8, 4]);
  assertEquals(struct("empty", {}).size, 0);
});

const value = {
  kind: 1,
  color: 0xff00ff00,
  isFilled: true,
  center: { xAxis: 0x0102, yAxis: 0x0304 },
  corners: [{ xAxis: 1, yAxis: 2 }, { xAxis: 3, yAxis: 4 }],
  name: new Uint8Array([7, 8, 9]),
  area: 0xffff_ffff_ffff_fffen,
};

Deno.test("encode() and decode() keep every value, in camelCase and little-endian", () => {
  const encoded = shape.encode(value);
  assertEquals(shape.decode(encoded), value);
  // deno-fmt-ignore
  assertEquals([...encoded], [
    1, 0, 0, 0, 0x00, 0xff, 0x00, 0xff, 1, 0, 0, 0, 0, 0,
    2, 1, 4, 3, 1, 0, 2, 0, 3, 0, 4, 0, 7, 8, 9, 0, 0, 0,
    0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  ]);
});

Deno.test("encode() leaves what is not given zero", () => {
  assertEquals([...point.encode()], [0, 0, 0, 0]);
  assertEquals([...point.encode({ yAxis: 5 })], [0, 0, 5, 0]);
});

Deno.test("decode() reads a part of a larger buffer", () => {
  const buffer = new Uint8Array(16);
  buffer.set(point.encode({ xAxis: 6, yAxis: 7 }), 3);
  assertEquals(point.decode(buffer.subarray(3)), { xAxis: 6, yAxis: 7 });
});

Deno.test("assign() changes only the fields that are given", () => {
  const buffer = shape.encode(value);
  shape.assign(new DataView(buffer.buffer), 0, { color: 5, center: { xAxis: 8, yAxis: 9 } });
  assertEquals(shape.decode(buffer), { ...value, color: 5, center: { xAxis: 8, yAxis: 9 } });
});

Deno.test("padding() has no value and is never written", () => {
  const padded = struct("padded", { first: u8, pad: padding(3), words: padding(2, u16), last: u8 });
  const buffer = new Uint8Array(padded.size).fill(0xaa);
  padded.write(new DataView(buffer.buffer), 0, { first: 1, last: 2 });
  assertEquals([...buffer], [1, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 2, 0xaa]);
  assertEquals(padded.decode(buffer), { first: 1, last: 2 });
  const view = new DataView(buffer.buffer);
  padding(3).write(view, 0, undefined);
  assertEquals(padding(3).read(view, 0), undefined);
});

Deno.test("integers keep their sign and their width", () => {
  const integers = struct("integers", { a: s32, b: s64, c: u32, d: u64, e: u16, f: u8 });
  const least = { a: -(2 ** 31), b: -(2n ** 63n), c: 0, d: 0n, e: 0, f: 0 };
  const most = {
    a: 2 ** 31 - 1,
    b: 2n ** 63n - 1n,
    c: 2 ** 32 - 1,
    d: 2n ** 64n - 1n,
    e: 0xffff,
    f: 0xff,
  };
  assertEquals(integers.decode(integers.encode(least)), least);
  assertEquals(integers.decode(integers.encode(most)), most);
});

Deno.test("a field takes what has as many bits, signed or not, and refuses the rest", () => {
  const integers = struct("integers", { u: u32, s: s32, byte: u8, half: u16, wide: u64 });
  const fit = { u: ~1, s: 0xffff_ffff, byte: -128, half: -1, wide: -1n };
  assertEquals(integers.decode(integers.encode(fit)), {
    u: 0xffff_fffe,
    s: -1,
    byte: 0x80,
    half: 0xffff,
    wide: 2n ** 64n - 1n,
  });
  const refused = [
    { u: 2 ** 32 },
    { u: NaN },
    { u: 1.5 },
    { s: -(2 ** 31) - 1 },
    { byte: 256 },
    { half: Infinity },
    { wide: 2n ** 64n },
    { wide: -(2n ** 63n) - 1n },
  ];
  for (const value of refused) {
    const [[name, number]] = Object.entries(value) as [[string, number]];
    const message = `Cannot set ${name} of struct integers: ${number} is no integer of`;
    assertThrows(() => integers.encode(value), RangeError, message);
  }
});

Deno.test("a struct in a struct is the one that is named where it cannot hold a value", () => {
  const line = struct("line", { ends: array(struct("point", { x: u8 }), 2) });
  const message = "Cannot set x of struct point: 300 is no integer of 8 bits";
  assertThrows(() => line.encode({ ends: [{ x: 1 }, { x: 300 }] }), RangeError, message);
});

Deno.test("address holds 53 bits as a number", () => {
  const holder = struct("holder", { gpa: address });
  for (const gpa of [-1, 1.5, NaN, 2 ** 53]) {
    assertThrows(() => holder.encode({ gpa }), RangeError, "is no integer from 0 to 2⁵³ − 1");
  }
  assertEquals(holder.decode(holder.encode({ gpa: 2 ** 53 - 1 })), { gpa: 2 ** 53 - 1 });
  assertEquals(holder.size, 8);
});

Deno.test("bool8 takes every byte but 0 for true", () => {
  const holder = struct("holder", { flag: bool8 });
  assertEquals(holder.decode(new Uint8Array([0])), { flag: false });
  assertEquals(holder.decode(new Uint8Array([2])), { flag: true });
  assertEquals([...holder.encode({ flag: true })], [1]);
});

Deno.test("bytes() reads a copy", () => {
  const holder = struct("holder", { data: bytes(2) });
  const buffer = new Uint8Array([1, 2]);
  const { data } = holder.decode(buffer);
  buffer.fill(9);
  assertEquals([...data], [1, 2]);
});

Deno.test("bytes() refuses more and fewer", () => {
  const holder = struct("holder", { data: bytes(2) });
  for (const length of [1, 3]) {
    assertThrows(
      () => holder.encode({ data: new Uint8Array(length) }),
      RangeError,
      `Cannot set data of struct holder: it has ${length} bytes instead of 2`,
    );
  }
});

Deno.test("array() leaves what a shorter one lacks, and refuses a longer one", () => {
  const holder = struct("holder", { words: array(u16, 2) });
  const buffer = new Uint8Array(4).fill(0xff);
  holder.assign(new DataView(buffer.buffer), 0, { words: [1] });
  assertEquals(holder.decode(buffer), { words: [1, 0xffff] });
  assertThrows(
    () => holder.encode({ words: [1, 2, 3] }),
    RangeError,
    "Cannot set words of struct holder: it has 3 elements instead of at most 2",
  );
});

Deno.test("offsetOf() gives a field's place and names one that does not exist", () => {
  assertEquals(shape.offsetOf("corners"), 18);
  assertThrows(() => shape.offsetOf("radius"), RangeError, 'struct shape has no field "radius"');
});
