import { expect, test } from 'vitest';
import { formatAge, formatBytes, formatDuration, formatNumber } from './format.ts';
import { describe as describeFreshness } from './freshness-view.ts';
import { readView, viewQuery } from './address.ts';
import { barsOf, seriesOf, statsOf } from './shape.ts';
import { levelOf } from './stat-view.ts';
import { friendlyText } from './types.ts';
import type { PanelData } from '../wire.ts';

const T0 = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const data = (columns: string[], rows: PanelData['rows'], type = 'UInt64'): PanelData => ({
  columns: columns.map((name) => ({
    name,
    type: name === 't' ? "DateTime('UTC')" : ['series', 'label'].includes(name) ? 'String' : type,
  })),
  rows,
  from: T0,
  to: T0 + 30_000,
  bucketSeconds: 10,
  parameters: {},
});

test('series have a point for each piece of time, in either form', () => {
  const long = data(
    ['t', 'series', 'value'],
    [
      [at(10), 'b', '2'],
      [at(0), 'a', '1'],
    ],
  );
  expect(seriesOf(long, 'zero')).toEqual([
    {
      name: 'a',
      points: [
        [T0, 1],
        [T0 + 10_000, 0],
        [T0 + 20_000, 0],
      ],
    },
    {
      name: 'b',
      points: [
        [T0, 0],
        [T0 + 10_000, 2],
        [T0 + 20_000, 0],
      ],
    },
  ]);
  const wide = data(['t', 'p50', 'p99'], [[at(20), 5.5, null]], 'Nullable(Float64)');
  expect(seriesOf(wide, 'open')).toEqual([
    {
      name: 'p50',
      points: [
        [T0, null],
        [T0 + 10_000, null],
        [T0 + 20_000, 5.5],
      ],
    },
  ]);
});

test('bars keep their order, and numbers what they were before', () => {
  const { bars, series } = barsOf(
    data(
      ['label', 'series', 'value'],
      [
        ['x', 'USD', '3'],
        ['y', 'EUR', '2'],
        ['x', 'EUR', '1'],
      ],
    ),
  );
  expect([bars.map(({ label, values }) => [label, ...values]), series]).toEqual([
    [
      ['x', ['USD', 3], ['EUR', 1]],
      ['y', ['EUR', 2]],
    ],
    ['EUR', 'USD'],
  ]);
  expect(statsOf(data(['value', 'previous'], [['4', '2']]))).toEqual([
    { label: '', value: 4, previous: 2 },
  ]);
});

test('thresholds hold above or below, the worst of them counts', () => {
  const above = [
    { at: 1, level: 'warning', when: 'above' },
    { at: 5, level: 'critical', when: 'above' },
  ] as const;
  expect([0, 1, 5].map((value) => levelOf(value, above))).toEqual([
    undefined,
    'warning',
    'critical',
  ]);
  expect(levelOf(0.5, [{ at: 0.9, level: 'warning', when: 'below' }])).toBe('warning');
});

test('numbers are written for people', () => {
  const plain = (text: string) => text.replaceAll(/[\u202f\u00a0]/g, ' ');
  expect(
    [
      formatNumber(1234.5, 'money', 'EUR'),
      formatNumber(0.912, 'percent'),
      formatDuration(1_500),
      formatDuration(90),
      formatBytes(20_480),
      formatAge(310),
      formatAge(31_000),
      friendlyText('1234567.5', 'Nullable(Decimal(12, 2))'),
      friendlyText('18446744073709551615', 'UInt64'),
      friendlyText(null, 'String'),
    ].map(plain),
  ).toEqual([
    'EUR 1,234.50',
    '91.2 %',
    '1.5 s',
    '90 ms',
    '20.5 kB',
    '0.3 s',
    '31 s',
    '1,234,567.50',
    '18,446,744,073,709,551,615',
    '–',
  ]);
});

test('an address keeps time and filters', () => {
  const about = { range: '1h', variables: [{ name: 'country', default: '' }] };
  expect(viewQuery(readView('?range=6h&country=DE', about))).toBe('range=6h&country=DE');
  expect(
    viewQuery(readView('?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z', about)),
  ).toContain('from=2026-01-01');
  expect(viewQuery(readView('', about))).toBe('range=1h');
});

test('freshness says what is known, and warns only of what is known to stand still', () => {
  const now = T0;
  const orders = { source: 'orders', lastCommittedAt: now - 400 };
  expect(describeFreshness({ now, sources: [orders] }, now)).toMatchObject({ level: 'live' });
  expect(
    describeFreshness({ now, sources: [{ ...orders, lastCommittedAt: now - 90_000 }] }, now),
  ).toMatchObject({ level: 'quiet' });
  expect(describeFreshness({ now, sources: [{ source: 'orders' }] }, now)).toMatchObject({
    level: 'unknown',
  });
  const halted = describeFreshness(
    { now, sources: [{ ...orders, stopped: 'its connector is PAUSED' }] },
    now,
  );
  expect(halted).toMatchObject({
    level: 'stopped',
    alarm: expect.stringContaining('orders: its connector is PAUSED'),
  });
});
