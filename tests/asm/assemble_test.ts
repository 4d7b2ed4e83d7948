import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";
import { assertSameAsNasm, nasmTest, runNasm, toHex } from "./nasm.ts";

function hex(source: string): string {
  return toHex(assemble(source).bytes);
}

Deno.test("assemble() makes the bytes of a small real-mode guest", () => {
  const source = `
    mov si, message
.next:
    lodsb
    test al, al
    jz .done
    out 0xE9, al
    jmp .next
.done:
    mov word [0x400], 42
    mov ax, [0x400]
    hlt
message: db "Hi", 10, 0`;
  assertEquals(
    hex(source),
    "be 16 00 ac 84 c0 74 04 e6 e9 eb f7 c7 06 00 04 2a 00 a1 00 04 f4 48 69 0a 00",
  );
});

Deno.test("assemble() starts in 16-bit mode, or in the mode it is given", () => {
  assertEquals(hex("mov eax, 1"), "66 b8 01 00 00 00");
  assertEquals([...assemble("mov eax, 1", { bits: 32 }).bytes], [0xB8, 1, 0, 0, 0]);
  assertEquals(assemble("bits 64\nnop").bits, 64);
});

Deno.test("assemble() counts addresses from org, or from the origin it is given", () => {
  assertEquals(hex("org 0x7c00\nx: dw x, $, $$"), "00 7c 00 7c 00 7c");
  assertEquals([...assemble("x: dw x", { origin: 0x7C00 }).bytes], [0, 0x7C]);
  assertEquals(assemble("org 0x7c00\nnop").origin, 0x7C00);
});

Deno.test("assemble() gives labels and equ values by name", () => {
  const { symbols } = assemble("org 0x100\na: nop\n.b: nop\nc equ 0xFFFFFFFF00\nd equ $-a");
  assertEquals(
    symbols,
    new Map([["a", 0x100n], ["a.b", 0x101n], ["c", 0xFFFFFFFF00n], ["d", 2n]]),
  );
});

Deno.test("assemble() maps each line to its bytes", () => {
  const { listing } = assemble("org 0x100\nmov ax, 1\nhlt", { name: "a.asm" });
  assertEquals(
    listing.map(({ offset, address, length, file, line }) => [offset, address, length, file, line]),
    [[0, 0x100, 0, "a.asm", 1], [0, 0x100, 3, "a.asm", 2], [3, 0x103, 1, "a.asm", 3]],
  );
});

Deno.test("assemble() names the file, line and column of an error, and marks the token", () => {
  const error = assertThrows(
    () => assemble("nop\n\tmov ax, foo", { name: "real.asm" }),
    AssemblyError,
  );
  assertEquals([error.file, error.line, error.column, error.length], ["real.asm", 2, 10, 3]);
  assertEquals(
    error.message,
    'real.asm:2:10: Symbol "foo" is not defined\n  \tmov ax, foo\n  \t        ^~~',
  );
});

Deno.test("assemble() shows of a long line what is around the error", () => {
  const messageOf = (source: string) =>
    assertThrows(() => assemble(source), AssemblyError).message.split("\n");
  const sum = "1 + ".repeat(100);
  const inside = messageOf(`dw ${sum}foo + ${sum}1`);
  const [before, after] = [sum.slice(-100), ` + ${sum}`.slice(0, 97)];
  assertEquals(inside, [
    '<source>:1:404: Symbol "foo" is not defined',
    `  …${before}foo${after}…`,
    `  ${" ".repeat(101)}^~~`,
  ]);
  assertEquals(messageOf(`dw foo + ${sum}1`)[1], `  ${`dw foo + ${sum}`.slice(0, 200)}…`);
  assertEquals(messageOf(`dw ${sum}foo`)[1], `  …${`${sum}foo`.slice(-200)}`);
});

Deno.test("assemble() names the mode in which an instruction would assemble", () => {
  const reasons = {
    "push rax": "push rax needs bits 64",
    "x: MOV r8d, [rbx]  ; why": "MOV r8d, [rbx] needs bits 64",
    "lock add dword [rip_relative + rax], 1\nrip_relative:":
      "add dword [rip_relative + rax], 1 needs bits 64",
    "swapgs": "swapgs needs bits 64",
    "bits 64\npusha": "pusha needs bits 16 or 32",
    "bits 64\nmov ax, [bx]": "mov ax, [bx] needs bits 16 or 32",
    "bits 32\njmp rax": "jmp rax needs bits 64",
    // In no mode:
    "mov al, bx": "There is no mov with operands of 8 and 16 bits: both must have the same size",
    "jmp short $+500": "The short jump is out of range: 498 is not in -128 to 127: leave out short",
  };
  for (const [source, reason] of Object.entries(reasons)) {
    assertEquals(assertThrows(() => assemble(source), AssemblyError).reason, reason, source);
  }
});

Deno.test("assemble() says which CPU lacks an instruction", () => {
  const error = assertThrows(() => assemble("cpu 8086\npusha"), AssemblyError);
  assertEquals(error.reason, "CPU 8086 has no such pusha");
});

Deno.test("assemble() reports every wrong line", () => {
  for (const source of ["bogus ax\nnop\nmov 'x, ax", "mov ax\nnop\nmov al, ebx"]) {
    const error = assertThrows(() => assemble(source), AssemblyError);
    assertEquals(error.errors.map(({ line }) => line), [1, 3]);
  }
});

const program = `
bits 16
org 0x1000
start:  cli
        xor ax, ax
        mov ds, ax
        lgdt [gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 8:protected
bits 32
protected:
        mov ax, 0x10
        mov ss, ax
        mov esp, 0x7000
        mov ecx, 0xC0000080
        rdmsr
        or eax, 1 << 8
        wrmsr
        mov byte [es:edi+4*ecx+end-start], 5
        lea eax, [eax*2]
        add dword [ebx-128], 300
        rep movsd
        call start
        loop protected
        jmp 16:long_mode
bits 64
long_mode:
        mov rax, 0x123456789ABCDEF0
        mov rax, -1
        mov r9d, [rel gdtr]
        push r15
        inc qword [r13+r12*8]
        cpuid
        jnz start
        times 3 stosq
        int 0x80
        hlt
length  equ end - start
gdtr:   dw length, "ab", 'c'
        dd gdtr, -1
        dq $ - $$, gdtr
        times 512 - ($ - $$) db 0
end:
`;

nasmTest("assemble() makes NASM's bytes of a program that goes through all modes", () => {
  assertSameAsNasm(program);
});

nasmTest("assemble() finds the jump sizes that NASM finds", () => {
  // Jumps that reach just within and just beyond a short jump, and grow each other.
  const lines: string[] = [];
  for (let i = 0; i < 60; i++) {
    lines.push(
      `f${i}:`,
      `jmp f${i + 30}`,
      `times ${i % 5} nop`,
      `jz f${Math.max(0, i - 35 + i % 9)}`,
    );
  }
  for (let i = 60; i < 90; i++) lines.push(`f${i}: nop`);
  assertSameAsNasm(lines.join("\n"));
});

nasmTest("assemble() refuses what NASM refuses", () => {
  for (const source of ["mov al, bx", "inc [bx]", "mov ax, [cx]", "jmp short $+200", "push rax"]) {
    assertEquals(runNasm(source).bytes, undefined, source);
    const error = assertThrows(() => assemble(source), AssemblyError);
    assertStringIncludes(error.message, "<source>:1:");
  }
});

nasmTest("assemble() takes for incbin what NASM takes", () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/bytes`;
    Deno.writeFileSync(path, Uint8Array.from({ length: 8 }, (_, i) => i));
    const readBytes = Deno.readFileSync;
    const right = ["2", "2, 3", "9", "lab", "lab, lab2 - lab", "two", "0, two"];
    for (const part of right) {
      const source = `two equ 2\nnop\nlab: nop\nlab2: incbin "${path}", ${part}\n`;
      assertEquals(
        toHex(assemble(source, { readBytes }).bytes),
        toHex(runNasm(source).bytes!),
        part,
      );
    }
    for (const part of ["later", "0, later", "-1", "2 * lab", "ax"]) {
      const source = `nop\nlab: incbin "${path}", ${part}\nlater equ 1\n`;
      assertThrows(() => assemble(source, { readBytes }), AssemblyError);
      assertEquals(runNasm(source).bytes, undefined, part);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
