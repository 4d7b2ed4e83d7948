import type { GuestResult } from "./test_guest.ts";
import { type Job, type Message, NEXT, STOP } from "./test_job.ts";

/** What a further thread costs, in milliseconds: it loads and compiles this program anew. */
const THREAD_COST = 300;
/** How long a guest takes, in milliseconds, as long as none has shown it. */
const USUAL_PACE = 5;
/** How often a guest that takes long is looked at, in milliseconds. */
const LOOK = 100;

/**
 * Proves guests in this thread and in up to `jobs - 1` workers. Each thread takes the next file when
 * it is ready, so that a slow guest holds up no other. A worker is started when what is left would
 * take the others longer than a further thread costs: few guests are done before it would be there,
 * and while Deno starts it, this thread waits.
 *
 * @param options `signal`: stops them all; `result`: gets the results in the order of the files, each
 * as soon as it and all before it are there.
 * @returns The results in the order of the files; with `failFast` or `signal`, of those that were run.
 */
export async function proveAll(
  files: readonly string[],
  options: {
    jobs: number;
    failFast: boolean;
    signal: AbortSignal;
    result: (result: GuestResult) => void;
  },
): Promise<GuestResult[]> {
  const { jobs, signal } = options;
  const job: Job = { files, shared: new Int32Array(new SharedArrayBuffer(8)) };
  const results: (GuestResult | undefined)[] = files.map(() => undefined);
  let reported = 0;
  const take = (message: Message) => {
    if (message === "done") return;
    const { index, result } = message;
    results[index] = result;
    if (options.failFast && result.outcome === "failed") Atomics.store(job.shared, STOP, 1);
    for (let next; (next = results[reported]) !== undefined; reported++) options.result(next);
  };
  signal.addEventListener("abort", () => Atomics.store(job.shared, STOP, 1));

  const workers: Promise<void>[] = [];
  const grow = (pace: number) => {
    const threads = workers.length + 1;
    const left = files.length - Atomics.load(job.shared, NEXT);
    const isWorthIt = left * pace / threads > THREAD_COST && Atomics.load(job.shared, STOP) === 0;
    if (threads === jobs || !isWorthIt) return;
    const worker = startWorker(job, signal, take);
    // Where it fails, that is thrown below, when this thread has done its own.
    worker.catch(() => {});
    workers.push(worker);
  };
  grow(USUAL_PACE);
  // Loaded only now: the worker starts meanwhile.
  const { proveShare } = await import("./test_share.ts");
  let proved = 0;
  let since = performance.now();
  const timer = setInterval(() => grow(performance.now() - since), LOOK);
  try {
    await proveShare(job, signal, (message) => {
      take(message);
      // The first guest has everything compiled: it says nothing of the others.
      if (message !== "done" && proved++ > 0) grow(message.result.milliseconds);
      since = performance.now();
    });
  } finally {
    clearInterval(timer);
  }
  await Promise.all(workers);
  const run = results.filter((result) => result !== undefined);
  for (const result of run.slice(reported)) options.result(result);
  return run;
}

function startWorker(
  job: Job,
  signal: AbortSignal,
  take: (message: Message) => void,
): Promise<void> {
  const worker = new Worker(new URL("./test_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Message>) => {
      take(data);
      if (data !== "done") return;
      worker.terminate();
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`A worker failed: ${event.message}`));
    };
    worker.postMessage(job);
    signal.addEventListener("abort", () => worker.postMessage("stop"));
  });
}
