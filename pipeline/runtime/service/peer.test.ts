import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { createLogger } from '#runtime/log.ts';
import { createPeer } from './peer.ts';

let calls = 0;
let answer: () => number = () => 200;
const server = createServer((_request, response) => {
  calls += 1;
  response.writeHead(answer()).end('{"items":[]}');
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  calls = 0;
  answer = () => 200;
});

function newPeer() {
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;
  const peer = createPeer({ name: 'stock', baseUrl, log: createLogger('test', 'silent') });
  const { signal } = new AbortController();
  return async () => peer.get(z.object({ items: z.array(z.string()) }), { path: '/x', signal });
}

test('tries again what may work next time, and only that', async () => {
  const get = newPeer();
  answer = () => (calls < 3 ? 503 : 200);
  expect(await get()).toEqual({ items: [] });
  expect(calls).toBe(3);
  answer = () => 500;
  await expect(get()).rejects.toMatchObject({ status: 503, extras: { dependency: 'stock' } });
  expect(calls).toBe(4);
});

test('leaves a peer alone that fails again and again, until it is back', async () => {
  const get = newPeer();
  answer = () => 503;
  const refused = async () => expect(get()).rejects.toMatchObject({ status: 503 });
  for (let index = 0; index < 20; index += 1) await refused();
  // Twenty calls of three attempts each would be sixty.
  expect(calls).toBe(10);
  answer = () => 200;
  await expect.poll(async () => get().catch(() => 'away')).toEqual({ items: [] });
  for (let index = 0; index < 5; index += 1) await get();
  expect(calls).toBe(16);
});
