import {
  capabilities,
  type Capability,
  type CpuidEntry,
  type HostFacts,
  hostFacts,
  Kvm,
  KvmError,
} from "../kvm/mod.ts";
import {
  type DeadlineSupport,
  debugFacilities,
  type DebugFacility,
  type Support,
  TRIED_DEADLINE,
  tryDeadline,
  tryDebugging,
  tryMode,
} from "../machine/mod.ts";
import { cpuidFeatures, type Mode, modes, physicalAddressBits } from "../x86/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { type Style, terminalStyle, write } from "./output.ts";
import { parseOptions, refuseWords } from "./usage.ts";

/** `info`: whether guests can run here, and what this host's KVM can do. */
export const info: Command = {
  help: `Say whether guests can run here, and if not, why. What can be tried is tried.

Usage: deno run --allow-ffi main.ts info [OPTION…]

Options:
  --all    every capability that the kernel's header names, with its value
  --cpuid  the CPU features that guests are offered, by name
  --json   print one JSON document instead, with all of this
  --help   this

The JSON document:
  exitCode  0, or 3 where KVM cannot be used; then error says why and what to do
  host      what the system tells: kernel, cpu (vendor, model, extension, hypervisor), backend,
            parameters of that module, device (mode, owner, group, accessible), unreadable files
  kvm       what KVM said, and what was tried: apiVersion; modes, by name: works or reason, and
            the same of singleStep, hardwareBreakpoint and softwareBreakpoint there; deadline
            (milliseconds, and how late it was); limits; capabilities, by name; cpuid (leaf,
            subleaf, eax, ebx, ecx, edx) and cpuidFeatures (leaf, subleaf, register, names)

Exit codes: 0 KVM can be used; 2 bad usage; 3 it cannot.`,
  async run(args) {
    const { flags, words } = parseOptions(args, { flags: ["json", "all", "cpuid"] });
    refuseWords(words);
    const found = await gather();
    if (flags.has("json")) {
      write(`${JSON.stringify(found, null, 2)}\n`);
    } else {
      const style = await terminalStyle();
      write(screen(found, { style, all: flags.has("all"), cpuid: flags.has("cpuid") }));
    }
    return found.exitCode;
  },
};

/** Everything that `info` tells: its JSON document. */
export interface Info {
  /** 0, or 3 where KVM cannot be used. */
  readonly exitCode: number;
  /** Why KVM cannot be used and what to do. */
  readonly error?: string;
  /** What the system tells; absent where not even that can be read. */
  readonly host?: HostFacts;
  /** What KVM said and what was tried; absent where it cannot be used. */
  readonly kvm?: KvmInfo;
}

interface KvmInfo {
  readonly apiVersion: number;
  readonly modes: Readonly<Record<Mode, ModeInfo>>;
  readonly deadline: DeadlineSupport & { readonly milliseconds: number };
  readonly limits: Limits;
  readonly capabilities: Readonly<Record<string, number>>;
  readonly cpuid: readonly Omit<CpuidEntry, "flags">[];
  readonly cpuidFeatures: ReturnType<typeof cpuidFeatures>;
}

type ModeInfo = Support & Readonly<Record<DebugFacility, Support>>;

interface Limits {
  /** How many vCPUs of a VM the kernel recommends. */
  readonly recommendedVcpus: number;
  /** How many vCPUs a VM may have. */
  readonly maxVcpus: number;
  /** How many memory slots a VM may have. */
  readonly memorySlots: number;
  /** How wide the guests' physical addresses are. */
  readonly physicalAddressBits: number;
}

async function gather(): Promise<Info> {
  let host: HostFacts | undefined;
  try {
    host = hostFacts();
    return { exitCode: exitCode.proved, host, kvm: await askKvm() };
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    return {
      exitCode: exitCode.host,
      error: error.message,
      ...(host !== undefined && { host }),
    };
  }
}

async function askKvm(): Promise<KvmInfo> {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const cpuid = kvm.supportedCpuid();
  const names = Object.keys(capabilities) as Capability[];
  const tried = (Object.keys(modes) as Mode[]).map((mode) => [mode, tryAll(mode)]);
  return {
    apiVersion: kvm.apiVersion,
    modes: Object.fromEntries(tried) as Record<Mode, ModeInfo>,
    deadline: { milliseconds: TRIED_DEADLINE, ...await tryDeadline() },
    limits: {
      recommendedVcpus: vm.checkExtension("KVM_CAP_NR_VCPUS"),
      maxVcpus: vm.checkExtension("KVM_CAP_MAX_VCPUS"),
      memorySlots: vm.checkExtension("KVM_CAP_NR_MEMSLOTS"),
      physicalAddressBits: physicalAddressBits(cpuid),
    },
    capabilities: Object.fromEntries(names.map((name) => [name, vm.checkExtension(name)])),
    cpuid: cpuid.map(({ flags: _, ...entry }) => entry),
    cpuidFeatures: cpuidFeatures(cpuid),
  };
}

function tryAll(mode: Mode): ModeInfo {
  const facilities = debugFacilities.map((facility) => [facility, tryDebugging(facility, mode)]);
  return {
    ...tryMode(mode),
    ...Object.fromEntries(facilities) as Record<DebugFacility, Support>,
  };
}

/** The capabilities that the screen shows without `--all`: what hlt and other monitors build on. */
const IMPORTANT: readonly Capability[] = [
  "KVM_CAP_IMMEDIATE_EXIT",
  "KVM_CAP_SYNC_REGS",
  "KVM_CAP_COALESCED_PIO",
  "KVM_CAP_SET_GUEST_DEBUG",
  "KVM_CAP_IRQCHIP",
  "KVM_CAP_PIT2",
  "KVM_CAP_IRQFD",
  "KVM_CAP_IOEVENTFD",
  "KVM_CAP_READONLY_MEM",
  "KVM_CAP_DIRTY_LOG_RING",
  "KVM_CAP_XSAVE2",
  "KVM_CAP_SREGS2",
  "KVM_CAP_X86_USER_SPACE_MSR",
  "KVM_CAP_EXIT_HYPERCALL",
  "KVM_CAP_EXIT_ON_EMULATION_FAILURE",
  "KVM_CAP_NESTED_STATE",
  "KVM_CAP_GUEST_MEMFD",
];

interface ScreenOptions {
  style: Style;
  /** Every capability. */
  all: boolean;
  /** The features of CPUID. */
  cpuid: boolean;
}

const MARGIN = 16;
const WIDTH = 100;

/** The text for people. */
function screen({ host, kvm, error }: Info, options: ScreenOptions): string {
  const { style } = options;
  const lines: string[] = [];
  const row = (name: string, words: readonly string[]) =>
    lines.push(...wrapped(words).map((line, i) => (i === 0 ? name : "").padEnd(MARGIN) + line));
  if (host !== undefined) { for (const [name, words] of hostRows(host)) row(name, words); }
  if (kvm !== undefined) {
    lines.push("", ...modeTable(kvm, style), "");
    for (const [name, words] of kvmRows(kvm, options)) row(name, words);
  }
  if (error !== undefined) lines.push("", style.red(error));
  else if (!options.all || !options.cpuid) {
    lines.push("", style.dim("More: --all every capability, --cpuid the CPU's features, --json"));
  }
  return lines.join("\n").trimStart() + "\n";
}

type ScreenRow = [name: string, words: readonly string[]];

function hostRows({ kernel, cpu, backend, parameters, device, unreadable }: HostFacts) {
  const extension = cpu.extension && { vmx: "VT-x (VMX)", svm: "AMD-V (SVM)" }[cpu.extension];
  const settings = Object.entries(parameters)
    .map(([name, on]) => `${settingNames[name] ?? name} ${on ? "on" : "off"}`);
  const rows: ScreenRow[] = [
    ["CPU", [`${cpu.model} (${cpu.vendor})`]],
    ["Hardware", listed([extension ?? "shows no VMX or SVM", ...settings])],
    ["Kernel", listed([`Linux ${kernel}`, ...(cpu.hypervisor ? ["in a virtual machine"] : [])])],
    ["KVM", [backend ?? "no kvm_intel, kvm_amd or kvm_pvm that works"]],
    ["/dev/kvm", [device === undefined ? "none that can be looked at" : deviceText(device)]],
  ];
  if (unreadable.length > 0) rows.push(["Unread", ["run as root to read", ...unreadable]]);
  return rows;
}

const settingNames: Readonly<Record<string, string>> = {
  unrestricted_guest: "unrestricted guest",
  ept: "EPT",
  npt: "NPT",
  nested: "nesting in guests",
};

function deviceText({ mode, owner, group, accessible }: NonNullable<HostFacts["device"]>): string {
  const bits = [..."rwxrwxrwx"].map((bit, i) => mode & (0o400 >> i) ? bit : "-").join("");
  return `c${bits} ${owner}:${group}, ${accessible ? "open to this user" : "closed to this user"}`;
}

/** Which mode runs, and how a guest can be stopped in it; what is missing is explained below. */
function modeTable(kvm: KvmInfo, { green, red, dim, bold }: Style): string[] {
  const columns = ["runs", "single-step", "hardware breakpoint", "software breakpoint"];
  const reasons = new Set<string>();
  const rows = Object.entries(kvm.modes).map(([name, mode]) => {
    const stops = mode.works ? debugFacilities.map((facility) => mode[facility]) : [];
    const cells = [mode, ...stops].map(({ works, reason }, i) => {
      if (reason !== undefined) reasons.add(reason);
      const text = (works ? "yes" : "no").padEnd(columns[i]!.length);
      return works ? green(text) : red(text);
    });
    return name.padEnd(MARGIN) + cells.join("  ").trimEnd();
  });
  return [bold("Tried".padEnd(MARGIN) + columns.join("  ")), ...rows, ...[...reasons].map(dim)];
}

function kvmRows(kvm: KvmInfo, { all, cpuid }: ScreenOptions): ScreenRow[] {
  const { deadline, limits } = kvm;
  const chosen = all ? Object.keys(kvm.capabilities) : IMPORTANT;
  const rows: ScreenRow[] = [
    ["API version", [`${kvm.apiVersion}`]],
    ["Deadline", [
      deadline.works
        ? `one of ${deadline.milliseconds} ms ended \`jmp $\` ${deadline.late.toFixed(1)} ms late`
        : deadline.reason,
    ]],
    [
      "Limits",
      listed([
        `${limits.recommendedVcpus} vCPUs recommended`,
        `${limits.maxVcpus} at most`,
        `${limits.memorySlots} memory slots`,
        `${limits.physicalAddressBits} physical address bits`,
      ]),
    ],
    ["KVM_CAP_…", listed(chosen.map((name) => `${name.slice(8)} ${kvm.capabilities[name]}`))],
  ];
  if (cpuid) {
    for (const { leaf, subleaf, register, names } of kvm.cpuidFeatures) {
      const place = `0x${leaf.toString(16)}${subleaf === 0 ? "" : `.${subleaf}`} ${register}`;
      rows.push([place, names.length === 0 ? ["none"] : names]);
    }
  }
  return rows;
}

/** Words that stay together, with commas between them. */
function listed(items: readonly string[]): string[] {
  return items.map((item, i) => i < items.length - 1 ? `${item},` : item);
}

/** Lines of words, within the width. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && MARGIN + last.length + 1 + word.length <= WIDTH) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
