import { Prover } from "../machine/mod.ts";
import { proveFile } from "./test_guest.ts";
import { type Job, type Message, NEXT, STOP } from "./test_job.ts";

/** Proves files that nobody has taken yet, until there are no more. */
export async function proveShare(
  { files, shared }: Job,
  signal: AbortSignal,
  send: (message: Message) => void,
): Promise<void> {
  using prover = new Prover();
  while (Atomics.load(shared, STOP) === 0) {
    const index = Atomics.add(shared, NEXT, 1);
    if (index >= files.length) break;
    const result = await proveFile(files[index]!, { prover, signal });
    if (result !== undefined) send({ index, result });
    // So that the messages of workers arrive.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  send("done");
}
