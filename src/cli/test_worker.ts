/// <reference lib="deno.worker" />
import { type Job, proveShare } from "./test_pool.ts";

self.onmessage = async ({ data }: MessageEvent<Job>) => {
  await proveShare(data, (message) => self.postMessage(message));
};
