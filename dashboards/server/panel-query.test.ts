import { expect, test } from 'vitest';
import { GIVEN_PARAMETERS } from '../definition/sql-parameters.ts';
import { valuesFor } from './panel-query.ts';
import { parseTimeRange } from './time-range.ts';

const ALL = GIVEN_PARAMETERS.map((name) => `{${name}:String}`).join();
const given = (from: string, to: string) =>
  valuesFor(ALL, {
    range: parseTimeRange(new URLSearchParams({ from, to }), 0, '1h'),
    variables: {},
  });

test('whole days are those that lie in the time and in the time before', () => {
  expect(given('2026-03-10T10:30:00Z', '2026-03-14T00:00:00Z')).toEqual({
    from: '2026-03-10 10:30:00.000',
    to: '2026-03-14 00:00:00.000',
    bucket: 3_600,
    previous_from: '2026-03-06 21:00:00.000',
    days_from: '2026-03-11',
    days_to: '2026-03-14',
    chart_days_to: '2026-03-11',
    previous_days_from: '2026-03-07',
    previous_days_to: '2026-03-10',
  });
});

test('a day that begins or ends with the time is whole, one that lacks a millisecond is not', () => {
  expect(given('2026-03-10T00:00:00Z', '2026-03-12T00:00:00Z')).toMatchObject({
    days_from: '2026-03-10',
    days_to: '2026-03-12',
  });
  expect(given('2026-03-10T00:00:00.001Z', '2026-03-11T23:59:59.999Z')).toMatchObject({
    days_from: '2026-03-11',
    days_to: '2026-03-11',
  });
});

test('a chart takes whole days where its pieces are days, and no more than a query asks for', () => {
  expect(given('2026-01-01T10:00:00Z', '2026-03-14T08:00:00Z')).toMatchObject({
    bucket: 86_400,
    days_from: '2026-01-02',
    chart_days_to: '2026-03-14',
  });
  const range = parseTimeRange(new URLSearchParams(), Date.UTC(2026, 2, 14), '1h');
  expect(
    valuesFor('SELECT {days_to:Date}, {kind:String}', {
      range,
      variables: { kind: 'x', other: 'y' },
    }),
  ).toEqual({ days_to: '2026-03-14', kind: 'x' });
});
