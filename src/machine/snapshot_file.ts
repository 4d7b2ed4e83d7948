import {
  type CpuidEntry,
  type Kvm,
  type MemoryImage,
  PAGE_SIZE,
  type SavedMachine,
  type SavedVcpu,
  Snapshot,
  type VmSetup,
} from "../kvm/mod.ts";
import { stateProblem } from "../kvm/vcpu.ts";

/** "hlt snapshot", the first bytes of every file. */
const MAGIC = new TextEncoder().encode("hlt snapshot");
/** The layout of the file; raised when it changes. */
const VERSION = 1;
/** SHA-256, in bytes. */
const CHECKSUM_SIZE = 32;
/** The registers of a chip in `struct kvm_irqchip`. */
const IRQCHIP_SIZE = 512;
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
 * @throws {SnapshotFileError} When the bytes are no snapshot, damaged, of another version, or
 * describe what no VM can be.
 * @throws {KvmError} When this host's KVM refuses the state; nothing is left open then.
 */
export async function decodeSnapshot(
  kvm: Kvm,
  file: Uint8Array<ArrayBuffer>,
): Promise<Snapshot> {
  const { description, data } = await readFile(file);
  const { memory, ...machine } = readDescription(description, data);
  return Snapshot.from(kvm, machine, memory);
}

const refuse = (reason: string) => new SnapshotFileError(`Cannot load the snapshot: ${reason}`);

/** Takes the value at a place of the description, or refuses it. */
type Take<T> = (value: unknown, place: string) => T;

function integer(most: number): Take<number> {
  return (value, place) => {
    if (Number.isInteger(value) && 0 <= Number(value) && Number(value) <= most) {
      return Number(value);
    }
    throw refuse(`${place} is no integer from 0 to ${most}`);
  };
}

/** A multiple of the page size that a guest-physical address can be: they have up to 52 bits. */
const inPages: Take<number> = (value, place) => {
  const address = integer(2 ** 52 - 1)(value, place);
  if (address % PAGE_SIZE === 0) return address;
  throw refuse(`${place} is no multiple of ${PAGE_SIZE}`);
};

const boolean: Take<boolean> = (value, place) => {
  if (typeof value === "boolean") return value;
  throw refuse(`${place} is neither true nor false`);
};

function list<T>(item: Take<T>): Take<T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw refuse(`${place} is no list`);
    return value.map((element, i) => item(element, `${place}[${i}]`));
  };
}

function optional<T>(take: Take<T>): Take<T | undefined> {
  return (value, place) => value === undefined ? undefined : take(value, place);
}

/** The entries in the order of the file. */
function entriesOf(value: unknown, place: string): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value);
  }
  throw refuse(`${place} is no object`);
}

/** An object of these fields, taken in their order; without those that are absent. */
function object<F extends Record<string, Take<unknown>>>(
  fields: F,
): Take<{ [K in keyof F]: ReturnType<F[K]> }> {
  return (value, place) => {
    const given = new Map(entriesOf(value, place));
    const taken = Object.entries(fields)
      .map(([name, take]) => [name, take(given.get(name), `${place}.${name}`)] as const)
      .filter(([, field]) => field !== undefined);
    return Object.fromEntries(taken) as { [K in keyof F]: ReturnType<F[K]> };
  };
}

const u8 = integer(0xff);
const u16 = integer(0xffff);
const u32 = integer(0xffff_ffff);

const setup = object({
  tssAddress: optional(u32),
  identityMapAddress: optional(u32),
  irqchip: optional(boolean),
  pit: optional(object({ dummySpeaker: boolean })),
});

const cpuid = list(
  object({ function: u32, index: u32, flags: u32, eax: u32, ebx: u32, ecx: u32, edx: u32 }),
);

const pitChannel = object({
  count: u32,
  latchedCount: u16,
  countLatched: u8,
  statusLatched: u8,
  status: u8,
  readState: u8,
  writeState: u8,
  writeLatch: u8,
  rwMode: u8,
  mode: u8,
  bcd: u8,
  gate: u8,
  countLoadTime: (value, place) => {
    if (typeof value === "string" && /^-?\d{1,19}$/.test(value)) {
      const time = BigInt(value);
      if (BigInt.asIntN(64, time) === time) return time;
    }
    throw refuse(`${place} is no time`);
  },
});

const pit = object({
  flags: u32,
  channels: (value, place) => {
    const channels = list(pitChannel)(value, place);
    if (channels.length === 3) return channels;
    throw refuse(`${place} are ${channels.length} instead of 3`);
  },
});

/** The description may say anything: nothing of it is used before it was looked at. */
function readDescription(
  description: unknown,
  data: Uint8Array<ArrayBuffer>,
): SavedMachine & { memory: MemoryImage[] } {
  let at = 0;
  /** All bytes are there once, in the order of the description. */
  const bytes: Take<Uint8Array<ArrayBuffer>> = (value, place) => {
    const [offset, length = 0] = list(integer(data.length))(value, place);
    if (offset !== at || length > data.length - at) {
      throw refuse(`${place} is not where the bytes before it end`);
    }
    at += length;
    return data.slice(offset, at);
  };
  const parts: Take<Record<string, Uint8Array<ArrayBuffer>>> = (value, place) =>
    Object.fromEntries(
      entriesOf(value, place).map(([name, part]) => [name, bytes(part, `${place}.${name}`)]),
    );
  const vcpu: Take<SavedVcpu> = (value, place) => {
    const { id, cpuid: entries, ...state } = object({
      id: u32,
      cpuid,
      regs: bytes,
      sregs: bytes,
      msrs: bytes,
      parts,
    })(value, place);
    const problem = stateProblem(state);
    if (problem !== undefined) throw refuse(`in ${place} ${problem}`);
    return { id, cpuid: entries, state };
  };
  const irqchip = object({
    chipId: integer(2),
    chip: (value, place) => {
      const chip = bytes(value, place);
      if (chip.length === IRQCHIP_SIZE) return chip;
      throw refuse(`${place} has ${chip.length} bytes instead of ${IRQCHIP_SIZE}`);
    },
  });
  const memory: Take<MemoryImage> = (value, place) => {
    const slot = object({
      guestAddress: inPages,
      size: inPages,
      readOnly: boolean,
      offsets: list(inPages),
      pages: bytes,
    })(value, place);
    const { offsets, pages, ...rest } = slot;
    if (slot.size === 0) throw refuse(`${place}.size is 0`);
    if (pages.length !== offsets.length * PAGE_SIZE) {
      throw refuse(`${place}.pages are not as many as their offsets`);
    }
    if (offsets.some((offset, i) => offset >= slot.size || offset <= (offsets[i - 1] ?? -1))) {
      throw refuse(`${place}.offsets do not ascend, or lead out of the memory`);
    }
    const page = (i: number) => pages.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
    return { ...rest, pages: new Map(offsets.map((offset, i) => [offset, page(i)])) };
  };
  const machine = object({
    setup: setup as Take<VmSetup>,
    vcpus: list(vcpu),
    irqchips: list(irqchip),
    pit: optional(pit),
    memory: list(memory),
  })(description, "the machine");
  if (at !== data.length) throw refuse(`${data.length - at} bytes at its end belong to nothing`);
  return machine;
}

async function readFile(
  file: Uint8Array<ArrayBuffer>,
): Promise<{ description: unknown; data: Uint8Array<ArrayBuffer> }> {
  if (!MAGIC.every((byte, i) => file[i] === byte)) throw refuse("the file is not one");
  if (file.length < HEADER_SIZE + CHECKSUM_SIZE) throw refuse("the file is cut short");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) {
    throw refuse(`the file has version ${version}, and this hlt reads version ${VERSION}`);
  }
  const end = file.length - CHECKSUM_SIZE;
  const expected = file.subarray(end);
  const found = await checksum(file.subarray(0, end));
  if (!found.every((byte, i) => byte === expected[i])) {
    throw refuse("the file is damaged or cut short (its checksum is wrong)");
  }
  const start = HEADER_SIZE + view.getUint32(MAGIC.length + 4, true);
  try {
    const text = new TextDecoder().decode(file.subarray(HEADER_SIZE, start));
    return { description: JSON.parse(text), data: file.subarray(start, end) };
  } catch {
    throw refuse("its description cannot be read");
  }
}

async function checksum(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
