import { expect, test } from 'vitest';
import { onCluster } from './on-cluster.ts';

test('definitions go to every node and tables are replicated', () => {
  const cases: [string, string][] = [
    [
      "CREATE DATABASE IF NOT EXISTS ops COMMENT 'x'",
      "CREATE DATABASE IF NOT EXISTS ops ON CLUSTER `main` COMMENT 'x'",
    ],
    [
      'CREATE TABLE ops.t (a Int8) ENGINE = ReplacingMergeTree(v) ORDER BY a',
      'CREATE TABLE ops.t ON CLUSTER `main` (a Int8) ENGINE = ReplicatedReplacingMergeTree(v) ORDER BY a',
    ],
    [
      'CREATE TABLE IF NOT EXISTS t (a Int8) ENGINE = MergeTree ORDER BY a',
      'CREATE TABLE IF NOT EXISTS t ON CLUSTER `main` (a Int8) ENGINE = ReplicatedMergeTree ORDER BY a',
    ],
    [
      'CREATE OR REPLACE VIEW a.b AS SELECT 1',
      'CREATE OR REPLACE VIEW a.b ON CLUSTER `main` AS SELECT 1',
    ],
    ['DROP TABLE IF EXISTS ops.t SYNC', 'DROP TABLE IF EXISTS ops.t ON CLUSTER `main` SYNC'],
    [
      'CREATE TABLE l (a Int8) ENGINE = Memory',
      'CREATE TABLE l ON CLUSTER `main` (a Int8) ENGINE = Memory',
    ],
    ['INSERT INTO t SELECT 1', 'INSERT INTO t SELECT 1'],
  ];
  for (const [statement, expected] of cases) expect(onCluster(statement, 'main')).toBe(expected);
});
