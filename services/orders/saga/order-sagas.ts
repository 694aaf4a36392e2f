import { z } from 'zod';
import type { Queryable } from '#runtime/service/database.ts';
import type { Order } from '../order.ts';
import type { OrderPeers } from '../peers.ts';
import { confirmOrder, giveOrderUp } from '../repository.ts';
import type { SagaKind, SagaRow, SagaStepRow } from './saga.ts';

/** How a step ended. That it did not, because somebody is away, is an error. */
export type StepOutcome =
  | { readonly state: 'done'; readonly detail?: Record<string, unknown> }
  | {
      readonly state: 'refused';
      readonly reason: string;
      readonly detail?: Record<string, unknown>;
    };

/** What a step is told. */
export interface StepContext {
  readonly order: Order;
  readonly saga: SagaRow;
  readonly signal: AbortSignal;
}

/** A step in another service. Both ways may be repeated: they count once. */
export interface SagaStep {
  readonly name: string;
  /** @throws Problem `dependency-unavailable` when nobody knows whether it happened */
  perform(context: StepContext): Promise<StepOutcome>;
  /** Takes it back, also when it did not happen, and keeps one still on its way from happening. */
  compensate(context: StepContext): Promise<void>;
}

/** A kind of saga. */
export interface SagaDefinition {
  readonly steps: readonly SagaStep[];
  /** In the transaction that ends it well. */
  complete(transaction: Queryable, saga: SagaRow, rows: readonly SagaStepRow[]): Promise<void>;
  /** In the transaction that ends it, all steps undone. */
  giveUp(transaction: Queryable, saga: SagaRow): Promise<void>;
}

/** What a customer pays with. */
export const paymentInput = z.object({
  method: z.string(),
  details: z.record(z.string(), z.unknown()),
});

const refusalShape = z.object({ product_ids: z.array(z.string()).optional() });
const paymentShape = z.object({ id: z.string() });

/** The sagas of orders. */
export function orderSagas({ inventory, payments }: OrderPeers): Record<SagaKind, SagaDefinition> {
  const reserve: SagaStep = {
    name: 'reserve',
    perform: async ({ order, signal }) => {
      const answer = await inventory.change('PUT', {
        path: `/reservations/${order.id}`,
        body: {
          lines: order.lines.map(({ product_id, quantity }) => ({ product_id, quantity })),
        },
        signal,
      });
      if (answer.status === 200) return { state: 'done' };
      if (answer.status !== 409) throw unexpected('inventory', answer.status);
      const { product_ids: productIds } = refusalShape.parse(answer.body);
      return {
        state: 'refused',
        reason: 'there is not enough stock',
        ...(productIds === undefined ? {} : { detail: { product_ids: productIds } }),
      };
    },
    compensate: async ({ order, signal }) => {
      const { status } = await inventory.change('DELETE', {
        path: `/reservations/${order.id}`,
        signal,
      });
      if (status !== 200) throw unexpected('inventory', status);
    },
  };
  const charge: SagaStep = {
    name: 'charge',
    perform: async ({ order, saga, signal }) => {
      const answer = await payments.change('PUT', {
        path: `/charges/${order.id}`,
        body: {
          user_id: order.user_id,
          amount: order.total,
          currency: order.currency,
          ...paymentInput.parse(saga.input),
        },
        signal,
      });
      if (answer.status === 402) return { state: 'refused', reason: 'the payment was declined' };
      if (answer.status === 409) return { state: 'refused', reason: 'the payment was given up' };
      if (answer.status !== 200) throw unexpected('payments', answer.status);
      return { state: 'done', detail: { payment_id: paymentShape.parse(answer.body).id } };
    },
    compensate: async ({ order, signal }) => {
      const { status } = await payments.change('DELETE', { path: `/charges/${order.id}`, signal });
      if (status !== 200) throw unexpected('payments', status);
    },
  };
  const ship: SagaStep = {
    name: 'ship',
    perform: async ({ order, signal }) => {
      const { status } = await inventory.change('PUT', {
        path: `/reservations/${order.id}/shipment`,
        signal,
      });
      if (status !== 200) throw unexpected('inventory', status);
      return { state: 'done' };
    },
    // What has left the warehouse is not called back.
    compensate: async () => undefined,
  };
  return {
    'place-order': {
      steps: [reserve, charge],
      complete: async (transaction, saga, rows) => {
        const charged = rows.find(({ step, direction }) => step === 'charge' && direction === 'do');
        const { payment_id: paymentId } = z
          .object({ payment_id: z.string() })
          .parse(charged?.detail);
        await confirmOrder(transaction, saga.order_id, paymentId);
      },
      giveUp: async (transaction, saga) => giveOrderUp(transaction, saga.order_id, saga.reason),
    },
    'ship-order': {
      steps: [ship],
      complete: async () => undefined,
      giveUp: async () => undefined,
    },
  };
}

/** Nobody planned for this answer: somebody has to look. */
export class UnexpectedAnswer extends Error {}

function unexpected(service: string, status: number): UnexpectedAnswer {
  return new UnexpectedAnswer(`${service} answered ${status}`);
}
