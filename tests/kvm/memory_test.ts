import { assertEquals } from "@std/assert";
import { cString, libc } from "../../src/kvm/libc.ts";
import { Mapping, PAGE_SIZE } from "../../src/kvm/memory.ts";
import { failing } from "./faulty_libc.ts";

const size = 64 * 2 ** 20;

/** How many pages of a mapping are in memory or in the swap. */
function touched({ address }: Mapping): number {
  using map = Deno.openSync("/proc/self/pagemap");
  const entries = new Uint8Array(8 * size / PAGE_SIZE);
  map.seekSync(8 * Number(address) / PAGE_SIZE, Deno.SeekMode.Start);
  assertEquals(map.readSync(entries), entries.length);
  return entries.filter((byte, i) => i % 8 === 7 && byte >>> 6 !== 0).length;
}

for (
  const [what, system] of [
    ["", libc()],
    [" where /proc is not there", failing("open", 2)],
  ] as const
) {
  Deno.test(`writtenPages() of fresh memory has the pages that are not all zero${what}`, () => {
    using memory = new Mapping(system, size, { what: "memory" });
    assertEquals([...memory.writtenPages()], []);
    const written = [0, 1, 511, 512, 8000, size / PAGE_SIZE - 1];
    for (const page of written) memory.bytes[page * PAGE_SIZE + page % PAGE_SIZE] = 1 + page % 255;
    memory.bytes[5 * PAGE_SIZE] = 0; // touched, and all zero
    const found = [...memory.writtenPages()];
    assertEquals(found.map(([offset]) => offset / PAGE_SIZE), written);
    for (const [offset, page] of found) {
      assertEquals(page, memory.bytes.subarray(offset, offset + PAGE_SIZE));
    }
  });
}

Deno.test("writtenPages() touches no page of fresh memory", () => {
  using memory = new Mapping(libc(), size, { what: "memory" });
  memory.bytes[3 * PAGE_SIZE] = 1;
  const before = touched(memory);
  assertEquals([...memory.writtenPages()].length, 1);
  assertEquals(touched(memory), before);
});

Deno.test("writtenPages() of a file has what was in it before it was mapped", () => {
  const { memfd_create, ftruncate, close } = libc();
  const fd = memfd_create(cString("file"), 0);
  try {
    ftruncate(fd, BigInt(4 * PAGE_SIZE));
    const written = { fd, what: "a file" };
    {
      using memory = new Mapping(libc(), 4 * PAGE_SIZE, written);
      memory.bytes[2 * PAGE_SIZE + 7] = 9;
    }
    for (const options of [written, { ...written, private: true }]) {
      using memory = new Mapping(libc(), 4 * PAGE_SIZE, options);
      using shared = new Mapping(libc(), 4 * PAGE_SIZE, { what: "", shared: memory.share() });
      for (const mapping of [shared, memory]) {
        assertEquals([...mapping.writtenPages()].map(([offset]) => offset), [2 * PAGE_SIZE]);
      }
    }
  } finally {
    close(fd);
  }
});
