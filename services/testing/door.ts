import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before a real service: counts its requests, and can hold them back or refuse them. */
export interface Door {
  readonly url: string;
  calls: number;
  held: boolean;
  /** The status that requests are answered with instead of reaching the service. */
  refusing: number | undefined;
  /** Resolves when a request has come that is held back; its promise, when the asker hung up. */
  readonly holding: () => Promise<{ hungUp: Promise<unknown> }>;
  close(): void;
}

/** @param target - url of the service, asked at each request */
export async function openDoor(target: () => string): Promise<Door> {
  const arrivals: ((held: { hungUp: Promise<unknown> }) => void)[] = [];
  const server = createServer((request, response) => {
    door.calls += 1;
    if (door.held) {
      const hungUp = once(response, 'close');
      arrivals.splice(0).forEach((arrived) => arrived({ hungUp }));
      return;
    }
    if (door.refusing !== undefined) {
      response.writeHead(door.refusing).end('{}');
      return;
    }
    void (async () => {
      const chunks = (await request.toArray()) as Buffer[];
      const answer = await fetch(`${target()}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers: { 'content-type': 'application/json' },
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      response.writeHead(answer.status).end(await answer.text());
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const door: Door = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: 0,
    held: false,
    refusing: undefined,
    holding: async () =>
      new Promise((resolve) => {
        arrivals.push(resolve);
      }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return door;
}
