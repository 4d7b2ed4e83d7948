/// <reference lib="deno.worker" />
import { type Job, proveShare } from "./test_pool.ts";

const interruption = new AbortController();

self.onmessage = async ({ data }: MessageEvent<Job | "stop">) => {
  if (data === "stop") interruption.abort();
  else await proveShare(data, interruption.signal, (message) => self.postMessage(message));
};
