import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { TributaryError } from '#runtime/errors.ts';
import type { Catalog } from './catalog.ts';
import { parseCatalog } from './parse-catalog.ts';

const ENV = {
  URL: 'postgres://capture:s3cret@db.example/shop',
  TRIBUTARY_MASK_KEY: 'long enough to hash',
  HOOK: 'https://hooks.example/T0/s3cret',
  TOKEN: 's3cret',
};
const SOURCES = `sources:
  - { name: users, url: '\${URL}', tables: [public.*], mask: { public.users.phone: drop, public.users.email: hash } }
  - { name: orders, url: '\${URL}', tables: [public.*, sales.*], exclude: [public.logs], mask: { public.orders.user_email: hash } }
`;

const parse = (text: string): Catalog => parseCatalog(`${SOURCES}${text}`, 'c.yaml', ENV);

function problems(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof TributaryError) return error.message;
    throw error;
  }
  throw new Error('the catalog was accepted');
}

test('a rule is short where the usual is meant', () => {
  const { drift, alerts } = parse(`drift:
  - rule: names
    owner: users.users
    copy: orders.orders
    reference: { user_id: id }
    fields: { user_name: name }
`);
  expect(alerts).toEqual([]);
  expect(drift).toEqual([
    {
      name: 'names',
      owner: { source: 'users', schema: 'public', table: 'users' },
      copy: { source: 'orders', schema: 'public', table: 'orders' },
      reference: [{ copy: 'user_id', owner: 'id' }],
      fields: [{ copy: 'user_name', owner: 'name', normalize: [] }],
      where: new Map(),
      allowedStalenessMs: 60_000,
      orphansAllowed: false,
      complete: false,
      alert: { findings: 1, share: Infinity },
      repair: undefined,
    },
  ]);
});

test('a rule says all there is to say, and shows no secret', () => {
  const { drift, alerts, variables } = parse(`drift:
  - rule: mails
    owner: users.users
    copy: orders.sales.invoices
    reference: { user_id: id }
    fields: { mail: name }
    normalize: { mail: [trim, lower-case] }
    where: { status: [paid, null], year: 2026, closed: false }
    allowed_staleness: 5m
    orphans: allow
    complete: true
    alert: { share: 0.01 }
    repair:
      url: http://users.example/users/{id}/republish
      headers: { authorization: 'Bearer \${TOKEN}' }
alerts:
  - { format: slack, url: '\${HOOK}' }
`);
  expect(drift).toMatchObject([
    {
      copy: { source: 'orders', schema: 'sales', table: 'invoices' },
      fields: [{ copy: 'mail', owner: 'name', normalize: ['trim', 'lower-case'] }],
      where: new Map<string, unknown>([
        ['status', ['paid', null]],
        ['year', ['2026']],
        ['closed', ['false']],
      ]),
      allowedStalenessMs: 300_000,
      orphansAllowed: true,
      complete: true,
      alert: { findings: Infinity, share: 0.01 },
      repair: { url: 'http://users.example/users/{id}/republish' },
    },
  ]);
  expect(drift[0]?.repair?.headers.get('authorization')?.reveal()).toBe('Bearer s3cret');
  expect(alerts[0]?.url.reveal()).toBe(ENV.HOOK);
  expect(variables).toContain('HOOK');
  expect(inspect([drift, alerts], { depth: 9 }) + JSON.stringify([drift, alerts])).not.toContain(
    's3cret',
  );
});

test('hashed columns can be compared with each other', () => {
  const rule = (fields: string) => `drift:
  - { rule: r, owner: users.users, copy: orders.orders, reference: { user_id: id }, fields: ${fields} }
`;
  expect(parse(rule('{ user_email: email }')).drift).toHaveLength(1);
  expect(problems(rule('{ user_name: email }'))).toContain('the owner is masked');
  expect(problems(rule('{ user_email: name }'))).toContain('the copy is masked');
  expect(problems(rule('{ user_name: phone }'))).toContain('the owner is masked');
});

test('every problem is told, with its place', () => {
  const message = problems(`drift:
  - rule: one
    owner: clients.users
    copy: orders.logs
    reference: {}
    fields: {}
    normalize: { nothing: [trim] }
    repair: { url: '\${NOT_SET}/x' }
  - rule: one
    owner: users.users
    copy: orders.orders
    reference: { user_email: email }
    fields: { user_name: name }
    allowed_staleness: soon
  - rule: two
    owner: users.users
    copy: orders.orders
    reference: { user_email: email }
    fields: { user_email: email }
    normalize: { user_email: [trim] }
alerts:
  - { format: slack, url: hooks.example }
`);
  expect(message.split('\n').map((line) => line.trim())).toMatchInlineSnapshot(`
    [
      "c.yaml has 10 problems:",
      "c.yaml:6:12: there is no source "clients"",
      "Write source.table with one of: users, orders",
      "c.yaml:7:11: source orders does not capture public.logs",
      "Add the table to the \`tables\` of the source, or correct the name.",
      "c.yaml:8:16: reference names no column",
      "Write column of the copy: column of the owner.",
      "c.yaml:9:13: fields names no column",
      "Write column of the copy: column of the owner.",
      "c.yaml:10:18: "nothing" is none of the fields",
      "Name a column of the copy that stands under \`fields\`.",
      "c.yaml:11:20: the environment variable NOT_SET is not set",
      "Set it: export NOT_SET=http://users.example",
      "c.yaml:17:24: allowed_staleness must be a duration such as 30s, 5m, or 1h",
      "For example: allowed_staleness: 30s",
      "c.yaml:21:18: rows are looked up by their keys at the sources, and this column is masked",
      "Leave keys that rules refer to unmasked (\`keep\`), or remove the rule.",
      "c.yaml:22:15: hashes cannot be normalized",
      "Mask both columns with \`hash\`, or neither; hashed ones are compared as they are.",
      "c.yaml:25:27: the url is not an http or https address",
      "Write https://host/path",
    ]
  `);
});
