/** What has to be undone at the end, the last first. Node 20 has no AsyncDisposableStack. */
export class CleanUp implements AsyncDisposable {
  readonly #steps: (() => Promise<unknown>)[] = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await step();
  }
}
