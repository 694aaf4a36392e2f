import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { keptPassword, writeSourceSecrets } from './secrets.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tributary-secrets-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('a password is made once, whoever asks first, and only its owner may read it', async () => {
  const asked = await Promise.all(Array.from({ length: 8 }, () => keptPassword(folder, 'users')));
  const again = await keptPassword(folder, 'users');
  expect(new Set([...asked, again].map((password) => password.reveal())).size).toBe(1);
  expect(again.reveal().length).toBeGreaterThanOrEqual(24);
  expect((await keptPassword(folder, 'orders')).reveal()).not.toBe(again.reveal());
  expect(statSync(join(folder, 'users.password')).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test("a source's url becomes the five properties its connector reads, escaped as Java reads them", async () => {
  const url = new Secret('postgres://me:%20a%5Cb%3D%C3%A9%0A@db.example:6543/erp');
  await writeSourceSecrets(folder, 'erp', url);
  const path = join(folder, 'erp.properties');
  expect(readFileSync(path, 'utf8')).toBe(
    'host=db.example\nport=6543\nuser=me\npassword=\\ a\\\\b=\\u00e9\\u000a\ndbname=erp\n',
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(writeSourceSecrets(folder, 'erp', new Secret('mysql://me:pw@x/y'))).rejects.toThrow(
    /^the url of erp: (?!.*pw)/,
  );
});
