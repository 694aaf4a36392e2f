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
export const productShape = z.object({
  id: z.string(),
  sku: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  category_id: z.int().nullable(),
  price: z.string(),
  currency: z.string(),
  status: z.enum(PRODUCT_STATUSES),
  barcode: z.string().nullable(),
  weight_grams: z.int().nullable(),
  sizes: z.array(z.int()),
  tags: z.array(z.string()),
  attributes: z.record(z.string(), z.unknown()),
  available_from: z.string().nullable(),
  published_at: z.iso.datetime().nullable(),
  version: z.int(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link productShape}. */
export type Product = z.output<typeof productShape>;

/** What a lookup tells of a product. */
export const productSummaryShape = productShape.pick({
  id: true,
  sku: true,
  name: true,
  price: true,
  currency: true,
  status: true,
});
/** See {@link productSummaryShape}. */
export type ProductSummary = z.output<typeof productSummaryShape>;

/** A row of `price_changes`, as the API shows it. */
export const priceChangeShape = z.object({
  id: z.string(),
  product_id: z.string(),
  old_price: z.string(),
  new_price: z.string(),
  changed_at: z.iso.datetime(),
});
/** See {@link priceChangeShape}. */
export type PriceChange = z.output<typeof priceChangeShape>;

/** A row of `categories`, as the API shows it. */
export const categoryShape = z.object({
  id: z.int(),
  slug: z.string(),
  name: z.string(),
  parent_id: z.int().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link categoryShape}. */
export type Category = z.output<typeof categoryShape>;
