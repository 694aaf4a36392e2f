import type { TributaryError } from '#runtime/errors.ts';
import type { ProcessSpec } from '../local/process-spec.ts';
import type { RunRecords } from '../local/run-records.ts';
import type { LocalSettings } from '../local/settings.ts';
import { SupervisedProcess } from '../local/supervised-process.ts';
import { emptyStateFolder } from './state-folder.ts';

/** Processes of the local stack, chosen one by one; all are stopped at the end, the last first. */
export class ProcessSet implements AsyncDisposable {
  readonly #records: RunRecords;
  readonly #processes: SupervisedProcess[] = [];

  private constructor(records: RunRecords) {
    this.#records = records;
  }

  /** Begins with an empty state folder, once no other process has it. */
  static async open(settings: LocalSettings): Promise<ProcessSet> {
    return new ProcessSet(await emptyStateFolder(settings.stateDir));
  }

  /** Starts a process and waits until it is healthy. */
  async run(spec: ProcessSpec | Promise<ProcessSpec>): Promise<SupervisedProcess> {
    const child = new SupervisedProcess(await spec, this.#records, (error: TributaryError) => {
      throw error;
    });
    this.#processes.push(child);
    await child.start();
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes.toReversed()) await child.stop();
    await this.#records.releaseOwnership();
  }
}
