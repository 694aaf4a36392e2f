import { expect, test } from 'vitest';
import { readMigrationFiles, splitStatements } from './migration-files.ts';

test('statements end at semicolons that are not quoted or commented', () => {
  expect(
    splitStatements(`-- one; two
      CREATE TABLE a (b String DEFAULT 'x;y\\';' COMMENT 'it''s; ok') /* ; */ ENGINE = Memory;
      ;SELECT 1 - 2 / 3, \`a;b\`; `),
  ).toEqual([
    "CREATE TABLE a (b String DEFAULT 'x;y\\';' COMMENT 'it''s; ok')   ENGINE = Memory",
    'SELECT 1 - 2 / 3, `a;b`',
  ]);
});

test('every statement of our migrations can run twice', async () => {
  const files = await readMigrationFiles();
  expect(files.map((file) => file.name)).toContain('001_ops');
  for (const statement of files.flatMap((file) => file.statements)) {
    expect(statement).toMatch(
      /^(CREATE (DATABASE|TABLE|VIEW) IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE \S+ (ADD|DROP) \w+ IF)/,
    );
  }
});
