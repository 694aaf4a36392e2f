import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readArray } from './array-literal.ts';
import { arrayType } from './array-type.ts';

/** What array_out prints: quotes around what could be taken for something else. */
function printed(elements: readonly (string | null)[]): string {
  const items = elements.map((element) => {
    if (element === null) return 'NULL';
    const isPlain =
      element !== '' && !/[{}",\\\s]/.test(element) && element.toUpperCase() !== 'NULL';
    return isPlain ? element : `"${element.replace(/["\\]/g, String.raw`\$&`)}"`;
  });
  return `{${items.join(',')}}`;
}

test('every list of texts and NULLs is read as it was', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '"', '\\', '{', '}', ',', ' ', 'NULL', 'é', '\n'),
  });
  fc.assert(
    fc.property(fc.array(fc.option(text)), (elements) => {
      expect(readArray(printed(elements))).toEqual(elements);
    }),
  );
});

test.each(['{{1,2},{3,4}}', '[0:1]={1,2}', '{1', '1}', '{"1}', '{"1"2}', ''])(
  'what is no plain list is refused, not flattened: %s',
  (text) => {
    expect(() => readArray(text)).toThrow('cannot be stored as a list');
  },
);

test('whatever comes is a list or is refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('{', '}', '"', '\\', ',', 'a') }), (text) => {
      try {
        expect(Array.isArray(readArray(text))).toBe(true);
      } catch (error) {
        expect((error as Error).message).toContain('cannot be stored as a list');
      }
    }),
  );
});

test.each([
  ['bool', '{t,f,NULL}', [true, false, null]],
  ['int4', '{-2147483648,1}', [-2147483648, 1]],
  ['int8', '{9007199254740993}', ['9007199254740993']],
  ['float8', '{NaN,Infinity,-Infinity,-0,1e-07}', ['nan', 'inf', '-inf', '-0', 1e-7]],
  ['timestamp', '{"2024-02-29 12:00:00.1"}', ['2024-02-29 12:00:00.100000']],
  ['timestamptz', '{"2024-02-29 12:00:00+00"}', ['2024-02-29 12:00:00.000000']],
  [undefined, '{1.50,NaN}', ['1.50', 'NaN']],
])('elements of %s', (element, text, cells) => {
  expect(arrayType(element, undefined).encode(text)).toEqual(cells);
});

test.each([
  ['date', '{"0044-03-15 BC"}'],
  ['date', '{infinity}'],
  ['timestamp', '{"1899-12-31 23:59:59"}'],
  // A worker that does not have UTC would have printed this.
  ['timestamptz', '{"2024-02-29 12:00:00+05:30"}'],
])('a %s beyond ClickHouse is refused: %s', (element, text) => {
  expect(() => arrayType(element, undefined).encode(text)).toThrow('outside');
});
