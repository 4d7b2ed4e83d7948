import type { CpuidEntry } from "../kvm/mod.ts";

/** A register that CPUID answers with. */
export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

/** The features that one register of a CPUID leaf announces. */
export interface CpuidFeatures {
  /** EAX before CPUID. */
  readonly leaf: number;
  /** ECX before CPUID. */
  readonly subleaf: number;
  /** The register. */
  readonly register: CpuidRegister;
  /** The names of the bits that are set, the lowest first; `bitN` where there is no name. */
  readonly names: readonly string[];
}

/**
 * The features that CPUID announces in its main leaves, by name.
 *
 * @param entries What CPUID answers, as {@linkcode Kvm.supportedCpuid} gives it.
 * @returns A row for each register of {@linkcode cpuidNames} that the entries hold.
 */
export function cpuidFeatures(entries: readonly CpuidEntry[]): CpuidFeatures[] {
  return cpuidNames.flatMap(({ leaf, subleaf, register, names }) => {
    const entry = entries.find(({ function: eax, index }) => eax === leaf && index === subleaf);
    if (entry === undefined) return [];
    const bits = Array.from({ length: 32 }, (_, bit) => bit)
      .filter((bit) => (entry[register] >>> bit) & 1);
    return [{ leaf, subleaf, register, names: bits.map((bit) => names[bit] ?? `bit${bit}`) }];
  });
}

/**
 * The entries for the vCPU of this number. Among what {@linkcode Kvm.supportedCpuid} gives are the
 * APIC IDs of the host's CPU that happened to answer: in leaf 1, in the topology leaves 0xB and 0x1F,
 * and in AMD's 0x8000001E (Intel SDM vol. 2A CPUID, AMD APM vol. 3 appendix E).
 */
export function withApicId(entries: readonly CpuidEntry[], id: number): CpuidEntry[] {
  return entries.map((entry) => {
    switch (entry.function) {
      case 0x1:
        return { ...entry, ebx: ((entry.ebx & 0x00ff_ffff) | (id << 24)) >>> 0 };
      case 0xb:
      case 0x1f:
        return { ...entry, edx: id };
      case 0x8000_001e:
        return { ...entry, eax: id };
      default:
        return entry;
    }
  });
}

/** The physical address bits (Intel SDM vol. 2A CPUID leaf 0x80000008); 36 where it is missing. */
export function physicalAddressBits(entries: readonly CpuidEntry[]): number {
  const entry = entries.find(({ function: leaf }) => leaf === 0x8000_0008);
  return entry === undefined ? 36 : entry.eax & 0xff;
}

/** A register whose bits are features, with their names by bit. */
export interface CpuidNames {
  /** EAX before CPUID. */
  readonly leaf: number;
  /** ECX before CPUID. */
  readonly subleaf: number;
  /** The register. */
  readonly register: CpuidRegister;
  /** The name of each bit that has one. */
  readonly names: Readonly<Record<number, string>>;
}

/**
 * The features by leaf and register, under the names of Linux's `/proc/cpuinfo`
 * (`arch/x86/include/asm/cpufeatures.h`; Intel SDM vol. 2A CPUID, AMD APM vol. 3 appendix E), and
 * KVM's own (`Documentation/virt/kvm/x86/cpuid.rst`).
 */
export const cpuidNames: readonly CpuidNames[] = [
  row([0x1, 0, "ecx"], {
    0: "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm",
    17: "pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c",
    30: "rdrand hypervisor",
  }),
  row([0x1, 0, "edx"], {
    0: "fpu vme de pse tsc msr pae mce cx8 apic",
    11: "sep mtrr pge mca cmov pat pse36 pn clflush",
    21: "dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe",
  }),
  row([0x7, 0, "ebx"], {
    0: "fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms invpcid rtm cqm",
    13: "zero_fcs_fds mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma",
    23: "clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl",
  }),
  row([0x7, 0, "ecx"], {
    0: "prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq",
    11: "avx512_vnni avx512_bitalg tme avx512_vpopcntdq",
    16: "la57",
    22: "rdpid kl bus_lock_detect cldemote",
    27: "movdiri movdir64b enqcmd sgx_lc pks",
  }),
  row([0x7, 0, "edx"], {
    1: "sgx_keys avx512_4vnniw avx512_4fmaps fsrm uintr",
    8: "avx512_vp2intersect srbds_ctrl md_clear rtm_always_abort",
    13: "tsx_force_abort serialize hybrid_cpu tsxldtrk",
    18: "pconfig arch_lbr ibt",
    22: "amx_bf16 avx512_fp16 amx_tile amx_int8 spec_ctrl stibp flush_l1d arch_capabilities",
    30: "core_capabilities ssbd",
  }),
  row([0x7, 1, "eax"], {
    0: "sha512 sm3 sm4 rao_int avx_vnni avx512_bf16 lass cmpccxadd arch_perfmon_ext",
    10: "fzrm fsrs fsrc",
    17: "fred lkgs wrmsrns nmi_src amx_fp16 hreset avx_ifma",
    26: "lam msrlist",
  }),
  row([0x7, 1, "edx"], {
    4: "avx_vnni_int8 avx_ne_convert",
    8: "amx_complex",
    10: "avx_vnni_int16",
    14: "prefetchi user_msr",
    17: "uiret_uif cet_sss avx10",
    21: "apx_f",
  }),
  row([0xd, 1, "eax"], { 0: "xsaveopt xsavec xgetbv1 xsaves xfd" }),
  row([0x4000_0001, 0, "eax"], {
    0: "clocksource nop_io_delay mmu_op clocksource2 async_pf steal_time pv_eoi pv_unhalt",
    9: "pv_tlb_flush async_pf_vmexit pv_send_ipi poll_control pv_sched_yield async_pf_int",
    15: "msi_ext_dest_id hc_map_gpa_range migration_control",
    24: "clocksource_stable_bit",
  }),
  row([0x8000_0001, 0, "ecx"], {
    0: "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs",
    11: "xop skinit wdt",
    15: "lwp fma4 tce",
    19: "nodeid_msr",
    21: "tbm topoext perfctr_core perfctr_nb",
    26: "bpext ptsc perfctr_llc mwaitx",
  }),
  // AMD repeats the bits of leaf 1's EDX that stand here first.
  row([0x8000_0001, 0, "edx"], {
    0: "fpu vme de pse tsc msr pae mce cx8 apic",
    11: "syscall mtrr pge mca cmov pat pse36",
    19: "mp nx",
    22: "mmxext mmx fxsr fxsr_opt pdpe1gb rdtscp",
    29: "lm 3dnowext 3dnow",
  }),
  row([0x8000_0007, 0, "edx"], { 8: "constant_tsc" }),
  row([0x8000_0008, 0, "ebx"], {
    0: "clzero irperf xsaveerptr invlpgb rdpru",
    9: "wbnoinvd",
    12: "ibpb",
    14: "ibrs stibp",
    17: "stibp_always_on",
    19: "ibrs_same_mode",
    23: "amd_ppin amd_ssbd virt_ssbd amd_ssb_no cppc amd_psfd btc_no ibpb_ret brs",
  }),
  row([0x8000_000a, 0, "edx"], {
    0: "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists",
    10: "pausefilter",
    12: "pfthreshold avic",
    15: "v_vmsave_vmload vgif",
    18: "x2avic",
    20: "v_spec_ctrl",
    25: "vnmi",
    28: "svme_addr_chk",
  }),
];

/** A row of the table: `runs` are names of successive bits, by the first one's number. */
function row(
  [leaf, subleaf, register]: [leaf: number, subleaf: number, register: CpuidRegister],
  runs: Readonly<Record<number, string>>,
): CpuidNames {
  const names: Record<number, string> = {};
  for (const [first, run] of Object.entries(runs)) {
    for (const [i, name] of run.split(" ").entries()) names[Number(first) + i] = name;
  }
  return { leaf, subleaf, register, names };
}
