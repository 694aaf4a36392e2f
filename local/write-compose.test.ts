import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { WORKER_SETTINGS } from './connect.ts';
import { composeFile, isComposeFileCurrent } from './write-compose.ts';

interface Compose {
  readonly services: Record<
    string,
    {
      readonly image: string;
      readonly depends_on?: Record<string, unknown>;
      readonly volumes?: readonly string[];
      readonly configs?: readonly { readonly source: string }[];
    }
  >;
  readonly configs: Record<string, { readonly content: string }>;
  readonly volumes: Record<string, unknown>;
}

test('docker-compose.yml says what the local stack says (npm run docs)', async () => {
  expect(await isComposeFileCurrent()).toBe(true);
});

test('it is YAML whose references all lead somewhere', () => {
  const compose = parse(composeFile()) as Compose;
  const names = Object.keys(compose.services);
  for (const { image, depends_on: needs = {}, volumes = [], configs = [] } of Object.values(
    compose.services,
  )) {
    expect(image).toMatch(/^[\w./-]+:[\w.-]+$/);
    for (const name of Object.keys(needs)) expect(names).toContain(name);
    for (const volume of volumes) {
      const [name = ''] = volume.split(':');
      expect(name.startsWith('.') || name in compose.volumes).toBe(true);
      // What the repository has must be there; the rest the first steps make.
      if (/^\.\/[a-z]/.test(name)) expect(existsSync(name), name).toBe(true);
    }
    for (const { source } of configs) expect(Object.keys(compose.configs)).toContain(source);
  }
  for (const [key, value] of Object.entries(WORKER_SETTINGS)) {
    expect(compose.configs['worker']?.content).toContain(`${key}=${value}\n`);
  }
});
