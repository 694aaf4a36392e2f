import { writeFile } from 'node:fs/promises';
import type { SupervisedProcess } from '../local/supervised-process.ts';
import { count, type Bench } from './bench.ts';
import { cpuSeconds, residentMb } from './process-usage.ts';
import type { Figure } from './report.ts';
import { startRig, type Group, type Rig } from './rig.ts';

/** One measured point: what is varied, and so many changes of a group of sources. */
interface Point {
  readonly what: string;
  readonly group: Group & { readonly name: string };
  readonly changes: number;
  readonly processes: number;
}

const USUAL = { sources: 1, partitions: 4, widthBytes: 250 };
const AT_ONCE = 2_000;
const DEADLINE_MS = 300_000;

/** CPU time of a million changes, and memory, against what they come as. */
export const COST: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const points = pointsOf(quick ? 20_000 : 200_000);
    await using rig = await startRig(
      Object.fromEntries(points.map(({ group: { name, ...group } }) => [name, group])),
    );
    // So that topics, schemas and tables are there before anything is measured.
    for (const { group } of points) await write(rig, group.name, group.sources * group.partitions);
    const pipelines = [await rig.startPipeline(0)];
    await rig.untilStored(rig.made, DEADLINE_MS);
    const figures: Figure[] = [];
    for (const point of points) {
      while (pipelines.length < point.processes) {
        pipelines.push(await rig.startPipeline(pipelines.length));
      }
      const found = await measure(rig, pipelines, point);
      figures.push(...found);
      const [pipeline, warehouse, memory] = found.map(({ runs: [value = 0] }) => value);
      say(
        `${point.what}: pipeline ${pipeline?.toFixed(1)} s CPU, warehouse ${warehouse?.toFixed(1)} s CPU per million; ${count(memory ?? 0)} MB a process`,
      );
    }
    return {
      title: 'cost of a million changes',
      figures,
      ratios: [],
      drawn: 's CPU',
      notes: [
        'Rows of 250 bytes, one table of four partitions, one process, unless it says otherwise.',
        "CPU time is the processes' own, user and system; merges of the warehouse that went on meanwhile count.",
      ],
    };
  },
};

function pointsOf(changes: number): Point[] {
  let groups = 0;
  const point = (what: string, more: Partial<Group>, rest: Partial<Point> = {}): Point => ({
    what,
    group: { name: `group${(groups += 1)}_`, ...USUAL, ...more },
    changes,
    processes: 1,
    ...rest,
  });
  const usual = point('rows of 250 bytes', {});
  return [
    usual,
    point('rows of 1 KB', { widthBytes: 1_000 }, { changes: changes / 2 }),
    point('rows of 8 KB', { widthBytes: 8_000 }, { changes: changes / 10 }),
    point('10 tables', { sources: 10, partitions: 1 }),
    point('100 tables', { sources: 100, partitions: 1 }),
    point('1 partition', { partitions: 1 }),
    point('16 partitions', { partitions: 16 }),
    { ...usual, what: '2 processes', processes: 2 },
    { ...usual, what: '4 processes', processes: 4 },
  ];
}

async function measure(
  rig: Rig,
  pipelines: readonly SupervisedProcess[],
  { what, group, changes }: Point,
): Promise<Figure[]> {
  const pids = pipelines.flatMap(({ pid }) => pid ?? []);
  // Begins to watch the peak of memory anew.
  for (const pid of pids) await writeFile(`/proc/${pid}/clear_refs`, '5');
  const used = async () => ({
    pipeline: (await Promise.all(pids.map(cpuSeconds))).reduce((sum, part) => sum + part, 0),
    warehouse: await cpuSeconds(rig.warehouseProcess.pid),
  });
  const before = await used();
  await write(rig, group.name, changes);
  await rig.untilStored(rig.made, DEADLINE_MS);
  const after = await used();
  const perMillion = (name: keyof typeof after) => ((after[name] - before[name]) / changes) * 1e6;
  const peaks = await Promise.all(pids.map((pid) => residentMb(pid, 'VmHWM')));
  return [
    { what, column: 'pipeline', unit: 's CPU', runs: [perMillion('pipeline')] },
    { what, column: 'warehouse', unit: 's CPU', runs: [perMillion('warehouse')] },
    { what, column: 'memory of a process', unit: 'MB', runs: [Math.max(...peaks)] },
  ];
}

/** Writes changes round and round over the sources and partitions of a group. */
async function write(rig: Rig, group: string, changes: number): Promise<void> {
  const { sources, partitions } = rig.group(group);
  for (let from = 0; from < changes; from += AT_ONCE) {
    await sources.write(
      Array.from({ length: Math.min(AT_ONCE, changes - from) }, (_, place) => ({
        source: (from + place) % sources.names.length,
        partition: Math.floor((from + place) / sources.names.length) % partitions,
      })),
    );
  }
}
