import type { Exit } from "../kvm/mod.ts";

/**
 * How many exits there were, by reason. They come in runs of one reason, which are added up when
 * another comes: to look up a map's entry for each would be a sixth of what the run loop does.
 */
export class ExitCounts {
  readonly #counts = new Map<Exit["reason"], number>();
  #latest: Exit["reason"] = "hlt";
  /** How many with the latest reason are not in the map yet. */
  #inARow = 0;

  /** Counts an exit. */
  add(reason: Exit["reason"]): void {
    if (reason === this.#latest) this.#inARow++;
    else this.#begin(reason);
  }

  #begin(reason: Exit["reason"]): void {
    this.#addUp();
    this.#latest = reason;
    this.#inARow = 1;
  }

  /** The counts, in the order in which the reasons came up. */
  all(): ReadonlyMap<Exit["reason"], number> {
    this.#addUp();
    return this.#counts;
  }

  #addUp(): void {
    if (this.#inARow === 0) return;
    this.#counts.set(this.#latest, (this.#counts.get(this.#latest) ?? 0) + this.#inARow);
    this.#inARow = 0;
  }
}
