import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { applyConnectors, reasonOf } from './apply.ts';
import { createConnectClient } from './connect-client.ts';

// Answers of Connect that the real one gives only at moments no test can choose.
let close: (() => Promise<void>) | undefined;
afterEach(async () => close?.());

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const { signal } = new AbortController();
const status = (state: string, trace?: string) => ({
  connector: { state: 'RUNNING' },
  tasks: [{ id: 0, state, ...(trace === undefined ? {} : { trace }) }],
});

describe('the Connect client', () => {
  it('repeats a request that Connect answers with 409 while it rebalances', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      response.writeHead(asked < 3 ? 409 : 200).end(asked < 3 ? '{"message":"rebalance"}' : '{}');
    });
    expect((await createConnectClient(url).list(signal)).size).toBe(0);
    expect(asked).toBe(3);
  });

  it('tells the reason of a refusal without the secrets in it', async () => {
    const url = await serve((_, response) => {
      response.writeHead(400).end('{"error_code":400,"message":"bad password hunter2 for u"}');
    });
    const client = createConnectClient(url, [new Secret('hunter2')]);
    await expect(client.put('c', {}, signal)).rejects.toMatchObject({
      code: 'CONNECT_REFUSED',
      message: expect.stringContaining('bad password <redacted> for u') as unknown,
    });
  });

  it('says at once that nothing answers', async () => {
    const url = await serve(() => undefined);
    await close?.();
    await expect(createConnectClient(url).list(signal)).rejects.toMatchObject({
      code: 'CONNECT_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });
});

describe('apply', () => {
  const desired = [{ name: 'c', config: { a: '1' } }];
  const live = (config: object, task: object) =>
    JSON.stringify({ c: { info: { config }, status: task } });

  it('restarts a failed task and is content once it runs', async () => {
    const calls: string[] = [];
    const url = await serve((request, response) => {
      calls.push(`${request.method} ${request.url?.split('?')[0]}`);
      const restarted = calls.some((call) => call.endsWith('/restart'));
      response.end(live({ a: '1' }, status(restarted ? 'RUNNING' : 'FAILED', 'x')));
    });
    const client = createConnectClient(url);
    const steps = await applyConnectors({ client, desired, deadlineMs: 10_000, signal });
    expect(steps).toEqual([{ kind: 'unchanged', name: 'c' }]);
    expect(calls.filter((call) => !call.startsWith('GET'))).toEqual(['POST /connectors/c/restart']);
  });

  it("gives up on a task that keeps failing, with the task's own reason", async () => {
    let asked = 0;
    const trace =
      'io.debezium.DebeziumException: slot hunter2\n\tat a.b(C.java:1)\nCaused by: org.x.YException: inner\n\t... 3 more\n';
    const url = await serve((request, response) => {
      asked += 1;
      const failed = status('FAILED', trace);
      response.end(
        request.method === 'GET'
          ? live({ a: '1' }, asked % 2 === 0 ? failed : status('RUNNING'))
          : '',
      );
    });
    const client = createConnectClient(url);
    const secrets = [new Secret('hunter2')];
    await expect(
      applyConnectors({ client, desired, deadlineMs: 20_000, signal, secrets }),
    ).rejects.toMatchObject({
      code: 'CONNECTOR_FAILED',
      message: 'connector c failed: DebeziumException: slot <redacted>; YException: inner',
    });
  });

  it('names the last state it saw when the deadline passes', async () => {
    const url = await serve((_, response) => response.end(live({ a: '1' }, status('UNASSIGNED'))));
    const client = createConnectClient(url);
    await expect(
      applyConnectors({ client, desired, deadlineMs: 300, signal }),
    ).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('c UNASSIGNED') as unknown,
    });
  });

  it('reads the messages out of a Java stack trace', () => {
    expect(reasonOf('a.b.C: one\n\tat x\nCaused by: a.b.D: two\n\t... 2 more\n')).toBe(
      'C: one; D: two',
    );
  });
});
