import { assertEquals } from "@std/assert";
import { bitNames, describeErrorCode, describeException } from "../../src/x86/bits.ts";

Deno.test("bitNames() names the bits that are set, the lowest first", () => {
  assertEquals(bitNames("rflags", 0x2n), []);
  assertEquals(bitNames("rflags", 0x246n), ["PF", "ZF", "IF"]);
  assertEquals(bitNames("rflags", 0x3002n), ["IOPL=3"]);
  assertEquals(bitNames("cr0", 0x8000_0031n), ["PE", "ET", "NE", "PG"]);
  assertEquals(bitNames("cr4", 0x6b0n), ["PSE", "PAE", "PGE", "OSFXSR", "OSXMMEXCPT"]);
  assertEquals(bitNames("efer", 0xd01n), ["SCE", "LME", "LMA", "NXE"]);
});

Deno.test("bitNames() gives a bit without a name by its number", () => {
  assertEquals(bitNames("cr0", (1n << 63n) | 1n), ["PE", "bit 63"]);
});

Deno.test("describeException() names the exception of a vector", () => {
  assertEquals(describeException(14), "#PF, a page fault");
  assertEquals(describeException(0x80), "vector 128");
});

Deno.test("describeErrorCode() says what was tried, or which selector is at fault", () => {
  assertEquals(describeErrorCode(14, 0), "a read in supervisor mode: the page is not present");
  assertEquals(describeErrorCode(14, 7), "a write in user mode: the page is protected");
  assertEquals(
    describeErrorCode(14, 0x19),
    "an instruction fetch in supervisor mode: a reserved bit is set in an entry",
  );
  assertEquals(describeErrorCode(21, 3), "an indirect jump or call to what is no ENDBRANCH");
  assertEquals(describeErrorCode(21, 9), "error code 9");
  assertEquals(describeErrorCode(13, 0), "no selector");
  assertEquals(describeErrorCode(13, 1), "no selector");
  assertEquals(describeErrorCode(13, 0x73), "entry 14 of the IDT");
  assertEquals(describeErrorCode(13, 0x10), "entry 2 of the GDT");
  assertEquals(describeErrorCode(13, 0x14), "entry 2 of the LDT");
  assertEquals(describeErrorCode(13, 0x82), "entry 16 of the IDT");
});
