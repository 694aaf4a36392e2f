import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { compileEnvelope } from '../change/envelope-reader.ts';
import { NO_COLUMN_RULES, tableRules } from '../catalog/column-rules.ts';
import { encodeChange, envelopeSchema } from '../testing/sample-envelope.ts';
import { RowBlock } from './row-block.ts';
import { RowReader } from './row-reader.ts';
import { planTable } from './table-plan.ts';

const MEGABYTE = 1_048_576;
const TABLES = 64;
const COLUMNS = [{ name: 'id', type: 'int' as const }];
const NOTHING: ReadonlySet<string> = new Set();

test('a table of which nothing more comes does not keep what its last record came in', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = async () => {
    // What one collection finds is let go beside the next turn.
    for (let turn = 0; turn < 3; turn += 1) {
      collect();
      await nextTurn();
    }
    return process.memoryUsage().arrayBuffers;
  };
  const before = await held();
  const readers = Array.from({ length: TABLES }, (_, number) => {
    const table = `t${number}`;
    const valueSchema = envelopeSchema(table, COLUMNS);
    const plan = planTable({
      source: 'shop',
      schema: 'public',
      table,
      keySchema: { type: 'record', name: 'Key', fields: COLUMNS },
      valueSchema,
      schemaId: 1,
      rules: tableRules(NO_COLUMN_RULES, { schema: 'public', table }),
    });
    // A record is a part of an answer of the broker.
    const answer = Buffer.alloc(MEGABYTE);
    const record = encodeChange(valueSchema, 1, table, { op: 'c', after: { id: number } });
    record.copy(answer);
    const value = answer.subarray(0, record.length);
    const readBytes = compileEnvelope(valueSchema);
    const reader = new RowReader(plan, NOTHING);
    const at = readBytes(value).after;
    if (typeof at !== 'number') throw new Error('there is no row');
    reader.read(value, { at, isKeyOnly: false, isRemoved: false }, new RowBlock(plan, NOTHING));
    return [readBytes, reader];
  });
  // Some may still be held by what has just been compiled.
  expect((await held()) - before).toBeLessThan((TABLES / 2) * MEGABYTE);
  expect(readers).toHaveLength(TABLES);
});
