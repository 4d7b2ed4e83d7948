/**
 * Writes README.md's table of hosts and modes from what `info --json` finds on this machine and in
 * the AMD lab: `deno task hosts`. The rows of other hosts stay.
 *
 * @module
 */

import type { Info } from "../src/cli/info.ts";
import { debugFacilities, type DebugFacility } from "../src/machine/mod.ts";
import { type Mode, modes } from "../src/x86/mod.ts";
import { readPart, replacePart } from "./readme.ts";

const facilityNames: Readonly<Record<DebugFacility, string>> = {
  singleStep: "single-step",
  hardwareBreakpoint: "hardware breakpoints",
  softwareBreakpoint: "software breakpoints",
};

const allModes = Object.keys(modes) as Mode[];

const HEADER = [
  "KVM",
  ...allModes.map((mode) => `\`${mode}\``),
  ...debugFacilities.map((facility) => facilityNames[facility]),
];

/**
 * The row of a host: its KVM, whether each mode runs, and in which of those that run a guest can be
 * stopped by each facility.
 *
 * @throws {Error} Where KVM cannot be used.
 */
export function hostsRow({ host, kvm, error }: Info): string[] {
  if (kvm === undefined) throw new Error(error);
  const running = allModes.filter((mode) => kvm.modes[mode].works);
  const facilities = debugFacilities.map((facility) => {
    const having = running.filter((mode) => kvm.modes[mode][facility].works);
    return having.length === running.length ? "yes" : having.join(", ") || "no";
  });
  const software = host!.cpu.model.startsWith("QEMU TCG") ? " on QEMU's software CPU" : "";
  return [
    `\`${host!.backend ?? "other"}\`${software}`,
    ...allModes.map((mode) => running.includes(mode) ? "yes" : "no"),
    ...facilities,
  ];
}

/** The rows of a Markdown table, without its header. */
export function rowsOf(table: string): string[][] {
  return table.split("\n").slice(2).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
}

/** The table with these rows in the place of those of the same hosts, or behind the others. */
export function withRows(table: string, rows: string[][]): string {
  const hosts = new Map([...rowsOf(table), ...rows].map((row) => [row[0], row]));
  const lines = [HEADER, HEADER.map(() => "---"), ...hosts.values()];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

if (import.meta.main) {
  const info = ["run", "--no-check", "--allow-ffi", "main.ts", "info", "--json"];
  const infos = [
    await infoOf(info),
    await infoOf(["run", "--allow-all", "tools/lab.ts", "deno", ...info]),
  ];
  const readme = new URL("../README.md", import.meta.url);
  const text = await Deno.readTextFile(readme);
  const table = withRows(readPart(text, "hosts"), infos.map(hostsRow));
  await Deno.writeTextFile(readme, replacePart(text, "hosts", table));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", readme.pathname] }).output();
}

async function infoOf(args: string[]): Promise<Info> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: new URL("..", import.meta.url),
    stderr: "inherit",
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}
