import { z } from 'zod';
import { commaList, secret, Secret } from '#runtime/config.ts';
import { connectWarehouse, type Warehouse } from '../pipeline/sink/clickhouse-client.ts';

/** Settings of commands that read the warehouse. */
export const warehouseSettings = z.object({
  clickhouseUrl: z.url(),
  clickhouseUser: z.string().default('default'),
  clickhousePassword: secret().default(new Secret('')),
});

/** Settings of commands that also ask the broker how far the pipeline is. */
export const pipelineSettings = warehouseSettings.extend({
  kafkaBrokers: commaList(),
  kafkaGroupId: z.string().default('tributary'),
});

/** Connects to the warehouse that the settings name. */
export function connectConfiguredWarehouse(
  config: z.output<typeof warehouseSettings>,
  application: string,
): Warehouse {
  return connectWarehouse(
    {
      url: config.clickhouseUrl,
      user: config.clickhouseUser,
      password: config.clickhousePassword,
    },
    application,
  );
}
