import { expect, test } from 'vitest';
import { loadDefinitions } from './load-definitions.ts';
import { parseDefinition } from './parse-definition.ts';
import { parametersOf } from './sql-parameters.ts';

test('all dashboards parse, in the order of the menu', async () => {
  const dashboards = await loadDefinitions();
  expect(dashboards.map(({ id }) => id)).toEqual([
    'overview',
    'orders',
    'customers',
    'stock',
    'sagas',
    'pipeline',
    'drift',
    'verification',
  ]);
});

test('every problem of a file is told at once, with line and fix', () => {
  const text = [
    'title: A page',
    'description: About something',
    'order: 1',
    'sources: []',
    'range: 2h',
    'panels:',
    '  - id: one',
    '    tittle: One',
    '    kind: pie',
    '    width: 20',
    '    sql: SELECT 1',
  ].join('\n');
  expect(() => parseDefinition('page', text, 'page.yaml')).toThrow(
    expect.objectContaining({
      code: 'DASHBOARD_INVALID',
      message: expect.stringMatching(
        /page\.yaml:5:8: range .*\n.*5m, 15m[\s\S]*:7:5: title is missing[\s\S]*:8:5: unknown key "tittle"\n +Did you mean "title"\?[\s\S]*:9:11: kind [\s\S]*:10:12: width/,
      ),
    }),
  );
});

test('parameters that nobody gives, and names that repeat, are told', () => {
  const text = [
    'title: A page',
    'description: About something',
    'order: 1',
    'sources: []',
    'range: 1h',
    'panels:',
    '  - { id: one, title: One, kind: stat, width: 3, sql: "SELECT {form:String}" }',
    '  - { id: one, title: Two, kind: stat, width: 3, sql: "SELECT {from:String}" }',
  ].join('\n');
  expect(() => parseDefinition('page', text, 'page.yaml')).toThrow(
    /:7:55: nothing gives the parameter \{form\}[\s\S]*:8:11: a panel "one" is there already/,
  );
});

test('parameters are found by their form alone', () => {
  expect(
    parametersOf(`SELECT {a:String}, {b : Array(Int8)}, {a:String}, map('x', 1), '{}'`),
  ).toEqual(['a', 'b']);
});
