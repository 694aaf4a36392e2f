/** Until when generations are complete, as this process has seen it. */
export class Freshness {
  readonly #completeUntil = new Map<number, Date>();

  /** Everything that was in the topics at that time is in the generation. */
  note(generation: number, until: Date): void {
    this.#completeUntil.set(generation, until);
  }

  /** Undefined when it is not known (yet). */
  of(generation: number): Date | undefined {
    return this.#completeUntil.get(generation);
  }
}
