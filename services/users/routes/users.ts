import { z } from 'zod';
import { uuid } from '#runtime/service/fields.ts';
import {
  decodeCursor,
  idList,
  pageOf,
  pageQuery,
  pageShape,
  timestampKey,
} from '#runtime/service/page.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, versioned, type Route } from '#runtime/service/route.ts';
import type { UserRepository } from '../repository.ts';
import { newUser, userChange, userShape, type EmailColumn } from '../user.ts';

const byId = z.strictObject({ id: uuid() });

/** Operations on users. */
export function userRoutes(users: UserRepository, emailColumn: EmailColumn): Route[] {
  return [
    route({
      method: 'post',
      path: '/users',
      summary: 'Sign a user up',
      body: newUser,
      reply: userShape,
      handle: async ({ body }) => versioned(await users.create(body), 201),
    }),
    route({
      method: 'get',
      path: '/users',
      summary: 'List users newest first, or read those with the given ids',
      query: z.strictObject({ ...pageQuery, ids: idList().optional() }),
      reply: pageShape(userShape),
      handle: async ({ query: { ids, cursor, limit } }) => {
        if (ids !== undefined) return ok({ items: await users.findMany(ids), next_cursor: null });
        const [createdAt, id] = decodeCursor(cursor, timestampKey(), uuid());
        const rows = await users.list(createdAt, id, limit + 1);
        return ok(pageOf(rows, limit, (user) => [user.created_at, user.id]));
      },
    }),
    route({
      method: 'get',
      path: '/users/:id',
      summary: 'Read a user',
      params: byId,
      reply: userShape,
      handle: async ({ params }) => {
        const user = await users.find(params.id);
        if (user === undefined) throw notFound('user');
        return versioned(user);
      },
    }),
    route({
      method: 'patch',
      path: '/users/:id',
      summary: 'Change a user',
      params: byId,
      body: userChange(emailColumn),
      reply: userShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await users.change(params.id, body, ifMatch)),
    }),
    route({
      method: 'delete',
      path: '/users/:id',
      summary: 'Delete an account with its addresses',
      params: byId,
      handle: async ({ params }) => {
        if (!(await users.remove(params.id))) throw notFound('user');
        return { status: 204 };
      },
    }),
    route({
      method: 'post',
      path: '/users/:id/republish',
      summary: 'Tell others once more what a user is, or that there is none',
      params: byId,
      handle: async ({ params }) => {
        await users.republish(params.id);
        return { status: 202 };
      },
    }),
    route({
      method: 'post',
      path: '/users/:id/erase',
      summary: 'Remove all that is known of a person, and tell others to',
      params: byId,
      handle: async ({ params }) => {
        await users.erase(params.id);
        return { status: 202 };
      },
    }),
    route({
      method: 'post',
      path: '/users/:id/logins',
      summary: 'Count a login',
      params: byId,
      reply: userShape,
      handle: async ({ params }) => versioned(await users.recordLogin(params.id)),
    }),
  ];
}
