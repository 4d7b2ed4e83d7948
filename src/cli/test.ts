import { hostBackend, Kvm } from "../kvm/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { openOutput } from "./output_file.ts";
import { findGuests } from "./test_files.ts";
import type { GuestResult } from "./test_guest.ts";
import { proveAll } from "./test_pool.ts";
import { junit, type Report, reports, type Summary } from "./test_report.ts";
import { parseOptions, UsageError } from "./usage.ts";

/** `test`: the test runner for bare-metal code. */
export const test: Command = {
  help: `Prove guests: run each in a virtual machine as good as new, as its ;! directives say.

Usage: deno run --allow-ffi --allow-read main.ts test [OPTION…] PATH…

A folder stands for every .asm, .s and .nasm file in it and below; a file that is named is a guest
whatever it is called.

Options:
  --jobs N       how many run at the same time at most (default: one a CPU); each but one takes a
                 thread, which is started where it is worth its cost
  --filter TEXT  only those whose path contains TEXT
  --fail-fast    start no other once one has failed
  --json         print one JSON document instead: host, passed, failed, skipped, notRun,
                 interrupted (by Ctrl-C), milliseconds, and guests, each with file, outcome
                 (passed, failed, skipped), milliseconds, reason (where it was skipped), failures
                 (file, line, message, expected, found), output, log (with io: log) and warnings
  --tap          print TAP version 14 instead
  --junit FILE   write a JUnit XML file too (takes --allow-write)
  --help         this

Ctrl-C ends the guests that are running, which then count as not run, and reports the others.

Exit codes: 0 all proved, or skipped because this host lacks the CPU mode; 1 at least one failed;
2 bad usage, or no guest found; 3 KVM cannot be used here; 130 Ctrl-C.`,
  run: async (args) => {
    const { files, jobs, failFast, format, junitPath } = readOptions(args);
    using junitFile = junitPath === undefined ? undefined : openOutput(junitPath, files);
    // Where KVM cannot be used at all, that is one error and not one a guest.
    Kvm.open().close();
    const start = performance.now();
    const host = hostBackend() ?? "kvm";
    const report: Report = await reports[format]();
    report.start({ count: files.length, host, jobs });
    const interruption = new AbortController();
    const { signal } = interruption;
    const interrupt = () => interruption.abort();
    Deno.addSignalListener("SIGINT", interrupt);
    try {
      const results = await proveAll(files, {
        jobs,
        failFast,
        signal,
        result: (result) => report.result(result),
      });
      const interrupted = signal.aborted;
      const summary = summarize(results, { host, total: files.length, interrupted, start });
      junitFile?.write(junit(results, summary));
      report.end(results, summary);
      if (interrupted) return exitCode.interrupted;
      return summary.failed > 0 ? exitCode.failed : exitCode.proved;
    } finally {
      Deno.removeSignalListener("SIGINT", interrupt);
    }
  },
};

interface TestOptions {
  files: string[];
  jobs: number;
  failFast: boolean;
  format: keyof typeof reports;
  junitPath: string | undefined;
}

function readOptions(args: string[]): TestOptions {
  const { flags, values, words } = parseOptions(args, {
    flags: ["fail-fast", "json", "tap"],
    values: ["jobs", "filter", "junit"],
  });
  if (words.length === 0) throw new UsageError("There is nothing to test: test [OPTION…] PATH…");
  if (flags.has("json") && flags.has("tap")) {
    throw new UsageError("The options --json and --tap exclude each other");
  }
  const jobs = values.get("jobs") ?? String(navigator.hardwareConcurrency);
  if (!/^[1-9]\d{0,2}$/.test(jobs)) {
    throw new UsageError(`The option --jobs takes a number from 1 to 999, not "${jobs}"`);
  }
  const filter = values.get("filter") ?? "";
  const found = findGuests(words);
  const files = found.filter((file) => file.includes(filter));
  if (files.length === 0) {
    throw new UsageError(
      found.length === 0
        ? `There is no guest in ${words.join(", ")}: no .asm, .s or .nasm file`
        : `The path of no guest contains "${filter}" (there are ${found.length} others)`,
    );
  }
  const threads = Math.min(Number(jobs), files.length);
  if (threads > 1) requireWorkers();
  return {
    files,
    jobs: threads,
    failFast: flags.has("fail-fast"),
    format: flags.has("json") ? "json" : flags.has("tap") ? "tap" : "text",
    junitPath: values.get("junit"),
  };
}

/** @throws {UsageError} When Deno may not load this program's modules anew, as workers do. */
function requireWorkers(): void {
  const modules = new URL("../", import.meta.url);
  if (modules.protocol !== "file:") return;
  if (Deno.permissions.querySync({ name: "read", path: modules }).state === "granted") return;
  throw new UsageError(
    "Cannot test several guests at a time: Deno was not given the permission to read the modules " +
      "of this program. Run with --allow-read, or give --jobs 1",
  );
}

function summarize(
  results: readonly GuestResult[],
  { host, total, interrupted, start }: {
    host: string;
    total: number;
    interrupted: boolean;
    start: number;
  },
): Summary {
  const count = (outcome: GuestResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    host,
    passed: count("passed"),
    failed: count("failed"),
    skipped: count("skipped"),
    notRun: total - results.length,
    interrupted,
    milliseconds: performance.now() - start,
  };
}
