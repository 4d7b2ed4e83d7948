import { AssemblyError, type SourceLine } from "./error.ts";
import { type Base, type Expression, unknownValue, type Value } from "./expression.ts";
import { probePrefix } from "./lines.ts";
import { meantBySymbol } from "./mistakes.ts";

/** A name in the source and, once met, its value. */
export class Label {
  /** The whole name: a local label's has its parent's before it. */
  readonly name: string;
  /** Where it was defined. */
  definedAt: SourceLine | undefined;
  /** Its section, or undefined for an absolute address or an `equ`. */
  base: Base | undefined;
  /** Its offset in the section, if it is a label. */
  offset = 0;
  /** Its value, if it is an `equ`. */
  value: Value | undefined;
  /** Its value, if it is an `equ` of a plain number: known as soon as it is read. */
  early: bigint | undefined;
  /** Whether it has a value yet. */
  known = false;

  constructor(name: string) {
    this.name = name;
  }

  /** What the name stands for now. */
  evaluate(): Value {
    if (!this.known) return unknownValue;
    return this.value ?? addressValue(this.base, this.offset);
  }
}

/** The value of a place in a section, or of a number where there is no section. */
export function addressValue(base: Base | undefined, offset: number): Value {
  const terms = base ? [{ of: base, factor: 1, scaled: false }] : unknownValue.terms;
  return { number: BigInt(offset), terms, unknown: false };
}

/** The names of a source. */
export class Labels {
  /** The names that `extern` says are defined elsewhere. */
  readonly externals = new Set<string>();
  readonly #labels = new Map<string, Label>();
  #parent = "";

  /** A name that is not local begins the scope of the local ones after it. */
  enter(name: string): void {
    if (!name.startsWith(".")) this.#parent = name;
  }

  /** The label of a name as written: `.x` belongs to the last name that is not local. */
  find(written: string): Label {
    const isLocal = written.charCodeAt(0) === 0x2E && written.charCodeAt(1) !== 0x2E;
    return this.named(isLocal ? this.#parent + written : written);
  }

  /** The label of a whole name. */
  named(name: string): Label {
    let label = this.#labels.get(name);
    if (!label) this.#labels.set(name, label = new Label(name));
    return label;
  }

  /**
   * Defines a name.
   *
   * @param written The name as written.
   * @param line Where it stands.
   * @param equ The expression behind `equ`, if it is the name of that.
   */
  define(written: string, line: SourceLine, equ: Expression | undefined): Label {
    if (written.startsWith("..") && !written.startsWith("..@")) {
      throw new AssemblyError(`There is no special symbol ${written}`, { line });
    }
    const label = this.find(written);
    // Defining it again is an error only if it then differs, which the last pass finds.
    if (label.definedAt) return label;
    label.definedAt = line;
    if (equ?.kind === "constant" && equ.value.terms.length === 0) label.early = equ.value.number;
    return label;
  }

  /** Why a label has no value after all. */
  whyMissing({ name }: Label): string {
    return this.externals.has(name)
      ? `A flat binary cannot refer to the external symbol "${name}"`
      : `Symbol "${name}" is not defined${meantBySymbol(name, this.#defined())}`;
  }

  *#defined(): Generator<string> {
    for (const { name, definedAt } of this.#labels.values()) if (definedAt) yield name;
  }

  /** Every label's address and every `equ`'s value, once all is settled. */
  symbols(): Map<string, bigint> {
    const symbols = new Map<string, bigint>();
    for (const name of this.#defined()) {
      if (name.startsWith(probePrefix)) continue;
      const { terms, number } = this.named(name).evaluate();
      symbols.set(
        name,
        terms.reduce((sum, { of, factor }) => sum + BigInt((of as Base).address * factor), number),
      );
    }
    return symbols;
  }
}
