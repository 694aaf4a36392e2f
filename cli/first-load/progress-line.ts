import { describeProgress, type LoadProgress } from '../../pipeline/first-load/progress.ts';

/** Where there is no terminal, a line at most so often, in milliseconds. */
const LINE_MS = 5_000;
const CLEAR = '\r\u001B[K';

/**
 * Shows how far a load is: on a terminal one line that is written over, elsewhere a line now and
 * then, none for loads that are over before.
 */
export function showProgress(out: NodeJS.WriteStream): (progress: LoadProgress) => void {
  let toldAt: number | undefined;
  return (progress) => {
    const isDone = progress.tables.every((table) => table.isDone);
    if (out.isTTY) {
      out.write(isDone ? CLEAR : `${CLEAR}  ${describeProgress(progress)}`);
      return;
    }
    toldAt ??= Date.now();
    if (isDone || Date.now() - toldAt < LINE_MS) return;
    toldAt = Date.now();
    out.write(`  ${describeProgress(progress)}\n`);
  };
}
