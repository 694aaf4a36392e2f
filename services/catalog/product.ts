import { z } from 'zod';
import { changeOf } from '#runtime/service/patch.ts';
import {
  bigintText,
  currency,
  date,
  jsonObject,
  positiveAmount,
  text,
  uuid,
  wholeNumber,
} from '#runtime/service/fields.ts';

const sku = () => z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,39}$/, 'needs capitals, digits, hyphens');
const slug = () => z.string().regex(/^[a-z0-9][a-z0-9-]{0,59}$/, 'needs small letters and hyphens');

/** States of a product: only a published one is sold, and a retired one never again. */
export const PRODUCT_STATUSES = ['draft', 'published', 'retired'] as const;

const details = {
  name: text(200),
  description: text(20_000).nullable(),
  category_id: wholeNumber(1).nullable(),
  barcode: bigintText().nullable(),
  weight_grams: wholeNumber(1).nullable(),
  sizes: z.array(wholeNumber(0)).max(50),
  tags: z.array(text(40)).max(20),
  attributes: jsonObject(),
  available_from: date().nullable(),
};

/** Body that adds a product, as a draft. */
export const newProduct = z.strictObject({
  /** Given by callers that may have to repeat the request. */
  id: uuid().optional(),
  sku: sku(),
  price: positiveAmount(),
  currency: currency(),
  name: details.name,
  description: details.description.default(null),
  category_id: details.category_id.default(null),
  barcode: details.barcode.default(null),
  weight_grams: details.weight_grams.default(null),
  sizes: details.sizes.default([]),
  tags: details.tags.default([]),
  attributes: details.attributes.default({}),
  available_from: details.available_from.default(null),
});

/** Body that changes a product; a new price is also kept in the price history. */
export const productChange = changeOf({ ...details, price: positiveAmount() });

/**
 * Body that asks for many products. More ids than a list of `ids=` takes, and few enough to fit a
 * body.
 */
export const productLookup = z.strictObject({ ids: z.array(uuid()).min(1).max(1_500) });

/** Body that adds a category. */
export const newCategory = z.strictObject({
  slug: slug(),
  name: text(100),
  parent_id: wholeNumber(1).nullable().default(null),
});

/** A product to add. */
export type NewProduct = z.output<typeof newProduct>;
/** Fields of a product to change. */
export type ProductChange = z.output<typeof productChange>;
/** A category to add. */
export type NewCategory = z.output<typeof newCategory>;
/** State of a product. */
export type ProductStatus = (typeof PRODUCT_STATUSES)[number];

/** A row of `products`, as the API shows it. */
export interface Product {
  readonly id: string;
  readonly sku: string;
  readonly name: string;
  readonly description: string | null;
  readonly category_id: number | null;
  readonly price: string;
  readonly currency: string;
  readonly status: ProductStatus;
  readonly barcode: string | null;
  readonly weight_grams: number | null;
  readonly sizes: readonly number[];
  readonly tags: readonly string[];
  readonly attributes: Record<string, unknown>;
  readonly available_from: string | null;
  readonly published_at: string | null;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** What a lookup tells of a product. */
export type ProductSummary = Pick<Product, 'id' | 'sku' | 'name' | 'price' | 'currency' | 'status'>;

/** A row of `price_changes`, as the API shows it. */
export interface PriceChange {
  readonly id: string;
  readonly product_id: string;
  readonly old_price: string;
  readonly new_price: string;
  readonly changed_at: string;
}

/** A row of `categories`, as the API shows it. */
export interface Category {
  readonly id: number;
  readonly slug: string;
  readonly name: string;
  readonly parent_id: number | null;
  readonly created_at: string;
  readonly updated_at: string;
}
