import { z } from 'zod';
import { text, uuid } from '#runtime/service/fields.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { UserRepository } from '../repository.ts';
import { addressBody, addressShape } from '../user.ts';

const byLabel = z.strictObject({ id: uuid(), label: text(40) });

/** Operations on the addresses of a user. */
export function addressRoutes(users: UserRepository): Route[] {
  return [
    route({
      method: 'get',
      path: '/users/:id/addresses',
      summary: 'Read the addresses of a user',
      params: z.strictObject({ id: uuid() }),
      reply: z.object({ items: z.array(addressShape) }),
      handle: async ({ params }) => {
        if ((await users.find(params.id)) === undefined) throw notFound('user');
        return ok({ items: await users.addresses(params.id) });
      },
    }),
    route({
      method: 'put',
      path: '/users/:id/addresses/:label',
      summary: 'Set an address',
      params: byLabel,
      body: addressBody,
      reply: addressShape,
      handle: async ({ params, body }) => ok(await users.putAddress(params.id, params.label, body)),
    }),
    route({
      method: 'delete',
      path: '/users/:id/addresses/:label',
      summary: 'Remove an address',
      params: byLabel,
      handle: async ({ params }) => {
        if (!(await users.removeAddress(params.id, params.label))) throw notFound('address');
        return { status: 204 };
      },
    }),
  ];
}
