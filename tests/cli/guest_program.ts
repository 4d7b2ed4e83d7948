import { helloWith } from "../../src/cli/hello.ts";
import { report } from "../../src/cli/report_error.ts";

/** Runs `hello` with another guest, its source the first word, in place of the one for each mode. */
const [source = "", ...args] = Deno.args;
const guest = () => Promise.resolve({ default: source });
const guests = { real: guest, protected: guest, paged: guest, long: guest };
try {
  Deno.exitCode = await helloWith(guests).run(args);
} catch (error) {
  Deno.exitCode = report(error, { json: args.includes("--json") });
}
