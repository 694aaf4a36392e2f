import { z } from 'zod';
import { text, uuid } from '#runtime/service/fields.ts';
import { decodeCursor, pageOf, pageQuery, pageShape, timestampKey } from '#runtime/service/page.ts';
import { unavailable } from '#runtime/service/problem.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { Database } from '#runtime/service/database.ts';
import type { Freshness } from '../freshness.ts';
import { generationShape, type Generation, type Generations } from '../generations.ts';
import { historyOrderShape, listHistory, searchQuery } from '../history-repository.ts';

const fresh = {
  /** Everything that was in the topics then is in here; null while it is not known. */
  complete_until: z.iso.datetime().nullable(),
};

/** What the routes read. */
export interface HistoryParts {
  readonly database: Database;
  readonly generations: Generations;
  readonly freshness: Freshness;
}

/** Orders, searched and listed. */
export function historyRoutes({ database, generations, freshness }: HistoryParts): Route[] {
  const serving = async (): Promise<Generation> => {
    const generation = await generations.serving();
    if (generation !== undefined) return generation;
    throw unavailable('service-unavailable', 'The first read model is not there yet; try again.');
  };
  return [
    route({
      method: 'get',
      path: '/order-history',
      summary: 'Search orders by words of number, buyer and products, newest first',
      query: z.strictObject({
        ...pageQuery,
        q: text(200).optional(),
        user_id: uuid().optional(),
        status: text(40).optional(),
      }),
      reply: pageShape(historyOrderShape).extend(fresh),
      handle: async ({ query: { q, user_id: userId, status, cursor, limit } }) => {
        const [placedAt, id] = decodeCursor(cursor, timestampKey(), uuid());
        const { number } = await serving();
        const filter = { userId, status, search: q === undefined ? undefined : searchQuery(q) };
        const rows = await listHistory(database, number, filter, placedAt, id, limit + 1);
        return ok({
          ...pageOf(rows, limit, (order) => [order.placed_at, order.order_id]),
          complete_until: freshness.of(number)?.toISOString() ?? null,
        });
      },
    }),
    route({
      method: 'get',
      path: '/generations',
      summary: 'List the generations of the read model, newest first',
      reply: z.object({ items: z.array(generationShape.extend(fresh)) }),
      handle: async () =>
        ok({
          items: (await generations.list()).map((generation) => ({
            ...generation,
            complete_until: freshness.of(generation.number)?.toISOString() ?? null,
          })),
        }),
    }),
    route({
      method: 'post',
      path: '/generations',
      summary: 'Build the read model anew from the topics; the old one serves until it is complete',
      reply: generationShape,
      handle: async () => ({ status: 202, body: await generations.rebuild() }),
    }),
  ];
}
