/// <reference lib="deno.worker" />
import type { Job } from "./test_job.ts";
import { proveShare } from "./test_share.ts";

const interruption = new AbortController();

self.onmessage = async ({ data }: MessageEvent<Job | "stop">) => {
  if (data === "stop") interruption.abort();
  else await proveShare(data, interruption.signal, (message) => self.postMessage(message));
};
