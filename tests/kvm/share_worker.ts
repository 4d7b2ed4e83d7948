/// <reference lib="deno.worker" />
/**
 * The other thread of share_test.ts: makes a vCPU of the VM that is shared with it and says "ready";
 * told to go, it runs that to its HLT, closes all and says how it went.
 *
 * @module
 */

import { Kvm, type SharedVm } from "../../src/kvm/mod.ts";
import { runInTime, startAtCode } from "./guest.ts";

self.onmessage = ({ data }: MessageEvent<SharedVm>) => {
  const kvm = Kvm.open();
  const vcpu = kvm.attachVm(data).createVcpu(1);
  startAtCode(vcpu);
  self.onmessage = () => {
    const reason = runInTime(vcpu);
    kvm.close();
    self.postMessage(reason);
  };
  self.postMessage("ready");
};
