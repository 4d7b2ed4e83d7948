import { assertEquals, assertThrows } from "@std/assert";
import { type Parsed, parseOptions, refuseWords, UsageError } from "../../src/cli/usage.ts";

function parse(...args: string[]): Parsed {
  return parseOptions(args, { flags: ["json", "quiet"], values: ["mode"], lists: ["expect"] });
}

function failure(...args: string[]): string {
  return assertThrows(() => parse(...args), UsageError).message;
}

Deno.test("parseOptions() finds nothing where nothing is given", () => {
  assertEquals(parse(), {
    flags: new Set<string>(),
    values: new Map<string, string>(),
    lists: new Map([["expect", []]]),
    words: [],
  });
});

Deno.test("parseOptions() reads flags, again and again", () => {
  assertEquals(parse("--json", "--quiet", "--json").flags, new Set(["json", "quiet"]));
});

Deno.test("parseOptions() reads a value behind a blank or an equals sign", () => {
  for (const args of [["--mode", "long"], ["--mode=long"], ["--json", "--mode", "long"]]) {
    assertEquals(parse(...args).values, new Map([["mode", "long"]]));
  }
  assertEquals(parse("--mode=a=b").values.get("mode"), "a=b");
  assertEquals(parse("--mode", "007").values.get("mode"), "007");
});

Deno.test("parseOptions() gathers the values of a list", () => {
  const { lists } = parse("--expect", "ax = 1", "--expect=exit = hlt");
  assertEquals(lists.get("expect"), ["ax = 1", "exit = hlt"]);
});

Deno.test("parseOptions() gives the other words as they are", () => {
  assertEquals(parse("a", "--json", "007", "-", "").words, ["a", "007", "-", ""]);
  assertEquals(parse("--json", "--", "--quiet", "-x", "--mode=y").words, [
    "--quiet",
    "-x",
    "--mode=y",
  ]);
});

Deno.test("parseOptions() refuses an unknown option and names one that is near", () => {
  const nearest: Record<string, string> = {
    "--jsno": "There is no option --jsno. Did you mean --json?",
    "--mood=long": "There is no option --mood. Did you mean --mode?",
    "--quit": "There is no option --quit. Did you mean --quiet?",
    "--hlep": "There is no option --hlep. Did you mean --help?",
    "--no-json": "There is no option --no-json. Did you mean --json?",
    "--JSON": "There is no option --JSON. Did you mean --json?",
    "-json": "There is no option -json. Did you mean --json?",
    "--mode.real": "There is no option --mode.real. Did you mean --mode?",
  };
  for (const [word, message] of Object.entries(nearest)) assertEquals(failure(word), message);
  for (const word of ["-x", "--__proto__=1", "--=x", "---", "--constructor"]) {
    assertEquals(failure(word), `There is no option ${word.split("=")[0]}`);
  }
});

Deno.test("parseOptions() refuses an option without its value", () => {
  const message = "The option --mode needs a value: --mode VALUE";
  for (const args of [["--mode"], ["--mode="], ["--mode", ""], ["--mode", "--json"]]) {
    assertEquals(failure(...args), message);
  }
  assertEquals(
    failure("--mode", "-5s"),
    "The option --mode needs a value; one that begins with a dash: --mode=-5s",
  );
  assertEquals(parse("--mode=-5s").values.get("mode"), "-5s");
  assertEquals(failure("--expect"), "The option --expect needs a value: --expect VALUE");
  const short = assertThrows(() => parseOptions(["-o", ""], { values: ["o"] }), UsageError);
  assertEquals(short.message, "The option -o needs a value: -o VALUE");
});

Deno.test("parseOptions() refuses a value twice", () => {
  assertEquals(
    failure("--mode", "real", "--mode=long"),
    "The option --mode is given more than once",
  );
});

Deno.test("parseOptions() refuses a value where there is none to take", () => {
  for (const value of ["true", "false", "maybe", ""]) {
    assertEquals(failure(`--json=${value}`), "The option --json takes no value");
    assertEquals(failure(`--help=${value}`), "The option --help takes no value");
  }
});

Deno.test("refuseWords() names the first word that has no meaning", () => {
  refuseWords([]);
  assertThrows(() => refuseWords(["a", "b"]), UsageError, 'The word "a" has no meaning here');
  assertThrows(() => refuseWords([""]), UsageError, 'The word "" has no meaning here');
});
