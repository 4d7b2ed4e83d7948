import { describePlace, type Diagnosis } from "../machine/mod.ts";
import type { PageWalk } from "../x86/page_walk.ts";
import type { Style } from "./output.ts";
import { registersText } from "./registers_text.ts";

/** A {@linkcode Diagnosis} for people, in lines. */
export function diagnosisText(diagnosis: Diagnosis, style: Style): string {
  const { what, place, code, registers, registersLost, stack, walks, causes } = diagnosis;
  const { bold, dim } = style;
  const parts = [`${bold(what)}\n`];
  if (place !== undefined) parts.push(`  Where: ${describePlace(place)}\n`);
  else if (!registersLost) parts.push("  Where: at an instruction that cannot be told\n");
  if (code.length > 0) parts.push(`\n${code.map((line) => codeText(line, style)).join("")}`);
  if (diagnosis.lacksPermission) {
    parts.push(dim("  Disassembling it takes the permission --allow-read\n"));
  }
  if (causes.length > 0) {
    parts.push(`\n${bold("What may have caused it")}\n`, ...causes.map((cause) => `  ${cause}\n`));
  }
  const title = registersLost ? "Registers, as KVM has reset them" : "Registers";
  parts.push(`\n${bold(title)}\n${indent(registersText(registers, { style }))}`);
  for (const walk of walks) parts.push(`\n${walkText(walk, style)}`);
  if (stack.length > 0) {
    const digits = stack.length > 1 ? Number(stack[1]!.address - stack[0]!.address) * 2 : 4;
    const words = stack.map(({ address, value, symbol }) =>
      `  ${dim(hex(address, 8))}  ${hex(value, digits)}${symbol ? `  ${symbol}` : ""}\n`
    );
    parts.push(`\n${bold("Stack")}\n`, ...words);
  } else if (!registersLost) {
    parts.push(`\n${bold("Stack")}\n  Nothing: where it points is no memory\n`);
  }
  return parts.join("");
}

function codeText(line: Diagnosis["code"][number], { bold, dim, red }: Style): string {
  const { address, bytes, text, isHere } = line;
  const shown = bytes.subarray(0, 8).toHex();
  const place = line.line === undefined ? "" : dim(`  ; ${line.line}`);
  const rest = `${dim(hex(address, 4))}  ${(shown + (bytes.length > 8 ? "…" : "")).padEnd(18)} `;
  return isHere ? `${red(">")} ${rest}${bold(text)}${place}\n` : `  ${rest}${text}${place}\n`;
}

function walkText({ linear, paging, steps, physical, pageSize, problem }: PageWalk, style: Style) {
  const { bold, red } = style;
  const lines = steps.map(({ table, index, address, entry, bits }) => {
    const value = entry === undefined ? "no memory" : hex(entry, 16);
    return `  ${table.padEnd(4)} entry ${String(index).padStart(3)} at ${
      hex(address, 8)
    }  ${value} ${bits.join(" ")}`.trimEnd() + "\n";
  });
  const end = physical === undefined
    ? red(`no page is mapped: ${problem}`)
    : `physical address 0x${physical.toString(16)}, in a page of ${pageSize! / 1024} KiB`;
  return `${bold(`Page walk of 0x${linear.toString(16)}`)} (${paging} paging)\n${
    lines.join("")
  }  ${end}\n`;
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
