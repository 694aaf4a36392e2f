import { z } from 'zod';
import type { KnownShop } from './known-shop.ts';
import type { Action } from './planner.ts';
import { ServiceAway, type ShopAnswer, type ShopClient } from './shop-client.ts';

/**
 * How an action ended: `done`, `refused` by a rule of the shop (4xx), `away` because a service was
 * not there, or `skipped` because there was nothing to do it with, such as no order to ship.
 */
export type Outcome = 'done' | 'refused' | 'away' | 'skipped';

const created = z.object({ id: z.string() });
const placed = z.object({
  id: z.string(),
  status: z.string(),
  payment_id: z.string().nullable(),
});

/** Performs planned actions on the shop. */
export class Shopper {
  readonly #client: ShopClient;
  readonly #known: KnownShop;
  readonly #runId: string;

  /** @param runId - sets email addresses of this run apart from those of earlier ones */
  constructor(client: ShopClient, known: KnownShop, runId: string) {
    this.#client = client;
    this.#known = known;
    this.#runId = runId;
  }

  /** @throws the abort reason when the traffic is told to stop; every other failure is `away` */
  async perform(action: Action): Promise<Outcome> {
    try {
      return await this.#perform(action);
    } catch (error) {
      if (error instanceof ServiceAway) return 'away';
      throw error;
    }
  }

  async #perform(action: Action): Promise<Outcome> {
    switch (action.kind) {
      case 'sign-up':
        return this.#signUp(action);
      case 'browse':
        return this.#browse(action.user);
      case 'log-in':
        return this.#withUser(action.user, 'POST', '/logins');
      case 'rename':
        return this.#withUser(action.user, 'PATCH', '', { name: action.name });
      case 'change-email':
        return this.#withUser(action.user, 'PATCH', '', { email: this.#email(action.serial) });
      case 'change-preferences':
        return this.#withUser(action.user, 'PATCH', '', {
          preferences: { newsletter: action.newsletter, theme: 'dark' },
          marketing_consent: action.newsletter,
        });
      case 'move-house':
        return this.#withUser(action.user, 'PUT', '/addresses/home', {
          recipient: 'Household',
          line1: action.line1,
          ...action.city,
        });
      case 'close-account':
        return this.#closeAccount(action.user);
      case 'place-order':
        return this.#placeOrder(action);
      case 'cancel':
        return this.#cancel(action);
      case 'ship':
        return this.#ship(action.order);
      case 'refund':
        return this.#refund(action.order);
      case 'receive-stock':
        return this.#receiveStock(action);
      default:
        return this.#reprice(action);
    }
  }

  async #signUp(action: Extract<Action, { kind: 'sign-up' }>): Promise<Outcome> {
    const answer = await this.#client.call('users', 'POST', '/users', {
      email: this.#email(action.serial),
      name: action.name,
      country: action.country,
      phone: action.phone,
      birth_date: action.birthDate,
      tags: action.interests,
    });
    if (answer.status === 201) this.#known.users.add(created.parse(answer.body).id);
    return outcomeOf(answer);
  }

  async #browse(choice: number): Promise<Outcome> {
    await this.#client.call('catalog', 'GET', '/products?status=published&limit=20');
    const user = this.#known.users.pick(choice);
    if (user === undefined) return 'done';
    return outcomeOf(await this.#client.call('orders', 'GET', `/orders?user_id=${user}&limit=10`));
  }

  async #withUser(
    choice: number,
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<Outcome> {
    const user = this.#known.users.pick(choice);
    if (user === undefined) return 'skipped';
    const answer = await this.#client.call('users', method, `/users/${user}${path}`, body);
    if (answer.status === 404) this.#known.users.remove(user);
    return outcomeOf(answer);
  }

  async #closeAccount(choice: number): Promise<Outcome> {
    const user = this.#known.users.take(choice);
    if (user === undefined) return 'skipped';
    const keep = () => this.#known.users.add(user);
    return this.#orElse(keep, async () =>
      outcomeOf(await this.#client.call('users', 'DELETE', `/users/${user}`)),
    );
  }

  async #placeOrder(action: Extract<Action, { kind: 'place-order' }>): Promise<Outcome> {
    const user = this.#known.users.pick(action.user);
    const lines = action.lines.flatMap(({ product, quantity }) => {
      const productId = this.#known.products.pick(product);
      return productId === undefined ? [] : [{ product_id: productId, quantity }];
    });
    if (user === undefined || lines.length === 0) return 'skipped';
    const answer = await this.#client.call('orders', 'POST', '/orders', {
      user_id: user,
      lines,
      gift: action.gift,
      note: action.note,
      payment: {
        method: action.method,
        details: action.declined ? { simulate: 'decline' } : {},
      },
    });
    if (answer.status !== 201) return outcomeOf(answer);
    const { id, status, payment_id: paymentId } = placed.parse(answer.body);
    if (status === 'pending') this.#known.pendingOrders.add(id);
    else if (paymentId !== null) this.#known.paidOrders.add({ orderId: id, paymentId });
    return status === 'cancelled' ? 'refused' : 'done';
  }

  async #cancel(action: Extract<Action, { kind: 'cancel' }>): Promise<Outcome> {
    const pending = this.#known.pendingOrders.take(action.order);
    const paid = pending === undefined ? this.#known.paidOrders.take(action.order) : undefined;
    const orderId = pending ?? paid?.orderId;
    if (orderId === undefined) return 'skipped';
    const keep = () => {
      if (paid === undefined) this.#known.pendingOrders.add(orderId);
      else this.#known.paidOrders.add(paid);
    };
    return this.#orElse(keep, async () =>
      outcomeOf(
        await this.#client.call('orders', 'POST', `/orders/${orderId}/cancel`, {
          reason: action.reason,
        }),
      ),
    );
  }

  async #ship(choice: number): Promise<Outcome> {
    const order = this.#known.paidOrders.take(choice);
    if (order === undefined) return 'skipped';
    const keep = () => this.#known.paidOrders.add(order);
    return this.#orElse(keep, async () => {
      const answer = await this.#client.call('orders', 'POST', `/orders/${order.orderId}/ship`);
      if (answer.status === 200) this.#known.shippedOrders.add(order);
      return outcomeOf(answer);
    });
  }

  async #refund(choice: number): Promise<Outcome> {
    const order = this.#known.shippedOrders.take(choice) ?? this.#known.paidOrders.take(choice);
    if (order === undefined) return 'skipped';
    const keep = () => this.#known.paidOrders.add(order);
    return this.#orElse(keep, async () =>
      outcomeOf(
        await this.#client.call('payments', 'POST', `/payments/${order.paymentId}/refunds`, {
          reason: 'returned',
        }),
      ),
    );
  }

  async #receiveStock(action: Extract<Action, { kind: 'receive-stock' }>): Promise<Outcome> {
    const product = this.#known.products.pick(action.product);
    if (product === undefined) return 'skipped';
    const { body } = await this.#client.call('inventory', 'GET', `/stock?product_ids=${product}`);
    const [level] = stockList.parse(body).items;
    if (level === undefined) return 'skipped';
    return outcomeOf(
      await this.#client.call(
        'inventory',
        'POST',
        `/stock/${product}/${level.warehouse_code}/adjustments`,
        { kind: 'receipt', quantity: action.quantity, note: null },
      ),
    );
  }

  async #reprice(action: Extract<Action, { kind: 'reprice' }>): Promise<Outcome> {
    const product = this.#known.products.pick(action.product);
    if (product === undefined) return 'skipped';
    return outcomeOf(
      await this.#client.call('catalog', 'PATCH', `/products/${product}`, { price: action.price }),
    );
  }

  /** What was taken from a pool goes back when a service was away: the thing is still there. */
  async #orElse(giveBack: () => void, attempt: () => Promise<Outcome>): Promise<Outcome> {
    try {
      return await attempt();
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  #email(serial: number): string {
    return `shopper.${serial}.${this.#runId}@shop.example`;
  }
}

const stockList = z.object({ items: z.array(z.object({ warehouse_code: z.string() })) });

function outcomeOf({ status }: ShopAnswer): Outcome {
  return status < 400 ? 'done' : 'refused';
}
