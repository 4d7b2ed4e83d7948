import { AssemblyError } from "../error.ts";
import { ExpressionParser, isScalar, scalar } from "../expression.ts";
import { floatFunction } from "../float.ts";
import { Label } from "../label.ts";
import { Lexer } from "../lexer.ts";
import type { PreprocessedLine } from "../lines.ts";

/** What the preprocessor itself must know of the program that the lines it has written make. */
export class Program {
  readonly #lines: readonly PreprocessedLine[];
  /** How many of them were looked through. */
  #seen = 0;
  #bits: number;
  /** The `equ`s of plain numbers. */
  readonly #constants = new Map<string, bigint>();
  readonly #lexer = new Lexer({ text: "", file: "", line: 0, depth: 0 });
  readonly #expressions = new ExpressionParser(this.#lexer, {
    bits: () => this.#bits,
    label: (name) => new Label(name),
    float: floatFunction,
    warn: () => {},
  });

  /**
   * @param lines The lines, of which there will be more.
   * @param bits The mode it begins in.
   */
  constructor(lines: readonly PreprocessedLine[], bits: number) {
    this.#lines = lines;
    this.#bits = bits;
  }

  /** The mode that the lines so far have set: 16, 32 or 64. */
  get bits(): number {
    this.#look();
    return this.#bits;
  }

  /** A symbol: known if it is an `equ` of a plain number further up. */
  symbol(name: string): Label {
    this.#look();
    const label = new Label(name);
    const number = this.#constants.get(name);
    if (number !== undefined) {
      label.known = true;
      label.value = scalar(number);
    }
    return label;
  }

  /** Looks through the lines written since last time. */
  #look(): void {
    for (; this.#seen < this.#lines.length; this.#seen++) {
      const { text } = this.#lines[this.#seen]!;
      const mode = /^\s*\[?\s*(?:bits\s+|use)(16|32|64)\b/i.exec(text);
      if (mode) this.#bits = Number(mode[1]);
      const equ = /^\s*([A-Za-z_?][\w.?@$#~]*)\s*:?\s+equ\s+(.+)/i.exec(text);
      if (!equ) continue;
      try {
        this.#lexer.open({ text: equ[2]!, file: "", line: 0, depth: 0 });
        const expression = this.#expressions.parse();
        const isPlain = this.#lexer.kind === "end" && expression.kind === "constant";
        if (isPlain && isScalar(expression.value)) {
          this.#constants.set(equ[1]!, expression.value.number);
        }
      } catch (error) {
        // The assembler will say what is wrong with it.
        if (!(error instanceof AssemblyError)) throw error;
      }
    }
  }
}
