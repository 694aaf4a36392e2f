/** Keys of one call: they may become a part of a URL. */
const AT_MOST = 50;

/**
 * Makes one call of many: the first ask is passed on at once, and what is asked while a call is under
 * way goes together with the next one. Nobody waits for a timer, and a thousand asks make a few calls.
 *
 * @param call - answers in the order of the keys; when it fails, all who asked with it are told
 */
export function gather<K, V>(
  call: (keys: readonly K[]) => Promise<readonly V[]>,
): (key: K) => Promise<V> {
  const waiting: { key: K; resolve: (value: V) => void; reject: (error: unknown) => void }[] = [];
  let isUnderWay = false;

  async function callAll(): Promise<void> {
    isUnderWay = true;
    while (waiting.length > 0) {
      const asks = waiting.splice(0, AT_MOST);
      try {
        const answers = await call(asks.map(({ key }) => key));
        for (const [index, { resolve }] of asks.entries()) resolve(answers[index] as V);
      } catch (error) {
        for (const { reject } of asks) reject(error);
      }
    }
    isUnderWay = false;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (!isUnderWay) void callAll();
    });
}
