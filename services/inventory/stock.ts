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
export const warehouseShape = z.object({
  ...warehouseBody.shape,
  code: z.string(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link warehouseShape}. */
export type Warehouse = z.output<typeof warehouseShape>;

/** A row of `stock_levels`, as the API shows it. */
export const stockLevelShape = z.object({
  product_id: z.string(),
  warehouse_code: z.string(),
  on_hand: z.int(),
  reserved: z.int(),
  reorder_point: z.int().nullable(),
  version: z.int(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link stockLevelShape}. */
export type StockLevel = z.output<typeof stockLevelShape>;

/** A row of `stock_movements`, as the API shows it. */
export const stockMovementShape = z.object({
  id: z.string(),
  product_id: z.string(),
  warehouse_code: z.string(),
  kind: z.enum(['receipt', 'adjustment', 'reservation', 'release', 'shipment']),
  quantity: z.int(),
  order_id: z.string().nullable(),
  note: z.string().nullable(),
  created_at: z.iso.datetime(),
});
/** See {@link stockMovementShape}. */
export type StockMovement = z.output<typeof stockMovementShape>;

/** A row of `reservations`, as the API shows it. */
export const reservationShape = z.object({
  order_id: z.string(),
  line_no: z.int(),
  product_id: z.string(),
  warehouse_code: z.string(),
  quantity: z.int(),
  status: z.enum(['held', 'released', 'shipped']),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link reservationShape}. */
export type Reservation = z.output<typeof reservationShape>;
