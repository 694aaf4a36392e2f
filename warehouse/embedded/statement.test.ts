import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { insertFromFile, readInsertHead } from './insert-head.ts';
import { quoteName, quoteText } from './sql-text.ts';
import { tokenize } from './sql-tokens.ts';
import { readStatement } from './statement.ts';

const words = (sql: string) => [...tokenize(sql)].map((token) => token.text);

describe('tokens', () => {
  test('comments and blanks are left out, quotes are one token each', () => {
    expect(
      words(
        "SELECT a/* ; ' */, 'it''s \\' ; --' -- ' ;\n, `b;\\`c`,\"d\"\"e\" # x ;\n, $t$ ; ' $t$ #!x\n ;",
      ),
    ).toEqual([
      'SELECT',
      'a',
      ',',
      "'it''s \\' ; --'",
      ',',
      'b;`c',
      ',',
      'd"e',
      ',',
      "$t$ ; ' $t$",
      ';',
    ]);
  });

  test('a quoted text is one token, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, name) => {
        const tokens = [...tokenize(`x ${quoteText(text)} ${quoteName(name)} y`)];
        expect(tokens.map((token) => token.kind)).toEqual(['name', 'string', 'name', 'name']);
        expect(tokens[2]?.text).toBe(name);
      }),
    );
  });

  test('no text makes it fail or go on for ever', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        let end = 0;
        for (const token of tokenize(text)) {
          expect(token.start).toBeGreaterThanOrEqual(end);
          expect(token.end).toBeGreaterThan(token.start);
          end = token.end;
        }
      }),
    );
  });
});

describe('statements', () => {
  test('are told apart by what they do', () => {
    const kinds: Record<string, string> = {
      'SELECT 1': 'select',
      ' /* x */ (SELECT 1) UNION ALL (SELECT 2)': 'select',
      'WITH x AS (SELECT 1) SELECT * FROM x': 'select',
      'FROM t SELECT *': 'select',
      'WITH 1 AS x INSERT INTO t SELECT x': 'write',
      'INSERT INTO t SELECT 1': 'write',
      'SET x = 1': 'session',
      'use db': 'session',
      'CREATE TEMPORARY TABLE t (a Int8)': 'session',
      'CREATE OR REPLACE TEMPORARY TABLE t (a Int8)': 'session',
      'CREATE TABLE temporary (a Int8)': 'write',
      'SHOW TABLES': 'show',
      'explain select 1': 'show',
      'ALTER TABLE t DELETE WHERE 1': 'write',
    };
    for (const [text, kind] of Object.entries(kinds)) {
      expect([text, readStatement(text).kind]).toEqual([text, kind]);
    }
  });

  test('the place for the output is before FORMAT, or at the end', () => {
    const cut = (text: string) => {
      const { outputAt, format, text: whole } = readStatement(text);
      return [whole.slice(0, outputAt), format, whole.slice(outputAt)];
    };
    expect(cut('SELECT 1 ; -- end')).toEqual(['SELECT 1', undefined, '']);
    expect(cut('SELECT 1 FORMAT CSV;')).toEqual(['SELECT 1 ', 'CSV', 'FORMAT CSV']);
    expect(cut('SELECT 1 FORMAT CSV SETTINGS a = 1')).toEqual([
      'SELECT 1 ',
      'CSV',
      'FORMAT CSV SETTINGS a = 1',
    ]);
    expect(cut("SELECT format, 'FORMAT CSV' FROM t")[1]).toBeUndefined();
    expect(cut('SELECT * FROM (SELECT 1 FORMAT x)')[1]).toBeUndefined();
    expect(cut('SELECT 1 AS format ORDER BY format')[1]).toBeUndefined();
  });

  test('parameters are found where they stand, and not in texts', () => {
    expect([
      ...readStatement("SELECT {a:String}, '{b:String}', { c : Array(UInt8) }").params,
    ]).toEqual(['a', 'c']);
  });
});

describe('heads of inserts', () => {
  const head = (text: string) => {
    const found = readInsertHead(text);
    return found && [insertFromFile(found, '/d'), text.slice(found.dataAt)];
  };

  test('end where the data begins', () => {
    expect(head('INSERT INTO t FORMAT TSV\n1\t2\n')).toEqual([
      "INSERT INTO t  FROM INFILE '/d' COMPRESSION 'none'  FORMAT TSV",
      '1\t2\n',
    ]);
    expect(head('INSERT INTO t FORMAT TSV\n\n\tx')?.[1]).toBe('\n\tx');
    expect(
      head('insert into table `d b`.`t``x` (`a`, b) settings x = 1 format JSONEachRow {"a":1}'),
    ).toEqual([
      "insert into table `d b`.`t``x` (`a`, b)  FROM INFILE '/d' COMPRESSION 'none' settings x = 1  FORMAT JSONEachRow",
      '{"a":1}',
    ]);
    expect(head("INSERT INTO t (a) VALUES (1), ('FORMAT CSV')")).toEqual([
      "INSERT INTO t (a)  FROM INFILE '/d' COMPRESSION 'none'  FORMAT Values",
      " (1), ('FORMAT CSV')",
    ]);
    expect(head('INSERT INTO format (values) FORMAT CSV\n1')?.[1]).toBe('1');
    expect(head('INSERT INTO values.format FORMAT CSV\n1')?.[1]).toBe('1');
  });

  test('are not there when the rows come from a query', () => {
    for (const text of [
      'INSERT INTO t SELECT 1 FORMAT CSV',
      'INSERT INTO t (a) (SELECT 1)',
      'INSERT INTO t (SELECT 1)',
      'INSERT INTO t WITH 1 AS x SELECT x',
      "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
      'SELECT 1 FORMAT CSV',
      'INSERT INTO',
      '',
    ]) {
      expect([text, readInsertHead(text)]).toEqual([text, undefined]);
    }
  });
});
