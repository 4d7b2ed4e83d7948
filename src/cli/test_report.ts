import { quote } from "../guest/mod.ts";
import { type Style, terminalStyle, write } from "./output.ts";
import type { Failure, GuestResult } from "./test_guest.ts";

/** The sums of a run; also a part of its JSON. */
export interface Summary {
  host: string;
  passed: number;
  failed: number;
  skipped: number;
  /** With `--fail-fast`, or because of Ctrl-C. */
  notRun: number;
  /** Whether Ctrl-C ended it. */
  interrupted: boolean;
  milliseconds: number;
}

/** How a run is told, on stdout. */
export interface Report {
  start(run: { count: number; host: string; jobs: number }): void;
  /** Comes in the order of the files. */
  result(result: GuestResult): void;
  end(results: readonly GuestResult[], summary: Summary): void;
}

/** The kinds of reports. */
export const reports = {
  text: async () => textReport(await terminalStyle()),
  tap: () => tapReport,
  json: () => jsonReport,
} as const satisfies Record<string, () => Report | Promise<Report>>;

/** Like `deno test`: a line each, then the failures in full, then the sum. */
function textReport(style: Style): Report {
  const { bold, dim, green, red, yellow } = style;
  const words = { passed: green("ok"), failed: red("FAILED"), skipped: yellow("skipped") };
  return {
    start({ count, host, jobs }) {
      const guests = count === 1 ? "guest" : "guests";
      const most = jobs === 1 ? "one" : `up to ${jobs}`;
      write(`running ${count} ${guests} on ${host}, ${most} at a time\n`);
    },
    result({ file, outcome, milliseconds, reason }) {
      const note = reason ?? duration(milliseconds);
      write(`${file} ... ${words[outcome]} ${dim(`(${note})`)}\n`);
    },
    end(results, { passed, failed, skipped, notRun, interrupted, milliseconds }) {
      const failures = results.filter(({ outcome }) => outcome === "failed");
      if (failures.length > 0) write(`\n${bold(red("FAILURES"))}\n\n`);
      for (const { file, failures: all, output, log, warnings } of failures) {
        write(`${bold(file)}\n`);
        for (const failure of all) write(indent(describe(failure)));
        for (const warning of warnings) write(indent(yellow(warning)));
        if (output !== "") {
          const quoted = quote(new TextEncoder().encode(output));
          write(indent(dim(`its output: ${shorten(quoted)}`)));
        }
        if (log.length > 0) write(indent(dim(["its log:", ...log].join("\n  "))));
        write("\n");
      }
      const rest = notRun > 0 ? ` | ${notRun} not run` : "";
      const verdict = failed > 0
        ? red("FAILED")
        : interrupted
        ? yellow("interrupted")
        : green("ok");
      const sum = `${passed} passed | ${failed} failed | ${skipped} skipped${rest}`;
      write(
        `${failures.length > 0 ? "" : "\n"}${verdict} | ${sum} ${
          dim(`(${duration(milliseconds)})`)
        }\n`,
      );
    },
  };
}

/** The Test Anything Protocol, version 14 (https://testanything.org). */
const tapReport: Report = (() => {
  let number = 0;
  return {
    start({ count }) {
      write(`TAP version 14\n1..${count}\n`);
    },
    result({ file, outcome, milliseconds, reason, failures, log, warnings }) {
      // A # would begin a directive.
      const name = file.replaceAll(/[\\#]/g, "\\$&");
      const verdict = outcome === "failed" ? "not ok" : "ok";
      const skip = outcome === "skipped" ? ` # SKIP ${reason}` : "";
      write(`${verdict} ${++number} - ${name}${skip}\n`);
      const details = {
        duration_ms: Number(milliseconds.toFixed(3)),
        ...(failures.length > 0 && { failures: failures.map(describe) }),
        ...(warnings.length > 0 && { warnings }),
        ...(log.length > 0 && { log }),
      };
      write(`  ---\n${yaml(details)}  ...\n`);
    },
    end(_results, { notRun, interrupted }) {
      const why = interrupted ? "because of Ctrl-C" : "after a failure";
      if (notRun > 0) write(`Bail out! ${notRun} were not run ${why}\n`);
    },
  };
})();

/** JSON strings are YAML. */
function yaml(details: Record<string, unknown>): string {
  return Object.entries(details).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}\n`)
    .join("");
}

const jsonReport: Report = {
  start() {},
  result() {},
  end(results, summary) {
    write(`${JSON.stringify({ ...summary, guests: results }, null, 2)}\n`);
  },
};

/** A JUnit XML file, as CI services read it: a suite, a case each. */
export function junit(results: readonly GuestResult[], summary: Summary): string {
  const { host, failed, skipped, milliseconds } = summary;
  const cases = results.map(({ file, milliseconds, reason, failures, log, warnings }) => {
    const name = `classname="${escape(file.replace(/\/?[^/]*$/, "") || ".")}" ` +
      `name="${escape(file.replace(/.*\//, ""))}" time="${seconds(milliseconds)}"`;
    if (reason !== undefined) {
      return `    <testcase ${name}>\n      <skipped message="${
        escape(reason)
      }"/>\n    </testcase>\n`;
    }
    const said = [...warnings, ...log].map(escape).join("\n");
    const parts = [
      ...(failures.length === 0 ? [] : [failureElement(failures)]),
      ...(said === "" ? [] : [`      <system-out>${said}</system-out>\n`]),
    ];
    return parts.length === 0
      ? `    <testcase ${name}/>\n`
      : `    <testcase ${name}>\n${parts.join("")}    </testcase>\n`;
  });
  const attributes = `tests="${results.length}" failures="${failed}" errors="0" ` +
    `skipped="${skipped}" time="${seconds(milliseconds)}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${attributes}>\n` +
    `  <testsuite name="hlt on ${escape(host)}" ${attributes}>\n${cases.join("")}` +
    `  </testsuite>\n</testsuites>\n`;
}

function failureElement(failures: readonly Failure[]): string {
  const message = failures[0]!.message.split("\n", 1)[0]!;
  const text = failures.map(describe).join("\n");
  return `      <failure message="${escape(message)}">${escape(text)}</failure>\n`;
}

/** What XML 1.0 cannot have at all, not even escaped, becomes a question mark. */
function escape(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\n": "&#10;",
    "\t": "&#9;",
  };
  return text.replaceAll(/[&<>"\n\t]/g, (character) => entities[character]!)
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u001f\ufffe\uffff]/g, "?");
}

/** `guests/x.asm:5: Expected ax = 42, found ax = 41 (0x29)` */
function describe({ file, line, message }: Failure): string {
  return `${line === undefined ? file : `${file}:${line}`}: ${message}`;
}

function indent(text: string): string {
  return text.split("\n").map((line) => `  ${line}\n`).join("");
}

const LONG_OUTPUT = 300;

function shorten(text: string): string {
  return text.length <= LONG_OUTPUT ? text : `${text.slice(0, LONG_OUTPUT)}…`;
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)}ms` : `${seconds(milliseconds)}s`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
