import { assertEquals, assertThrows } from "@std/assert";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";

/** What is said of a source, with the place. */
function saidOf(source: string): string {
  const { line, column, reason } = assertThrows(() => assemble(source), AssemblyError, "", source);
  return `${line}:${column}: ${reason}`;
}

function assertSaid(mistakes: Record<string, string>): void {
  const said = Object.keys(mistakes).map((source) => [source, saidOf(source)]);
  assertEquals(Object.fromEntries(said), mistakes);
}

Deno.test("assemble() says which operand is wrong, and what it is to be", () => {
  assertSaid({
    "mov eax": "1:5: mov takes 2 operands, not 1",
    "int": "1:1: int takes 1 operand, not 0",
    "add ax, bx, cx": "1:5: add takes 2 operands, not 3",
    "mov ax, bl":
      "1:5: There is no mov with operands of 16 and 8 bits: both must have the same size; " +
      "movzx and movsx extend",
    "add al, bx":
      "1:5: There is no add with operands of 8 and 16 bits: both must have the same size",
    "movzx eax, ebx": "1:7: Operand 2 of movzx has 8 or 16 bits here, not 32",
    "push al": "1:6: The operand of push has 16 or 32 bits here, not 8",
    "mov [bx], [si]":
      "1:5: mov takes one operand in memory, not two: load one into a register first",
    "mov 5, ax": "1:5: Operand 1 of mov cannot be a number here",
    "mov ds, 0x10": "1:5: Operand 2 of mov is a register or memory here, not a number: " +
      "load it into a register first",
    "mul 5": "1:5: The operand of mul is a register or memory here, not a number",
    "shl ax, bl": "1:5: Operand 2 of shl is cl or a number here, not bl",
    "in ax, bx": "1:4: Operand 2 of in is dx or a number here, not bx",
    "out 0x60, bl": "1:5: Operand 2 of out is al, ax or eax here, not bl",
    "lgdt gdt\ngdt:": "1:6: The operand of lgdt is memory here, not a number: " +
      "write brackets around an address",
    "lea ax, bx": "1:5: Operand 2 of lea is memory here, not bx",
    "loop cx": "1:6: The operand of loop is a label here, not cx",
    "mov eax, xmm0": "1:5: Operand 2 of mov cannot be xmm0 here",
    "vaddps ymm0, xmm1": "1:8: Operand 2 of vaddps is a YMM register or memory here, not xmm1",
    "vaddps ymm0, ymm1, oword [0]": "1:8: Operand 3 of vaddps has 256 bits here, not 128",
    "vgatherdps xmm0, [eax + ymm1], xmm2":
      "1:12: Operand 2 of vgatherdps is memory indexed by an XMM register here, not memory",
    "vgatherdps xmm0, [eax*2 + xmm1], xmm2":
      "1:18: Beside xmm1 an address has one general register, and that without a factor",
    "fld ax": "1:5: The operand of fld is an x87 register or memory here, not ax",
    "mov ax, [cx]": "1:9: A 16-bit address is made of bx or bp, si or di, and a number",
    "jmp short x\ntimes 200 nop\nx:":
      "1:5: The short jump is out of range: 200 is not in -128 to 127: leave out short",
    "loop x\ntimes 200 nop\nx:":
      "1:6: The short jump is out of range: 200 is not in -128 to 127: it has no other form",
    "times 600 nop\ntimes 510-($-$$) db 0":
      "2:7: times takes a number from 0 to 268435456, not -90: " +
      "does what it is to fill up hold too much already?",
  });
});

Deno.test("assemble() says what a misspelt word may have been", () => {
  assertSaid({
    "move ax, bx": '1:1: Unknown instruction "move": is it mov?',
    "mvo ax, bx": '1:1: Unknown instruction "mvo": is it mov?',
    "start: jmp strat": '1:12: Symbol "strat" is not defined: is it start?',
    "Start: jmp start": '1:12: Symbol "start" is not defined: is it Start?',
    "jmp nowhere": '1:5: Symbol "nowhere" is not defined',
    "vaddps zmm0, zmm1": '1:8: Symbol "zmm0" is not defined: there is no AVX-512 here',
    "mov ax, FFh": '1:9: Symbol "FFh" is not defined: a number begins with a digit, 0FFh',
    "mov eax ebx": '1:9: Expected the end of the line, found "ebx": is a comma missing?',
    "mov byte [bx] 3": '1:15: Expected the end of the line, found "3": is a comma missing?',
    "ax: db 5": '1:1: Unknown instruction "ax": it is a register',
    "// start": '1:1: Expected an instruction, found "//": a comment begins with ";"',
  });
});

Deno.test("assemble() says what NASM has for words of GAS and MASM", () => {
  assertSaid({
    "mov %eax, %ebx": '1:5: Expected an expression, found "%": ' +
      "NASM's syntax has registers without %, and the destination first",
    "movl $5, %eax":
      `1:1: Unknown instruction "movl": NASM's syntax has mov, and its destination first`,
    ".globl main": `1:1: Unknown instruction ".globl": NASM's syntax has global`,
    ".byte 5": `1:1: Unknown instruction ".byte": NASM's syntax has db`,
    "mov ax, offset x\nx:": '1:16: Expected the end of the line, found "x": ' +
      "a name is its address, without offset",
    "mov ax, word ptr [bx]": '1:14: Symbol "ptr" is not defined: ' +
      "NASM's syntax has byte, word, dword and qword without ptr",
    "main proc": `1:6: Unknown instruction "proc": NASM's syntax has a label for it`,
    ".model small":
      `1:1: Unknown instruction ".model": NASM's syntax has nothing for it: leave it out`,
    '#include "x"': "1:1: Unknown directive #include: NASM's syntax has %include",
  });
});

Deno.test("assemble() warns of .text and the like, which are labels", () => {
  assertEquals(assemble(".text").warnings.map(({ message }) => message), [
    "The label .text stands alone without a colon: NASM's syntax has section .text and the like",
  ]);
});
