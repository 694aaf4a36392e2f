import { defineConfig } from 'vitest/config';

/**
 * One project per kind of server a test needs; the file's suffix says which.
 *
 * | suffix | needs |
 * | --- | --- |
 * | `.test.ts` | nothing |
 * | `.pg.test.ts` | a real PostgreSQL server |
 * | `.ch.test.ts` | the embedded warehouse |
 * | `.e2e.test.ts` | the whole system |
 * | `.shop.test.ts` | the whole system with the sample shop under traffic, and the machine for itself |
 * | `.gate.test.ts` | the whole system, and the machine for itself: it measures |
 */
const servers = ['pg', 'ch', 'e2e', 'shop', 'gate'];
const outside = ['node_modules/**', '.tributary/**'];

function withServer(suffix: string, timeoutMs: number) {
  return {
    test: {
      name: suffix,
      include: [`**/*.${suffix}.test.ts`],
      exclude: outside,
      pool: 'forks' as const,
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
    },
  };
}

export default defineConfig({
  test: {
    // Two cores: more workers only make servers slow enough to look broken.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...outside, ...servers.map((suffix) => `**/*.${suffix}.test.ts`)],
          testTimeout: 20_000,
        },
      },
      withServer('pg', 60_000),
      withServer('ch', 60_000),
      withServer('e2e', 300_000),
      withServer('shop', 300_000),
      withServer('gate', 300_000),
    ],
  },
});
