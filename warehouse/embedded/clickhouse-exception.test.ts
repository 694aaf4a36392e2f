import { expect, test } from 'vitest';
import { toClickHouseException } from './clickhouse-exception.ts';

test('the innermost exception is told, once, with its name', () => {
  const cases: [string, number, string, string][] = [
    [
      'Code: 60. DB::Exception: Table t does not exist. (UNKNOWN_TABLE)',
      60,
      'UNKNOWN_TABLE',
      'Table t does not exist.',
    ],
    [
      'Code: 452. DB::Exception: Code: 452. DB::Exception: Setting x should not be changed. (SETTING_CONSTRAINT_VIOLATION) (version 26.7.2.1). (SETTING_CONSTRAINT_VIOLATION)',
      452,
      'SETTING_CONSTRAINT_VIOLATION',
      'Setting x should not be changed.',
    ],
    [
      'Code: 27. DB::Exception: Cannot parse (at row 2)\n: \nRow 2:\n. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.7.2.1 (official build))',
      27,
      'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
      'Cannot parse (at row 2)\n: \nRow 2:\n.',
    ],
    ['something else', 1001, 'STD_EXCEPTION', 'something else'],
  ];
  for (const [text, code, type, message] of cases) {
    expect(toClickHouseException(new Error(text))).toMatchObject({ code, type, message });
  }
  expect(toClickHouseException(new Error(cases[1]?.[0])).render('26.7')).toBe(
    'Code: 452. DB::Exception: Setting x should not be changed. (SETTING_CONSTRAINT_VIOLATION) (version 26.7)',
  );
});
