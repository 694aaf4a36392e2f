import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { serveHttp } from '#runtime/service/http-server.ts';
import { connectWarehouse, type Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import { loadDefinitions } from '../definition/load-definitions.ts';
import { connectAnalyst } from '../server/analyst-client.ts';
import { createApp, type AppParts } from '../server/app.ts';
import { bundlePages } from '../server/bundle.ts';

/** The dashboards over a warehouse of their own. */
export interface RunningPages extends AsyncDisposable {
  readonly url: string;
  readonly warehouse: EmbeddedWarehouse;
  /** As the user who may write. */
  readonly writer: Warehouse;
  /** What the app was made of, for another one beside it. */
  readonly parts: AppParts;
}

/**
 * Starts both. Dispose of it to stop them.
 *
 * @param partsAt - parts beside the usual ones, for a warehouse at an address
 */
export async function startPages(
  partsAt: (address: { url: string; password: Secret }) => Partial<AppParts> = () => ({}),
): Promise<RunningPages> {
  const warehouse = await startEmbeddedWarehouse();
  const address = { url: warehouse.url, user: 'default', password: new Secret('') };
  const writer = connectWarehouse(address, 'dashboards-test');
  const client = connectAnalyst({ ...address, user: 'analyst' }, 3);
  const sqlClient = connectAnalyst({ ...address, user: 'analyst' }, 2);
  const parts: AppParts = {
    client,
    sqlClient,
    dashboards: await loadDefinitions(),
    bundle: await bundlePages(),
    hosts: [],
    log: createLogger('dashboards', 'silent'),
    ...partsAt(address),
  };
  const app = createApp(parts);
  const server = await serveHttp(app, 0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${server.port}`,
    warehouse,
    writer,
    parts,
    async [Symbol.asyncDispose]() {
      await server.drain(500);
      await Promise.all([writer.close(), client.close(), sqlClient.close()]);
      await warehouse[Symbol.asyncDispose]();
    },
  };
}
