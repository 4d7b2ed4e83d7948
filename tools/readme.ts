/**
 * Writes the parts of README.md that the program itself prints, between their markers:
 * `deno task readme`.
 *
 * @module
 */

import type { Report } from "../bench/bench.ts";
import { cells, HEADINGS } from "../bench/table.ts";

const readme = new URL("../README.md", import.meta.url);
const guests = new URL("../guests/", import.meta.url);
const steps = new URL("../src/cli/eight_steps.ts", import.meta.url);

const report = new URL("../bench/report/bench.json", import.meta.url);

/** The calls of `run` and `trace` that README shows. */
export const RUN = ["run", "--stats", "guests/gcd.asm"];
export const TRACE = ["trace", "--steps", "8", "guests/fibonacci.asm"];

/** README's text with the part between the markers of `name` replaced. */
export function replacePart(text: string, name: string, part: string): string {
  const begin = `<!-- ${name}: begin -->\n`;
  const end = `<!-- ${name}: end -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md has no markers for "${name}"`);
  return `${text.slice(0, from)}${begin}\n${part.trim()}\n\n${text.slice(to)}`;
}

/** The part of README's text between the markers of `name`. */
export function readPart(text: string, name: string): string {
  const found = new RegExp(`<!-- ${name}: begin -->\n([^]*?)<!-- ${name}: end -->`).exec(text);
  return found?.[1]?.trim() ?? "";
}

/** The list of the eight steps, each with a link to the line that begins it. */
export async function stepsList(): Promise<string> {
  const lines = (await Deno.readTextFile(steps)).split("\n");
  const items = lines.flatMap((line, i) => {
    const found = /^ {2}\/\/ (\d)\. (.*)$/.exec(line);
    return found ? [`${found[1]}. [${found[2]}](src/cli/eight_steps.ts#L${i + 1})`] : [];
  });
  return items.join("\n");
}

/** What the program prints, as a block of code. */
export async function outputBlock(args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", "--allow-read", "main.ts", ...args],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
  });
  const { stdout } = await command.output();
  return "```\n" + new TextDecoder().decode(stdout) + "```";
}

/** The table of the guests: what the first sentence of each says. */
export async function guestsTable(): Promise<string> {
  const names = [...Deno.readDirSync(guests)].map(({ name }) => name).filter((name) =>
    name.endsWith(".asm")
  ).sort();
  const rows = await Promise.all(names.map(async (name) => {
    const source = await Deno.readTextFile(new URL(name, guests));
    const comment = /^(?:;.*\n)+?(?=;!|;\s*\n|[^;])/.exec(source)?.[0] ?? "";
    const text = comment.replaceAll(/^;\s?/gm, "").replaceAll(/\s+/g, " ").trim();
    const sentence = /^.*?\.(?=\s|$)/.exec(text)?.[0].slice(0, -1) ?? text;
    return `| [\`${name}\`](guests/${name}) | ${sentence.replaceAll("|", "\\|")} |`;
  }));
  return ["| guest | what it shows |", "| --- | --- |", ...rows].join("\n");
}

/** The figures of the last whole run of `deno task bench`, and when and where they were measured. */
export async function speedTable(): Promise<string> {
  const { date, host, results } = JSON.parse(await Deno.readTextFile(report)) as Report;
  const rows = results.map((result) =>
    "skipped" in result
      ? [result.what, result.against, "not measured: " + result.skipped, "", "", "", ""]
      : cells(result)
  );
  const lines = [HEADINGS, HEADINGS.map(() => "---"), ...rows].map((row) =>
    `| ${row.join(" | ")} |`
  );
  const { cpu, cores, kernel, kvm, deno } = host;
  const place = `${
    date.slice(0, 10)
  }, ${cpu}, ${cores} cores, Linux ${kernel}, ${kvm}, Deno ${deno}`;
  return `${lines.join("\n")}\n\nMeasured on ${place}.`;
}

if (import.meta.main) {
  let text = await Deno.readTextFile(readme);
  text = replacePart(text, "output", await outputBlock([]));
  text = replacePart(text, "steps", await stepsList());
  text = replacePart(text, "modes", await outputBlock(["--mode", "all", "--quiet"]));
  text = replacePart(text, "run", await outputBlock(RUN));
  text = replacePart(text, "guests", await guestsTable());
  text = replacePart(text, "trace", await outputBlock(TRACE));
  text = replacePart(text, "speed", await speedTable());
  await Deno.writeTextFile(readme, text);
}
