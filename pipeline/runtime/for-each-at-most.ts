/**
 * Runs `work` for every item, at most `atOnce` of them side by side, in order.
 *
 * @param signal - begins no further item when it aborts
 * @throws the first failure of `work`; what was begun is not waited for then
 */
export async function forEachAtMost<T>(
  atOnce: number,
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  // One iterator for all: each takes what the others have left.
  const rest = items[Symbol.iterator]();
  const take = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (signal?.aborted === true) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, take));
}
