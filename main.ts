import { main } from "./src/cli/main.ts";

// Everything is written and closed by now: nothing is left to wait for.
Deno.exit(await main(Deno.args));
