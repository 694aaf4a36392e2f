import { z } from 'zod';
import { eventKind, newEvent, type NewEvent } from '#events/event-kind.ts';
import { USER_STATUSES, type User } from './user.ts';

/** The largest `integer`: late events about somebody who was erased are older than this. */
const LAST_VERSION = 2_147_483_647;

/** What every event of a user says. */
const common = {
  user_id: z.guid(),
  /** The user's version after the change: of two events about one field, the higher one counts. */
  version: z.int(),
};
const name = z.string();
const email = z.string();
const status = z.enum(USER_STATUSES);

/** The events that users publishes. */
export const EVENTS = {
  registered: eventKind({
    type: 'UserRegistered',
    aggregate: 'user',
    summary: 'Somebody signed up.',
    payload: z.strictObject({ ...common, name, email, country: z.string(), status }),
  }),
  nameChanged: eventKind({
    type: 'UserNameChanged',
    aggregate: 'user',
    summary: 'A user has a new name.',
    payload: z.strictObject({ ...common, name }),
  }),
  emailChanged: eventKind({
    type: 'UserEmailChanged',
    aggregate: 'user',
    summary: 'A user has a new email address.',
    payload: z.strictObject({ ...common, email }),
  }),
  statusChanged: eventKind({
    type: 'UserStatusChanged',
    aggregate: 'user',
    summary: 'An account was suspended, closed or made active again.',
    payload: z.strictObject({ ...common, status }),
  }),
  deleted: eventKind({
    type: 'UserDeleted',
    aggregate: 'user',
    summary: 'An account was deleted.',
    payload: z.strictObject(common),
  }),
  erased: eventKind({
    type: 'UserErased',
    aggregate: 'user',
    summary: 'Whatever is known of a person must go, copies on orders and invoices too.',
    payload: z.strictObject(common),
  }),
};

/** A user as events tell of one. */
export function registered({ id, version, name, email, country, status }: User): NewEvent {
  const payload = { user_id: id, version, name, email, country, status };
  return newEvent(EVENTS.registered, id, payload);
}

/** The events that tell how a user has changed; none when nothing changed that others may know. */
export function changed(before: User, after: User): NewEvent[] {
  const { id, name, email, status } = after;
  const base = { user_id: id, version: after.version };
  return [
    ...(before.name === name ? [] : [newEvent(EVENTS.nameChanged, id, { ...base, name })]),
    ...(before.email === email ? [] : [newEvent(EVENTS.emailChanged, id, { ...base, email })]),
    ...(before.status === status ? [] : [newEvent(EVENTS.statusChanged, id, { ...base, status })]),
  ];
}

/** Everything that others may repeat of a user, told once more. */
export function restated(user: User): NewEvent[] {
  const { id, version, name, email, status } = user;
  const base = { user_id: id, version };
  return [
    newEvent(EVENTS.nameChanged, id, { ...base, name }),
    newEvent(EVENTS.emailChanged, id, { ...base, email }),
    newEvent(EVENTS.statusChanged, id, { ...base, status }),
  ];
}

/** A user with this version was deleted. */
export function deleted(id: string, version: number): NewEvent {
  return newEvent(EVENTS.deleted, id, { user_id: id, version: version + 1 });
}

/** The events that tell of an erasure; their version is above any that another event can have. */
export function erased(id: string): NewEvent[] {
  const payload = { user_id: id, version: LAST_VERSION };
  return [newEvent(EVENTS.deleted, id, payload), newEvent(EVENTS.erased, id, payload)];
}
