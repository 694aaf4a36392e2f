/** Things the shoppers know of, at most `capacity` of them: the newest take the oldest's place. */
export class BoundedPool<Item> {
  readonly #capacity: number;
  readonly #items: Item[] = [];
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    if (this.#items.length < this.#capacity) {
      this.#items.push(item);
      return;
    }
    this.#next %= this.#capacity;
    this.#items[this.#next] = item;
    this.#next += 1;
  }

  /** The item that a choice in [0, 1) falls on; undefined when there is none. */
  pick(choice: number): Item | undefined {
    return this.#items[Math.floor(choice * this.#items.length)];
  }

  /** Like {@link pick}, and the item is gone from the pool. */
  take(choice: number): Item | undefined {
    const index = Math.floor(choice * this.#items.length);
    const item = this.#items[index];
    const last = this.#items.pop();
    if (last !== undefined && index < this.#items.length) this.#items[index] = last;
    return item;
  }

  remove(item: Item): void {
    const index = this.#items.indexOf(item);
    if (index >= 0) this.take(index / this.#items.length);
  }
}
