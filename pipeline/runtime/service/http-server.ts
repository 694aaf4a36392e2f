import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 15_000;

/** A listening HTTP server. */
export interface HttpServer {
  readonly port: number;
  /**
   * Takes no new connection, lets requests that run finish, and resolves when the last has; after
   * `deadlineMs` it cuts what is left. Every answer from now on closes its connection.
   */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * Listens on loopback.
 *
 * @param port - 0 takes any free port
 * @throws the listen error, such as EADDRINUSE
 */
export async function serveHttp(
  listener: RequestListener,
  port: number,
  host: string,
): Promise<HttpServer> {
  let draining = false;
  const open = new Set<ServerResponse>();
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      if (draining) endConnection(response);
      open.add(response);
      response.on('close', () => open.delete(response));
      listener(request, response);
    },
  );
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    drain: async (deadlineMs) => {
      draining = true;
      open.forEach(endConnection);
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** A connection that is kept alive after its answer would outlast the drain. */
function endConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
