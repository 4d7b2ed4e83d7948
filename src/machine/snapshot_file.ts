import {
  type CpuidEntry,
  type Kvm,
  type MemoryImage,
  PAGE_SIZE,
  type SavedMachine,
  Snapshot,
  type VmSetup,
} from "../kvm/mod.ts";

/** "hlt snapshot", the first bytes of every file. */
const MAGIC = new TextEncoder().encode("hlt snapshot");
/** The layout of the file; raised when it changes. */
const VERSION = 1;
/** SHA-256, in bytes. */
const CHECKSUM_SIZE = 32;
/** Magic, version and the length of the description. */
const HEADER_SIZE = MAGIC.length + 4 + 4;

/** The bytes are no snapshot, or not one that can be loaded here. */
export class SnapshotFileError extends Error {
  /** `SnapshotFileError` */
  override readonly name = "SnapshotFileError";
}

/** What the file's description says: JSON; bytes are given by where they begin and how many. */
interface Description {
  setup: VmSetup;
  vcpus: {
    id: number;
    cpuid: CpuidEntry[];
    regs: Part;
    sregs: Part;
    msrs: Part;
    parts: Record<string, Part>;
  }[];
  irqchips: { chipId: number; chip: Part }[];
  pit: { channels: Record<string, number | string>[]; flags: number } | undefined;
  memory: {
    guestAddress: number;
    size: number;
    readOnly: boolean;
    /** The offsets of the pages, in the order of their bytes. */
    offsets: number[];
    pages: Part;
  }[];
}

/** Bytes of the file: offset behind the description, length. */
type Part = [offset: number, length: number];

/**
 * A snapshot as the bytes of a file: versioned, with a checksum over all of it; pages that are all
 * zero take no room.
 */
export async function encodeSnapshot(
  snapshot: Pick<Snapshot, "machine" | "memory">,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const addAll = (parts: Iterable<Uint8Array>): Part => {
    const start = size;
    for (const chunk of parts) {
      chunks.push(chunk);
      size += chunk.length;
    }
    return [start, size - start];
  };
  const add = (bytes: Uint8Array) => addAll([bytes]);
  const { setup, vcpus, irqchips, pit } = snapshot.machine;
  const description: Description = {
    setup,
    vcpus: vcpus.map(({ id, cpuid, state }) => ({
      id,
      cpuid,
      regs: add(state.regs),
      sregs: add(state.sregs),
      msrs: add(state.msrs),
      parts: Object.fromEntries(
        Object.entries(state.parts).map(([name, bytes]) => [name, add(bytes)]),
      ),
    })),
    irqchips: irqchips.map(({ chipId, chip }) => ({ chipId, chip: add(chip) })),
    pit: pit && {
      flags: pit.flags,
      channels: pit.channels.map((channel) => ({
        ...channel,
        countLoadTime: `${channel.countLoadTime}`,
      })),
    },
    memory: [...snapshot.memory()].map(({ pages, ...slot }) => ({
      ...slot,
      offsets: [...pages.keys()],
      pages: addAll(pages.values()),
    })),
  };
  const text = new TextEncoder().encode(JSON.stringify(description));
  const file = new Uint8Array(HEADER_SIZE + text.length + size + CHECKSUM_SIZE);
  const view = new DataView(file.buffer);
  file.set(MAGIC);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, text.length, true);
  file.set(text, HEADER_SIZE);
  let at = HEADER_SIZE + text.length;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  file.set(await checksum(file.subarray(0, at)), at);
  return file;
}

/**
 * Loads a snapshot from the bytes of a file. It has no VM of its own: {@linkcode Snapshot.clone}
 * makes one. Whether this host's KVM takes its state is tried here.
 *
 * @throws {SnapshotFileError} When the bytes are no snapshot, damaged, or of another version.
 * @throws {KvmError} When this host's KVM refuses the state; nothing is left open then.
 */
export async function decodeSnapshot(
  kvm: Kvm,
  file: Uint8Array<ArrayBuffer>,
): Promise<Snapshot> {
  const { description, data } = await readFile(file);
  const bytes = ([offset, length]: Part) => data.slice(offset, offset + length);
  const machine: SavedMachine = {
    setup: description.setup,
    vcpus: description.vcpus.map(({ id, cpuid, regs, sregs, msrs, parts }) => ({
      id,
      cpuid,
      state: {
        regs: bytes(regs),
        sregs: bytes(sregs),
        msrs: bytes(msrs),
        parts: Object.fromEntries(
          Object.entries(parts).map(([name, part]) => [name, bytes(part)]),
        ),
      },
    })),
    irqchips: description.irqchips.map(({ chipId, chip }) => ({ chipId, chip: bytes(chip) })),
    pit: description.pit && {
      flags: description.pit.flags,
      channels: description.pit.channels.map((channel) => ({
        ...channel as Record<string, number>,
        countLoadTime: BigInt(channel.countLoadTime!),
      })) as NonNullable<SavedMachine["pit"]>["channels"],
    },
  };
  const memory = description.memory.map(({ offsets, pages, ...slot }): MemoryImage => {
    const all = bytes(pages);
    const page = (i: number) => all.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    return { ...slot, pages: new Map(offsets.map((offset, i) => [offset, page(i)])) };
  });
  return Snapshot.from(kvm, machine, memory);
}

async function readFile(
  file: Uint8Array<ArrayBuffer>,
): Promise<{ description: Description; data: Uint8Array<ArrayBuffer> }> {
  const refuse = (reason: string) => new SnapshotFileError(`Cannot load the snapshot: ${reason}`);
  if (!MAGIC.every((byte, i) => file[i] === byte)) throw refuse("the file is not one");
  if (file.length < HEADER_SIZE + CHECKSUM_SIZE) throw refuse("the file is cut short");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) {
    throw refuse(`the file has version ${version}, and this hlt reads version ${VERSION}`);
  }
  // The checksum covers every byte, so that what is read below is what was written.
  const end = file.length - CHECKSUM_SIZE;
  const expected = file.subarray(end);
  const found = await checksum(file.subarray(0, end));
  if (!found.every((byte, i) => byte === expected[i])) {
    throw refuse("the file is damaged or cut short (its checksum is wrong)");
  }
  const start = HEADER_SIZE + view.getUint32(MAGIC.length + 4, true);
  const text = new TextDecoder().decode(file.subarray(HEADER_SIZE, start));
  return { description: JSON.parse(text) as Description, data: file.subarray(start, end) };
}

async function checksum(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
