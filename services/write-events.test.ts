import { expect, test } from 'vitest';
import { eventsDocument, isEventsFileCurrent } from './write-events.ts';

test('EVENTS.md says what the schemas say; `npm run docs` writes it', async () => {
  expect(await isEventsFileCurrent()).toBe(true);
  expect(eventsDocument()).toContain('## events.users.UserNameChanged');
});
