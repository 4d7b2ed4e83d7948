/**
 * What the tests know of the host they run on: whether it has a KVM, and how much it can bear.
 *
 * @module
 */

/** The machine is a software CPU (`HLT_LAB=1`): everything takes a hundred times as long. */
export const isLab: boolean = Deno.env.get("HLT_LAB") === "1";

/** How often a test repeats what must not leak: virtual machines made, run and closed. */
export const REPEATS = isLab ? 20 : 1000;

const noKvm = whyNoKvm();

/** Whether `/dev/kvm` can be opened: what a test must know before it probes the host. */
export const hasKvm = noKvm === undefined;

/** Why `/dev/kvm` cannot be opened; nothing where it can. */
function whyNoKvm(): string | undefined {
  try {
    Deno.openSync("/dev/kvm", { read: true, write: true }).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * A test that runs only where `skip` is no reason against it; else it is skipped, and its name
 * says why.
 */
export function testUnless(
  skip: string | undefined,
  name: string,
  run: () => void | Promise<void>,
): void {
  if (skip === undefined) Deno.test(name, run);
  else Deno.test({ name: `${name} (skipped: ${skip})`, ignore: true, fn: run });
}

/**
 * A test on the real `/dev/kvm`. Without one it is skipped and its name says why; with
 * `HLT_REQUIRE_KVM=1` it fails instead.
 *
 * @param options `lacks`: why this host cannot run it, found out by trying; nothing if it can. A
 * function is asked only where there is a `/dev/kvm`.
 */
export function kvmTest(
  name: string,
  run: () => void | Promise<void>,
  options: { lacks?: string | (() => string | undefined) | undefined } = {},
): void {
  if (noKvm !== undefined && Deno.env.get("HLT_REQUIRE_KVM") === "1") {
    Deno.test(name, () => {
      throw new Error(`HLT_REQUIRE_KVM=1, but /dev/kvm cannot be opened: ${noKvm}`);
    });
  } else {
    const { lacks } = options;
    testUnless(noKvm ?? (typeof lacks === "function" ? lacks() : lacks), name, run);
  }
}
