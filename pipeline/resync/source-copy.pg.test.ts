import pg from 'pg';
import { expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { startPostgres } from '../testing/postgres-server.ts';
import { createPace } from './copy-pace.ts';
import { copyShares } from './copy-shares.ts';
import { openSourceCopy } from './source-copy.ts';
import { planReads } from './table-reads.ts';

test('both readers of a copy see what the first one saw, each row once, in whole rows', async () => {
  await using server = await startPostgres({ dedicated: true });
  const { adminUrl } = await server.createDatabase('erp');
  const database = new pg.Client({ connectionString: adminUrl });
  await database.connect();
  try {
    // 45 MB.
    await database.query(
      `CREATE TABLE t (id int PRIMARY KEY, body text NOT NULL);
       ALTER TABLE t ALTER body SET STORAGE PLAIN;
       INSERT INTO t SELECT i, repeat(md5(i::text), 45) FROM generate_series(1, 30000) i`,
    );
    const copy = await openSourceCopy('erp', new Secret(adminUrl), 'public.t');
    try {
      const { selects } = await planReads(copy.first, 'public.t', ['id', 'body']);
      expect(selects).toHaveLength(2);
      await database.query(
        `INSERT INTO t VALUES (0, 'later'); UPDATE t SET body = 'later' WHERE id % 7 = 0;
         DELETE FROM t WHERE id % 11 = 0`,
      );
      const rows: string[] = [];
      await copyShares(
        copy,
        selects.map((select) => ({
          select,
          store: async (piece: Buffer) => {
            rows.push(...piece.toString().trimEnd().split('\n'));
          },
        })),
        {
          pace: createPace(undefined, () => false),
          signal: new AbortController().signal,
          onStored: () => undefined,
          explain: (_, error) => error as Error,
        },
      );
      const expected = await copy.first.query<{ row: string }>(
        "SELECT id || E'\\t' || repeat(md5(id::text), 45) AS row FROM generate_series(1, 30000) id",
      );
      expect(rows.toSorted()).toEqual(expected.rows.map(({ row }) => row).toSorted());
    } finally {
      await copy.close();
    }
  } finally {
    await database.end();
  }
});
