import { z } from 'zod';
import { changeOf } from '#runtime/service/patch.ts';
import { bigintText, country, date, jsonObject, text, uuid } from '#runtime/service/fields.ts';

const email = () =>
  z
    .email()
    .max(254)
    .transform((value) => value.toLowerCase());

const tags = () => z.array(text(40)).max(20);

/** States of an account; only an active one may order. */
export const USER_STATUSES = ['active', 'suspended', 'closed'] as const;

/** Regions in which data of people lives. */
export const REGIONS = ['eu', 'us', 'other'] as const;

/** Body that signs a user up. */
export const newUser = z.strictObject({
  /** Given by callers that may have to repeat the request. */
  id: uuid().optional(),
  email: email(),
  name: text(200),
  country: country(),
  /** Where the person's data lives; it cannot be changed. */
  region: z.enum(REGIONS).default('eu'),
  phone: text(40).nullable().default(null),
  birth_date: date().nullable().default(null),
  marketing_consent: z.boolean().nullable().default(null),
  preferences: jsonObject().default({}),
  tags: tags().default([]),
});

/**
 * Column that holds the address that people log in with. It is on its way from the first to the second;
 * see rename-email.ts.
 */
export const EMAIL_COLUMNS = ['email', 'primary_email'] as const;
/** One of {@link EMAIL_COLUMNS}. */
export type EmailColumn = (typeof EMAIL_COLUMNS)[number];

const changes = {
  email: email(),
  name: text(200),
  country: country(),
  phone: text(40).nullable(),
  birth_date: date().nullable(),
  status: z.enum(USER_STATUSES),
  marketing_consent: z.boolean().nullable(),
  preferences: jsonObject(),
  tags: tags(),
  loyalty_points: bigintText(),
};

/** Body that changes a user; a second address can be given once there is a place for it. */
export const userChange = (emailColumn: EmailColumn) =>
  emailColumn === 'email'
    ? changeOf(changes)
    : changeOf({ ...changes, secondary_email: email().nullable() });

/** Body that sets an address. */
export const addressBody = z.strictObject({
  recipient: text(200),
  line1: text(200),
  line2: text(200).nullable().default(null),
  city: text(100),
  postcode: text(20),
  country: country(),
});

/** A user who signs up. */
export type NewUser = z.output<typeof newUser>;
/** Fields of a user to change. */
export type UserChange = z.output<ReturnType<typeof userChange>>;
/** What an address holds. */
export type AddressBody = z.output<typeof addressBody>;

/** A row of `users`, as the API shows it. */
export const userShape = z.object({
  id: z.string(),
  email: z.string(),
  /** Not there while the address is in the column `email`. */
  secondary_email: z.string().nullable().optional(),
  name: z.string(),
  country: z.string(),
  region: z.enum(REGIONS),
  phone: z.string().nullable(),
  birth_date: z.string().nullable(),
  status: z.enum(USER_STATUSES),
  marketing_consent: z.boolean().nullable(),
  preferences: z.record(z.string(), z.unknown()),
  tags: z.array(z.string()),
  loyalty_points: z.string(),
  login_count: z.string(),
  last_login_at: z.iso.datetime().nullable(),
  version: z.int(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link userShape}. */
export type User = z.output<typeof userShape>;

/** A row of `addresses`, as the API shows it. */
export const addressShape = z.object({
  ...addressBody.shape,
  region: z.enum(REGIONS),
  user_id: z.string(),
  label: z.string(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link addressShape}. */
export type Address = z.output<typeof addressShape>;
