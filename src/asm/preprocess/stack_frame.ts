import { type Directive, findDirective } from "./directives.ts";
import type { Preprocessor } from "./preprocessor.ts";
import { isOperator, skipSpace, type Token, tokenize } from "./token.ts";

/** Where `%arg` and `%local` put what they name (NASM manual §4.9). */
export interface StackFrame {
  /** The register that points to the frame. */
  readonly pointer: string;
  /** The bytes of a slot: sizes are rounded up to it. */
  readonly slot: number;
  /** Where the next argument is above the pointer. */
  nextArgument: number;
  /** How many bytes of local variables there are below it. */
  locals: number;
}

/** The frames that `%stacksize` chooses from; what the return address and the old pointer take. */
const frames: Readonly<Record<string, readonly [pointer: string, slot: number, taken: number]>> = {
  flat: ["ebp", 4, 8],
  flat64: ["rbp", 8, 16],
  large: ["bp", 2, 4],
  small: ["bp", 2, 6],
};

/** The frame of a `%stacksize`; undefined if there is none of this name. */
export function stackFrame(name: string): StackFrame | undefined {
  if (!Object.hasOwn(frames, name)) return undefined;
  const [pointer, slot, taken] = frames[name]!;
  return { pointer, slot, nextArgument: taken, locals: 0 };
}

const sizes = new Map([
  ["byte", 1],
  ["word", 2],
  ["dword", 4],
  ["qword", 8],
  ["tword", 10],
  ["oword", 16],
  ["yword", 32],
  ["zword", 64],
]);

/** `%stacksize`: chooses a frame without arguments and variables. */
export const chooseStackFrame: Directive = (run, tokens, at) => {
  const name = tokens[skipSpace(tokens, at + 1)]?.text ?? "";
  const frame = stackFrame(name.toLowerCase());
  if (frame) run.stackFrame = frame;
  else run.fail(`%stacksize takes ${Object.keys(frames).join(", ")}, not "${name}"`);
};

/** `%arg a:word, b:dword`: names for what was pushed before the call. */
export const nameArguments: Directive = (run, tokens, at) => {
  for (const { name, size } of readSlots(run, tokens, at)) {
    const { pointer, nextArgument } = run.stackFrame;
    obey(run, `%define ${name} (${pointer}+${nextArgument})`);
    run.stackFrame.nextArgument += size;
  }
};

/** `%local a:word, b:dword`: names for variables, whose bytes `%$localsize` counts. */
export const nameLocals: Directive = (run, tokens, at) => {
  for (const { name, size } of readSlots(run, tokens, at)) {
    run.stackFrame.locals += size;
    obey(run, `%define ${name} (${run.stackFrame.pointer}-${run.stackFrame.locals})`);
    obey(run, `%assign %$localsize %$localsize+${size}`);
  }
};

/** Reads `name:size, name:size`, the sizes rounded up to slots. */
function* readSlots(
  run: Preprocessor,
  tokens: readonly Token[],
  at: number,
): Generator<{ name: string; size: number }> {
  const directive = tokens[at]!.text;
  do {
    at = skipSpace(tokens, at + 1);
    const [name, colon, type] = tokens.slice(at, at + 3);
    if (name?.type !== "id" || !isOperator(colon, ":") || type?.type !== "id") {
      return run.fail(`${directive} takes names with sizes: ${directive} x:word, y:dword`);
    }
    const word = run.singles.expand([type])[0]?.text ?? "";
    const bytes = sizes.get(word.toLowerCase());
    if (bytes === undefined) return run.fail(`"${word}" is not a size`, type.text);
    const { slot } = run.stackFrame;
    yield { name: name.text, size: Math.ceil(bytes / slot) * slot };
    at = skipSpace(tokens, at + 3);
  } while (isOperator(tokens[at], ","));
}

function obey(run: Preprocessor, text: string): void {
  const tokens = tokenize(text);
  findDirective(tokens[0]!.text)!.obey(run, tokens, 0);
}
