import { z } from 'zod';
import { country, text, uuid, wholeNumber } from '#runtime/service/fields.ts';
import { changeOf } from '#runtime/service/patch.ts';

/** Most units of a product in one place; leaves room for sums. */
const MAX_QUANTITY = 1_000_000;

/** Schema of a warehouse's code. */
export const warehouseCode = () =>
  z.string().regex(/^[A-Z0-9]{2,10}$/, 'needs 2 to 10 capitals or digits');

/** Body that adds or changes a warehouse. */
export const warehouseBody = z.strictObject({
  name: text(100),
  country: country(),
  accepts_returns: z.boolean().default(true),
});

/** Body that sets what a count of the shelf has found. */
export const stockCount = z.strictObject({
  on_hand: wholeNumber(0, MAX_QUANTITY),
  reorder_point: wholeNumber(0, MAX_QUANTITY).nullable().default(null),
});

/** Body that changes settings of a stock level. */
export const stockChange = changeOf({ reorder_point: wholeNumber(0, MAX_QUANTITY).nullable() });

/** Body that books units in (above zero) or out. */
export const stockAdjustment = z.strictObject({
  quantity: wholeNumber(-MAX_QUANTITY, MAX_QUANTITY).refine((value) => value !== 0, 'is zero'),
  kind: z.enum(['receipt', 'adjustment']).default('adjustment'),
  note: text(500).nullable().default(null),
});

/** Body that reserves stock for an order: all of its lines or none. */
export const reservationBody = z.strictObject({
  lines: z
    .array(z.strictObject({ product_id: uuid(), quantity: wholeNumber(1, 1_000) }))
    .min(1)
    .max(50),
});

/** What a warehouse is. */
export type WarehouseBody = z.output<typeof warehouseBody>;
/** What was counted. */
export type StockCount = z.output<typeof stockCount>;
/** Settings to change. */
export type StockChange = z.output<typeof stockChange>;
/** Units to book. */
export type StockAdjustment = z.output<typeof stockAdjustment>;
/** Lines to reserve. */
export type ReservationLine = z.output<typeof reservationBody>['lines'][number];

/** A row of `warehouses`, as the API shows it. */
export interface Warehouse extends WarehouseBody {
  readonly code: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** A row of `stock_levels`, as the API shows it. */
export interface StockLevel {
  readonly product_id: string;
  readonly warehouse_code: string;
  readonly on_hand: number;
  readonly reserved: number;
  readonly reorder_point: number | null;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** A row of `stock_movements`, as the API shows it. */
export interface StockMovement {
  readonly id: string;
  readonly product_id: string;
  readonly warehouse_code: string;
  readonly kind: 'receipt' | 'adjustment' | 'reservation' | 'release' | 'shipment';
  readonly quantity: number;
  readonly order_id: string | null;
  readonly note: string | null;
  readonly created_at: string;
}

/** A row of `reservations`, as the API shows it. */
export interface Reservation {
  readonly order_id: string;
  readonly line_no: number;
  readonly product_id: string;
  readonly warehouse_code: string;
  readonly quantity: number;
  readonly status: 'held' | 'released' | 'shipped';
  readonly created_at: string;
  readonly updated_at: string;
}
