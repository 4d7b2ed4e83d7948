import { assertEquals } from "@std/assert";
import { proveAll } from "../../src/cli/test_pool.ts";

/** Proves `count` guests that need no VM, for they expect nothing; counts the workers it takes. */
async function prove(count: number, jobs: number): Promise<number> {
  const folder = Deno.makeTempDirSync({ prefix: "hlt-pool-" });
  const RealWorker = globalThis.Worker;
  let workers = 0;
  globalThis.Worker = class extends RealWorker {
    constructor(...words: ConstructorParameters<typeof Worker>) {
      super(...words);
      workers++;
    }
  };
  try {
    const paths = Array.from({ length: count }, (_, i) => `${folder}/${i}.asm`);
    for (const path of paths) Deno.writeTextFileSync(path, "hlt\n");
    const reported: string[] = [];
    const results = await proveAll(paths, {
      jobs,
      failFast: false,
      signal: new AbortController().signal,
      result: ({ file }) => reported.push(file),
    });
    assertEquals(reported, paths);
    assertEquals(results.map(({ file }) => file), paths);
    return workers;
  } finally {
    globalThis.Worker = RealWorker;
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("proveAll() starts no worker for few guests, however many may run at a time", async () => {
  assertEquals(await prove(2, 8), 0);
});

Deno.test("proveAll() starts a worker at once where there are many guests, and no more than it may", async () => {
  assertEquals(await prove(300, 2), 1);
  assertEquals(await prove(300, 1), 0);
});
