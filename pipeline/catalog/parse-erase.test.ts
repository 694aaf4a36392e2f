import { expect, test } from 'vitest';
import { TributaryError } from '#runtime/errors.ts';
import type { Catalog } from './catalog.ts';
import { parseCatalog } from './parse-catalog.ts';

const ENV = { URL: 'postgres://capture:s3cret@db.example/shop', HOST: 'http://users.example' };
const SOURCES = `sources:
  - { name: users, url: '\${URL}', tables: [public.*], outbox: messaging.outbox }
  - { name: orders, url: '\${URL}', tables: [public.*, sales.*], mask: { public.secrets.owner: drop } }
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

test('says where data of somebody is, and which events are about it', () => {
  const { erase, sources, variables } = parse(`erase:
  - subject: users
    request: { url: '\${HOST}/users/{key}/erase' }
    data:
      - { table: users.users, reference: id }
      - { table: orders.sales.orders, reference: user_id, columns: [name] }
    events: [users.UserRegistered, users.UserNameChanged]
`);
  expect(erase).toEqual([
    {
      subject: 'users',
      request: { url: 'http://users.example/users/{key}/erase', headers: new Map() },
      data: [
        { table: { source: 'users', schema: 'public', table: 'users' }, reference: 'id' },
        {
          table: { source: 'orders', schema: 'sales', table: 'orders' },
          reference: 'user_id',
          columns: ['name'],
        },
      ],
      events: [
        { source: 'users', type: 'UserRegistered' },
        { source: 'users', type: 'UserNameChanged' },
      ],
    },
  ]);
  expect(sources.map(({ erasableEvents }) => erasableEvents)).toEqual([
    ['UserRegistered', 'UserNameChanged'],
    [],
  ]);
  expect(variables).toContain('HOST');
});

test('tells all that cannot be right, each in its line', () => {
  const text = problems(`erase:
  - subject: users
    request: { url: 'http://users.example/erase' }
    data:
      - { table: payments.cards, reference: user_id }
      - { table: orders.crm.notes, reference: user_id }
      - { table: orders.secrets, reference: owner }
    events: [orders.OrderPlaced, shop.Opened]
  - subject: users
    request: { url: 'http://users.example/{key}' }
    data: [{ table: users.users, reference: id }]
`);
  for (const [line, what] of [
    [6, 'the url does not say who is to be erased'],
    [8, 'there is no source "payments"'],
    [9, 'source orders does not capture crm.notes'],
    [10, 'rows are looked up by this column, and it is masked'],
    [11, 'source orders has no outbox'],
    [11, 'there is no source "shop"'],
    [12, '"users" is there already, on line 5'],
  ] as const) {
    expect(text).toMatch(new RegExp(`${line}:\\d+.*${what}`));
  }
});
