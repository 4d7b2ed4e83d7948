import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { testUnless } from "../kvm_host.ts";
import { runProgram, slow } from "./program.ts";

testUnless(slow, "main.ts --help lists the commands, the options and the exit codes", async () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, stdout, stderr } = await runProgram(args);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Usage: deno run --allow-ffi main.ts [COMMAND] [OPTION…]");
    assertMatch(stdout, /^ {2}hello +\S/m);
    assertMatch(stdout, /^Exit codes: 0 /m);
  }
});

testUnless(slow, "main.ts gives every command's help, however it is asked for", async () => {
  const { stdout } = await runProgram(["--help"]);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!);
  assertEquals(commands.includes("hello"), true);
  for (const name of commands) {
    const help = await runProgram([name, "--help"]);
    assertEquals([help.code, help.stderr], [0, ""]);
    assertMatch(help.stdout, new RegExp(`^Usage: deno run --allow-.* main\\.ts .*${name}`, "m"));
    for (const args of [[name, "-h"], ["help", name], ["--help", name]]) {
      assertEquals(await runProgram(args), help, args.join(" "));
    }
  }
});

testUnless(slow, "main.ts --help needs no permission", async () => {
  assertEquals((await runProgram(["--help"], { permissions: [] })).code, 0);
});

testUnless(slow, "main.ts --version prints the version of deno.json", async () => {
  for (const word of ["--version", "-V"]) {
    const expected = { code: 0, stdout: `hlt ${config.version}\n`, stderr: "" };
    assertEquals(await runProgram([word], { permissions: [] }), expected);
  }
});

testUnless(
  slow,
  "main.ts refuses nonsense with exit code 2, a clear line and no stack trace",
  async () => {
    const nonsense: [args: string[], message: string][] = [
      [["helo"], 'There is no command "helo". Did you mean hello?'],
      [["--mode", "lnog"], 'There is no mode "lnog". Did you mean long?'],
      [["--mode=portected"], 'There is no mode "portected". Did you mean protected?'],
      [["--mode", "REAL"], 'There is no mode "REAL". Did you mean real?'],
      [["--mode="], "The option --mode needs a value: --mode VALUE"],
      [["--mode"], "The option --mode needs a value: --mode VALUE"],
      [["--mode", "real", "--mode", "long"], "The option --mode is given more than once"],
      [["--qiuet"], "There is no option --qiuet. Did you mean --quiet?"],
      [["hello", "--hepl"], "There is no option --hepl. Did you mean --help?"],
      [["--quiet=yes"], "The option --quiet takes no value"],
      [["hello", "world"], 'The word "world" has no meaning here'],
      [["hello", "hello"], 'The word "hello" has no meaning here'],
      [["hello", ""], 'The word "" has no meaning here'],
      [["--", "--help"], 'The word "--help" has no meaning here'],
      [["--quiet", "1"], 'The word "1" has no meaning here'],
      [["help", "helo"], 'There is no command "helo". Did you mean hello?'],
    ];
    for (const [args, message] of nonsense) {
      const expected = { code: 2, stdout: "", stderr: `${message}\nTry --help\n` };
      assertEquals(await runProgram(args), expected, args.join(" "));
    }
    const worse = [["-"], [""], ["-x"], ["--="], ["---"], ["__proto__"], ["constructor"], ["\n"]];
    for (
      const args of [...worse, ["--__proto__=1"], ["--mode", "toString"], ["😀".repeat(99)]]
    ) {
      const { code, stdout, stderr } = await runProgram(args);
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertMatch(stderr, /^There is no [^]*\nTry --help\n$/);
    }
  },
);

testUnless(
  slow,
  "main.ts --json tells of an error on stdout too, as one JSON document",
  async () => {
    const message = 'There is no mode "rael". Did you mean real?';
    for (const args of [["--json", "--mode", "rael"], ["hello", "--mode=rael", "--json"]]) {
      const { code, stdout, stderr } = await runProgram(args);
      assertEquals(JSON.parse(stdout), { error: message, exitCode: 2 });
      assertEquals([code, stderr], [2, `${message}\nTry --help\n`]);
    }
    const { stdout } = await runProgram(["helo", "--", "--json"]);
    assertEquals(stdout, "");
  },
);
