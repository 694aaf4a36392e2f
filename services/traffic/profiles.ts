import type { ActionKind } from './planner.ts';

/** What a day in the shop is like. */
export interface Profile {
  readonly summary: string;
  /** Actions a second, unless said otherwise. */
  readonly rate: number;
  /** How often each kind of action comes, out of the sum of all. */
  readonly weights: Readonly<Record<ActionKind, number>>;
  /** Share of payments that are declined. */
  readonly declined: number;
  /** Share of the products that orders are about: the smaller, the more they meet. */
  readonly popular: number;
}

const EVERYDAY: Profile['weights'] = {
  browse: 14,
  'place-order': 34,
  'log-in': 8,
  'sign-up': 8,
  ship: 6,
  'receive-stock': 6,
  reprice: 4,
  cancel: 3,
  rename: 3,
  'change-email': 2,
  'change-preferences': 2,
  'move-house': 2,
  refund: 1,
  'close-account': 1,
};

/** The profiles there are. */
export const PROFILES = {
  calm: {
    summary: 'a weekday',
    rate: 8,
    weights: EVERYDAY,
    declined: 0.05,
    popular: 1,
  },
  busy: {
    summary: 'a Saturday',
    rate: 20,
    weights: EVERYDAY,
    declined: 0.05,
    popular: 1,
  },
  'flash-sale': {
    summary: 'everybody orders the same few things, and they run out',
    rate: 60,
    weights: { ...EVERYDAY, browse: 30, 'place-order': 160, 'receive-stock': 12 },
    declined: 0.05,
    popular: 0.06,
  },
  chaos: {
    summary: 'payments fail, orders are cancelled and returned, people come, rename and leave',
    rate: 30,
    weights: {
      ...EVERYDAY,
      browse: 4,
      cancel: 20,
      refund: 12,
      'sign-up': 16,
      rename: 14,
      'change-email': 12,
      'close-account': 6,
      reprice: 10,
    },
    declined: 0.4,
    popular: 0.3,
  },
} as const satisfies Record<string, Profile>;

/** Name of a profile. */
export type ProfileName = keyof typeof PROFILES;

/** Names of the profiles. */
export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];
