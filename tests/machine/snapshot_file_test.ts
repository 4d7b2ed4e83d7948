import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Kvm, KvmError, libc, PAGE_SIZE } from "../../src/kvm/mod.ts";
import { kvmMpState, kvmMsrs, kvmRegs, kvmSregs, kvmXsave } from "../../src/kvm/uapi.ts";
import { decodeSnapshot, encodeSnapshot, SnapshotFileError } from "../../src/machine/mod.ts";
import { hasKvm } from "../kvm_host.ts";
import { held } from "../kvm/faulty_libc.ts";

/** A KVM; where there is none, one that refuses every VM: what a file says is looked at before. */
function openKvm(): Kvm {
  if (hasKvm) return Kvm.open();
  const createVm = () => {
    throw new KvmError("Cannot create a VM: there is no KVM");
  };
  return { libc: libc(), createVm, close() {}, [Symbol.dispose]() {} } as unknown as Kvm;
}

const zeros = ({ size }: { size: number }) => new Uint8Array(size);

/** A file with something of everything; its vCPU's registers are all zero. */
const file = await encodeSnapshot({
  machine: {
    setup: { tssAddress: 0xfeff_d000, irqchip: true, pit: { dummySpeaker: true } },
    vcpus: [{
      id: 0,
      cpuid: [{ function: 1, index: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 }],
      state: {
        regs: zeros(kvmRegs),
        sregs: zeros(kvmSregs),
        msrs: zeros(kvmMsrs),
        parts: { xsave: zeros(kvmXsave), mpState: zeros(kvmMpState) },
      },
    }],
    irqchips: [{ chipId: 0, chip: new Uint8Array(512) }],
    pit: {
      flags: 0,
      channels: Array.from({ length: 3 }, () => ({
        count: 0,
        latchedCount: 0,
        countLatched: 0,
        statusLatched: 0,
        status: 0,
        readState: 0,
        writeState: 0,
        writeLatch: 0,
        rwMode: 0,
        mode: 0,
        bcd: 0,
        gate: 0,
        countLoadTime: 0n,
      })),
    },
  },
  *memory() {
    const pages = new Map([0, 2].map((page) => [page * PAGE_SIZE, new Uint8Array(PAGE_SIZE)]));
    yield { guestAddress: 0, size: 4 * PAGE_SIZE, readOnly: false, pages };
  },
});

// The file: magic, version, length of the description, description, bytes, checksum.
const LENGTH = 16;
const HEADER = 20;
const end = HEADER + new DataView(file.buffer).getUint32(LENGTH, true);

/** A file of another description, or other bytes, with the checksum that belongs to them. */
async function handMade(
  description: string,
  bytes: Uint8Array = file.subarray(end, -32),
): Promise<Uint8Array<ArrayBuffer>> {
  const text = new TextEncoder().encode(description);
  const made = new Uint8Array(HEADER + text.length + bytes.length + 32);
  made.set(file.subarray(0, HEADER));
  new DataView(made.buffer).setUint32(LENGTH, text.length, true);
  made.set(text, HEADER);
  made.set(bytes, HEADER + text.length);
  const covered = made.subarray(0, -32);
  made.set(new Uint8Array(await crypto.subtle.digest("SHA-256", covered)), covered.length);
  return made;
}

const describe = () => JSON.parse(new TextDecoder().decode(file.subarray(HEADER, end)));

// deno-lint-ignore no-explicit-any
type Change = (description: any) => unknown;

const WRONG: [change: Change, message: string][] = [
  [() => null, "the machine is no object"],
  [(d) => d.vcpus = 7, "the machine.vcpus is no list"],
  [(d) => d.vcpus[0].id = -1, "the machine.vcpus[0].id is no integer from 0 to 4294967295"],
  [(d) => d.vcpus[0].cpuid[0].eax = 2 ** 32, "cpuid[0].eax is no integer"],
  [(d) => d.vcpus[0].regs = [0, 8], "the machine.vcpus[0].sregs is not where the bytes before"],
  [(d) => d.vcpus[0].regs = [0, 2 ** 40], "the machine.vcpus[0].regs[1] is no integer"],
  [(d) => d.vcpus[0].regs = "all", "the machine.vcpus[0].regs is no list"],
  [(d) => d.vcpus[0].sregs = d.vcpus[0].regs, "sregs is not where the bytes before it end"],
  [(d) => d.setup.tssAddress = 0.5, "the machine.setup.tssAddress is no integer"],
  [(d) => d.setup.pit.dummySpeaker = 1, "dummySpeaker is neither true nor false"],
  [(d) => d.irqchips[0].chipId = 3, "chipId is no integer from 0 to 2"],
  [(d) => d.pit.channels.pop(), "the machine.pit.channels are 2 instead of 3"],
  [(d) => d.pit.channels[0].mode = 256, "the machine.pit.channels[0].mode is no integer"],
  [(d) => d.pit.channels[0].countLoadTime = "9".repeat(19), "countLoadTime is no time"],
  [(d) => d.memory[0].size = 0, "the machine.memory[0].size is 0"],
  [(d) => d.memory[0].size = PAGE_SIZE, "offsets do not ascend, or lead out of the memory"],
  [(d) => d.memory[0].size += 1, "size is no multiple of 4096"],
  [(d) => d.memory[0].guestAddress = 2 ** 52, "guestAddress is no integer"],
  [(d) => d.memory[0].offsets[1] = 0, "offsets do not ascend"],
  [(d) => d.memory[0].offsets.push(3 * PAGE_SIZE), "pages are not as many as their offsets"],
  [(d) => d.memory = [], "8192 bytes at its end belong to nothing"],
];

Deno.test("decodeSnapshot() says what is wrong in a file with the right checksum", async () => {
  using kvm = openKvm();
  for (const [change, message] of WRONG) {
    const description = describe();
    const changed = change(description) === null ? null : description;
    const made = await handMade(JSON.stringify(changed));
    await assertRejects(() => decodeSnapshot(kvm, made), SnapshotFileError, message);
  }
  for (const text of ["", "{", "\0", "[".repeat(100_000)]) {
    const made = await handMade(text);
    await assertRejects(() => decodeSnapshot(kvm, made), SnapshotFileError, "cannot be read");
  }
});

Deno.test("decodeSnapshot() refuses parts of a vCPU's state that no KVM could take", async () => {
  using kvm = openKvm();
  const state = (wrong: Partial<{ regs: number; msrs: number[]; xsave: number; name: string }>) =>
    encodeSnapshot({
      machine: {
        setup: {},
        vcpus: [{
          id: 0,
          cpuid: [],
          state: {
            regs: new Uint8Array(wrong.regs ?? kvmRegs.size),
            sregs: zeros(kvmSregs),
            msrs: Uint8Array.from(wrong.msrs ?? zeros(kvmMsrs)),
            parts: { [wrong.name ?? "xsave"]: new Uint8Array(wrong.xsave ?? kvmXsave.size) },
          },
        }],
        irqchips: [],
        pit: undefined,
      },
      *memory() {},
    });
  const refused = async (wrong: Parameters<typeof state>[0], message: string) => {
    const made = await state(wrong);
    await assertRejects(() => decodeSnapshot(kvm, made), SnapshotFileError, message);
  };
  await refused({ regs: 8 }, "regs has 8 bytes instead of 144");
  await refused({ xsave: 512 }, "xsave has 512 bytes instead of 4096");
  await refused({ name: "toString" }, "there is a part toString that no vCPU has");
  await refused({ msrs: [1, 0, 0] }, "msrs has 3 bytes instead of 8");
  await refused({ msrs: [1, 0, 0, 0, 0, 0, 0, 0] }, "msrs has 8 bytes instead of 24");
  await refused({ msrs: [0, 1, 0, 0, 0, 0, 0, 0] }, "there are 256 MSRs, of which KVM takes 255");
});

/** Every place in a value: the keys that lead there. */
function placesOf(value: unknown, place: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [place];
  return [
    place,
    ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...place, key])),
  ];
}

const places = placesOf(describe()).slice(1);
const something = fc.oneof(
  fc.constantFrom(
    -1,
    0,
    1,
    0.5,
    255,
    256,
    4096,
    2 ** 31,
    2 ** 32,
    2 ** 40,
    2 ** 52,
    2 ** 53,
    1e300,
  ),
  fc.jsonValue(),
  fc.constant(undefined),
);
const changes = fc.array(fc.tuple(fc.constantFrom(...places), something), {
  minLength: 1,
  maxLength: 3,
});

Deno.test("decodeSnapshot() of a hand-made file gives a snapshot or an error that says why, and leaks nothing", async () => {
  using kvm = openKvm();
  const load = async (made: Uint8Array<ArrayBuffer>) => {
    try {
      (await decodeSnapshot(kvm, made)).close();
    } catch (error) {
      if (!(error instanceof SnapshotFileError || error instanceof KvmError)) throw error;
    }
  };
  await load(file);
  const before = held();
  const property = fc.asyncProperty(
    changes,
    fc.array(fc.tuple(fc.nat(file.length - end - 33), fc.nat(255)), { maxLength: 3 }),
    async (changes, bytes) => {
      const description = describe();
      for (const [place, value] of changes) {
        const parent = place.slice(0, -1).reduce((at, key) => at?.[key], description);
        if (typeof parent === "object" && parent !== null) parent[place.at(-1)!] = value;
      }
      const data = file.slice(end, -32);
      for (const [at, byte] of bytes) data[at] = byte;
      await load(await handMade(JSON.stringify(description), data));
    },
  );
  await fc.assert(property, { numRuns: 2000, interruptAfterTimeLimit: 5000 });
  const after = held();
  assertEquals(after.descriptors, before.descriptors);
  assertEquals(after.kvmRuns, before.kvmRuns);
  // V8 maps memory of its own meanwhile.
  assert(after.mappings - before.mappings < 100, `${before.mappings}, then ${after.mappings}`);
});
