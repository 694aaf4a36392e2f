import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '#runtime/errors.ts';
import { createPeer } from '#runtime/service/peer.ts';
import { notFound } from '#runtime/service/problem.ts';
import type { ServiceParts } from '#runtime/service/service-main.ts';
import type { Order } from './order.ts';
import type { OrderPeers } from './peers.ts';
import { OrderRepository } from './repository.ts';
import { orderSagas } from './saga/order-sagas.ts';
import type { SagaKind } from './saga/saga.ts';
import { SagaRepository } from './saga/saga-repository.ts';
import { SagaRunner } from './saga/saga-runner.ts';

/** Settings of orders beyond those of every service. */
export interface OrdersConfig {
  readonly usersUrl: string;
  readonly catalogUrl: string;
  readonly inventoryUrl: string;
  readonly paymentsUrl: string;
  /** Empty: events of other services are not read. */
  readonly kafkaBrokers: readonly string[];
  readonly registryUrl: string;
  readonly orderDeadlineSeconds: number;
  readonly sagaLeaseSeconds: number;
}

/** What the API and the work in the background share. */
export interface OrderWork {
  readonly orders: OrderRepository;
  readonly sagas: SagaRepository;
  readonly runner: SagaRunner;
  readonly peers: OrderPeers;
  /** Carries an order's saga on for as long as a caller may wait; resolves with the order then. */
  readonly soon: (orderId: string, kind: SagaKind) => Promise<Order>;
}

/** Longest that an answer waits for the saga; it goes on without anybody waiting. */
const PATIENCE_MS = 2_000;

/** Puts the parts together. */
export function orderWork({
  config,
  database,
  log,
}: Pick<ServiceParts<OrdersConfig>, 'config' | 'database' | 'log'>): OrderWork {
  const orders = new OrderRepository(database);
  const peers = {
    users: createPeer({ name: 'users', baseUrl: config.usersUrl, log }),
    catalog: createPeer({ name: 'catalog', baseUrl: config.catalogUrl, log }),
    inventory: createPeer({ name: 'inventory', baseUrl: config.inventoryUrl, log }),
    payments: createPeer({ name: 'payments', baseUrl: config.paymentsUrl, log }),
  };
  const definitions = orderSagas(peers);
  const { sagaLeaseSeconds: leaseSeconds } = config;
  const sagas = new SagaRepository(database, definitions, leaseSeconds);
  const findOrder = async (id: string) => orders.find(id);
  const runner = new SagaRunner({ sagas, definitions, findOrder, leaseSeconds, log });
  return {
    orders,
    sagas,
    runner,
    peers,
    soon: async (orderId, kind) => {
      const patience = new AbortController();
      const run = runner.runOf(orderId, kind, NEVER).catch((error: unknown) => {
        log.warn({ reason: describeError(error) }, 'a saga is taken up later');
      });
      const tired = delay(PATIENCE_MS, undefined, { signal: patience.signal }).catch(
        () => undefined,
      );
      await Promise.race([run, tired]);
      patience.abort();
      const order = await orders.find(orderId);
      if (order === undefined) throw notFound('order');
      return order;
    },
  };
}

const NEVER = new AbortController().signal;
