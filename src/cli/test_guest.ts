import { AssemblyError } from "../asm/mod.ts";
import { GuestError, type Program, readGuest } from "../guest/mod.ts";
import { KvmError } from "../kvm/mod.ts";
import {
  describeAccess,
  describePlace,
  diagnose,
  type Machine,
  type Proof,
  type Prover,
  View,
} from "../machine/mod.ts";

/** What came of a guest; this is also its JSON. */
export interface GuestResult {
  file: string;
  outcome: "passed" | "failed" | "skipped";
  milliseconds: number;
  /** Why it was skipped. */
  reason?: string;
  /** What is wrong with it, where it failed. */
  failures: Failure[];
  /** What it wrote to its console, as text. */
  output: string;
  /** The accesses that nobody answered, with `io: log`: the first {@linkcode LONGEST_LOG}. */
  log: string[];
  /** What is doubtful about its source. */
  warnings: string[];
}

/** More accesses are only counted. */
const LONGEST_LOG = 32;

/** One thing that is wrong with a guest. */
export interface Failure {
  /** The file, and the line of the directive or instruction where one is known. */
  file: string;
  line?: number;
  message: string;
  /** The expectation, and what was found instead. */
  expected?: string;
  found?: string;
}

/**
 * Proves the guest in a file. Whatever is wrong with it is its result, never an exception.
 *
 * @param options `signal`: stops it from outside.
 * @returns What came of it; nothing where it was stopped.
 */
export async function proveFile(
  file: string,
  options: { prover: Prover; signal: AbortSignal },
): Promise<GuestResult | undefined> {
  const start = performance.now();
  const result = await proveOrExplain(file, options);
  return result && { file, ...result, milliseconds: performance.now() - start };
}

type Judged = Omit<GuestResult, "file" | "milliseconds">;

async function proveOrExplain(
  file: string,
  { prover, signal }: { prover: Prover; signal: AbortSignal },
): Promise<Judged | undefined> {
  const found = { output: "", log: [] as string[], warnings: [] as string[] };
  const failed = (...failures: Failure[]): Judged => ({ outcome: "failed", failures, ...found });
  try {
    const program = readGuest(file);
    found.warnings.push(...program.warnings);
    if (!program.settings.expect.some(({ line }) => line > 0)) {
      const message = "It expects nothing, so that nothing can be proved. " +
        "Add what must be true in the end: ;! expect: ax = 42";
      return failed({ file, message });
    }
    let crash: Failure | undefined;
    let logged = 0;
    const proof = await prover.prove(program, {
      signal,
      log(machine, exit) {
        if (++logged > LONGEST_LOG) return;
        found.log.push(describeAccess(new View(machine, program), exit));
      },
      async inspect(machine, proof) {
        crash = await explain(program, { machine, proof });
      },
    });
    if (proof.outcome === "interrupted") return undefined;
    if (logged > LONGEST_LOG) found.log.push(`and ${logged - LONGEST_LOG} more`);
    found.output = new TextDecoder().decode(proof.output);
    if (proof.outcome === "unsupported") {
      return { outcome: "skipped", reason: proof.lacks!, failures: [], ...found };
    }
    // What a guest that crashed left behind says nothing.
    const failures = crash === undefined ? unmet(program, proof) : [crash];
    return failures.length > 0 ? failed(...failures) : { outcome: "passed", failures, ...found };
  } catch (error) {
    if (error instanceof AssemblyError) return failed(...error.errors.map(assemblyFailure));
    if (error instanceof GuestError || error instanceof KvmError || error instanceof RangeError) {
      return failed({ file, message: error.message.replace(`${file}: `, "") });
    }
    // A fault of this program: the other guests are still worth proving.
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    return failed({ file, message });
  }
}

function assemblyFailure({ file, line, message }: AssemblyError): Failure {
  // The message begins with the place.
  return { file, line, message: message.slice(message.indexOf(": ") + 2) };
}

/** The expectations that do not hold. */
function unmet(program: Program, { verdicts }: Proof): Failure[] {
  return verdicts.flatMap(({ expectation, found, holds }, i): Failure[] => {
    if (holds) return [];
    const { file, line } = program.settings.expect[i]!;
    const message = `Expected ${expectation}, found ${found}`;
    return [{ file, ...(line > 0 && { line }), message, expected: expectation, found }];
  });
}

/** What happened to a guest that did not end by itself, and where; else nothing. */
async function explain(
  program: Program,
  { machine, proof: { outcome, stop } }: { machine: Machine; proof: Proof },
): Promise<Failure | undefined> {
  if (outcome !== "timeout" && (outcome !== "crashed" || stop.reason === "status")) {
    return undefined;
  }
  const view = new View(machine, program);
  const { what, place, causes } = await diagnose(view, stop, { disassemble: false });
  const when = outcome === "timeout" ? `, after ${program.settings.timeout} ms` : "";
  const { file, line, source } = place?.line ?? { file: program.name };
  const code = source ?? (place && describePlace(place));
  return {
    file,
    ...(line !== undefined && { line }),
    message: [what + when, ...(code === undefined ? [] : [`  ${code}`]), ...causes].join("\n"),
  };
}
