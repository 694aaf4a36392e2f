import { PROFILES, type Profile } from './profiles.ts';
import { between, mulberry32, oneOf, type Random } from './random.ts';
import {
  CANCEL_REASONS,
  CITIES,
  FAMILY_NAMES,
  GIVEN_NAMES,
  INTERESTS,
  STREETS,
} from './vocabulary.ts';

/**
 * A choice among things that exist only when the action runs: a number in [0, 1) that the shopper
 * turns into one of the users, products or orders it knows.
 */
export type Choice = number;

/** One thing that somebody in the shop does. */
export type Action =
  | {
      readonly kind: 'sign-up';
      readonly serial: number;
      readonly name: string;
      readonly country: string;
      readonly phone: string | null;
      readonly birthDate: string | null;
      readonly interests: readonly string[];
    }
  | { readonly kind: 'browse'; readonly user: Choice }
  | { readonly kind: 'log-in'; readonly user: Choice }
  | { readonly kind: 'rename'; readonly user: Choice; readonly name: string }
  | { readonly kind: 'change-email'; readonly user: Choice; readonly serial: number }
  | { readonly kind: 'change-preferences'; readonly user: Choice; readonly newsletter: boolean }
  | {
      readonly kind: 'move-house';
      readonly user: Choice;
      readonly line1: string;
      readonly city: (typeof CITIES)[number];
    }
  | { readonly kind: 'close-account'; readonly user: Choice }
  | {
      readonly kind: 'place-order';
      readonly user: Choice;
      readonly lines: readonly { readonly product: Choice; readonly quantity: number }[];
      readonly gift: boolean;
      readonly note: string | null;
      readonly method: 'card' | 'bank_transfer' | 'wallet';
      readonly declined: boolean;
    }
  | { readonly kind: 'cancel'; readonly order: Choice; readonly reason: string | null }
  | { readonly kind: 'ship'; readonly order: Choice }
  | { readonly kind: 'refund'; readonly order: Choice }
  | { readonly kind: 'receive-stock'; readonly product: Choice; readonly quantity: number }
  | { readonly kind: 'reprice'; readonly product: Choice; readonly price: string };

/** Names of the actions. */
export type ActionKind = Action['kind'];

/**
 * What happens in the shop, one action after the other, without end. The same seed gives the same
 * actions: nothing here depends on what the services answered.
 */
export function* planActions(
  seed: number,
  profile: Profile = PROFILES.busy,
): Generator<Action, never, undefined> {
  const random = mulberry32(seed);
  for (let serial = 1; ; serial += 1) yield planOne(random, serial, profile);
}

function planOne(random: Random, serial: number, profile: Profile): Action {
  const kind = pickKind(random, profile);
  switch (kind) {
    case 'sign-up':
      return {
        kind,
        serial,
        name: personName(random),
        country: oneOf(random, CITIES).country,
        phone: random() < 0.5 ? `+43 1 ${between(random, 100_000, 999_999)}` : null,
        birthDate: random() < 0.7 ? birthDate(random) : null,
        interests: INTERESTS.filter(() => random() < 0.3),
      };
    case 'rename':
      return { kind, user: random(), name: personName(random) };
    case 'change-email':
      return { kind, user: random(), serial };
    case 'change-preferences':
      return { kind, user: random(), newsletter: random() < 0.5 };
    case 'move-house':
      return {
        kind,
        user: random(),
        line1: `${oneOf(random, STREETS)} ${between(random, 1, 199)}`,
        city: oneOf(random, CITIES),
      };
    case 'place-order':
      return {
        kind,
        user: random(),
        lines: Array.from({ length: between(random, 1, 4) }, () => ({
          product: random() * profile.popular,
          quantity: between(random, 1, 3),
        })),
        gift: random() < 0.1,
        note: random() < 0.2 ? 'Please leave it with the neighbour.' : null,
        method: oneOf(random, ['card', 'bank_transfer', 'wallet']),
        declined: random() < profile.declined,
      };
    case 'cancel':
      return { kind, order: random(), reason: oneOf(random, CANCEL_REASONS) };
    case 'receive-stock':
      return { kind, product: random(), quantity: between(random, 5, 60) };
    case 'reprice':
      return {
        kind,
        product: random(),
        price: `${between(random, 3, 400)}.${oneOf(random, ['00', '50', '90', '99'])}`,
      };
    case 'ship':
    case 'refund':
      return { kind, order: random() };
    default:
      return { kind, user: random() };
  }
}

function pickKind(random: Random, { weights }: Profile): ActionKind {
  const kinds = Object.entries(weights) as [ActionKind, number][];
  let rest = random() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) {
    rest -= weight;
    if (rest < 0) return kind;
  }
  return 'browse';
}

function personName(random: Random): string {
  return `${oneOf(random, GIVEN_NAMES)} ${oneOf(random, FAMILY_NAMES)}`;
}

function birthDate(random: Random): string {
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  const year = between(random, 1940, 2007);
  return `${year}-${twoDigits(between(random, 1, 12))}-${twoDigits(between(random, 1, 28))}`;
}
