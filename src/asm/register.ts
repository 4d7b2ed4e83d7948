/** What a register is for; general registers are told apart by their size. */
export type RegisterClass =
  | "general"
  | "segment"
  | "control"
  | "debug"
  | "test"
  | "x87"
  | "mmx"
  | "xmm"
  | "ymm"
  | "instruction";

/** A CPU register. */
export interface Register {
  /** Its name, lower case. */
  readonly name: string;
  /** What it is for. */
  readonly class: RegisterClass;
  /** Its width in bits. */
  readonly size: number;
  /** Its number in instructions, 0 to 15. */
  readonly number: number;
  /** `ah`, `ch`, `dh`, `bh`: numbers 4 to 7 without a REX prefix only. */
  readonly high: boolean;
  /** `spl`, `bpl`, `sil`, `dil`: numbers 4 to 7 with a REX prefix only. */
  readonly low: boolean;
}

const registers = new Map<string, Register>();

function define(kind: RegisterClass, size: number, names: string, first = 0): void {
  let number = first;
  for (const name of names.split(" ")) {
    const high = kind === "general" && size === 8 && name.endsWith("h");
    const low = kind === "general" && size === 8 && name.length === 3 && name.endsWith("l");
    registers.set(name, { name, class: kind, size, number: number++, high, low });
  }
}

/** Numbered names: `numbered("r8 r9", "d")` is `r8d r9d`. */
function numbered(prefix: string, first: number, last: number, suffix = ""): string {
  const names: string[] = [];
  for (let i = first; i <= last; i++) names.push(`${prefix}${i}${suffix}`);
  return names.join(" ");
}

define("general", 8, "al cl dl bl ah ch dh bh");
define("general", 8, `spl bpl sil dil ${numbered("r", 8, 15, "b")}`, 4);
define("general", 16, `ax cx dx bx sp bp si di ${numbered("r", 8, 15, "w")}`);
define("general", 32, `eax ecx edx ebx esp ebp esi edi ${numbered("r", 8, 15, "d")}`);
define("general", 64, `rax rcx rdx rbx rsp rbp rsi rdi ${numbered("r", 8, 15)}`);
define("segment", 16, "es cs ss ds fs gs segr6 segr7");
define("control", 32, numbered("cr", 0, 15));
define("debug", 32, numbered("dr", 0, 15));
define("test", 32, numbered("tr", 0, 7));
define("x87", 80, numbered("st", 0, 7));
define("mmx", 64, numbered("mm", 0, 7));
define("xmm", 128, numbered("xmm", 0, 15));
define("ymm", 256, numbered("ymm", 0, 15));

/** No register's name is longer, which spares most symbols the search. */
const longest = 5;

/** The register of this name, in any case. */
export function findRegister(name: string): Register | undefined {
  if (name.length > longest) return undefined;
  return registers.get(name) ?? registers.get(name.toLowerCase());
}
