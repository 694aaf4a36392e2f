/**
 * A reading that several ask for: it is made anew only when the last one began `maxAgeMs` ago or
 * longer, or failed.
 */
export function remembered<T>(maxAgeMs: number, read: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: Promise<T>; readonly at: number } | undefined;
  return async () => {
    const now = performance.now();
    if (last === undefined || now - last.at >= maxAgeMs) {
      const reading = { value: read(), at: now };
      last = reading;
      reading.value.catch(() => {
        if (last === reading) last = undefined;
      });
    }
    return last.value;
  };
}
