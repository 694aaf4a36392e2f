/*
 * `npm test`: installs what is missing, then runs every check there is and counts.
 *
 *   npm test                    everything
 *   npm test -- unit ch         only these test projects, without types, lint and format
 *
 * Plain Node without dependencies: node_modules may not be there yet.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ensureInstalled } from './bootstrap/install.mjs';
import { openTestState } from './test-state.mjs';

const RESULTS = '.tributary/test-results';
const PROJECTS = ['unit', 'pg', 'ch', 'e2e', 'shop', 'gate'];
/** Of one failure, in the summary of all: enough to see what differs. */
const FAILURE_LINES = 25;
const STATIC_CHECKS = [
  ['types', ['node_modules/typescript/bin/tsc', '--noEmit']],
  ['lint', ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']],
  ['format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']],
];

/** Runs a script of node_modules with this Node; resolves to its exit code. */
function run(args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Passed and failed tests of a Vitest JSON report. A project that ran nothing has failed. */
function countTests(file) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
      readFileSync(file, 'utf8'),
    );
    // A file that could not be loaded or set up has failed, although none of its tests has.
    const brokenFiles = testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((result) => result.status !== 'failed'),
    ).length;
    const failed = numFailedTests + brokenFiles;
    if (numPassedTests + failed === 0) return { passed: 0, failed: 1, skipped: numPendingTests };
    return { passed: numPassedTests, failed, skipped: numPendingTests };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** What failed and why, shortly, in a Vitest JSON report; nothing when there is no report. */
function readFailures(file) {
  if (!existsSync(file)) return [];
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    const causes = failed.map(({ fullName, failureMessages }) => [fullName, ...failureMessages]);
    if (failed.length === 0 && message) causes.push([message]);
    return causes.map((lines) =>
      [name, ...lines.join('\n').split('\n').slice(0, FAILURE_LINES)].join('\n    '),
    );
  });
}

/** How many files of a project run at a time, where two is not right for two cores. */
function sideBySide(project) {
  // One server each, and much waiting.
  if (project === 'pg' || project === 'ch') return ['--maxWorkers=3'];
  // With the shop under traffic a system keeps two cores busy; without it, it mostly waits.
  return project === 'shop' ? ['--no-file-parallelism'] : [];
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !PROJECTS.includes(name));
if (unknown.length > 0) {
  console.error(`no such test project: ${unknown.join(', ')}; there are ${PROJECTS.join(', ')}`);
  process.exit(2);
}

await ensureInstalled({ jvm: true });
rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });
const outcomes = [];
const failures = [];

if (chosen.length === 0) {
  for (const [name, args] of STATIC_CHECKS) {
    const code = await run(args);
    outcomes.push({ name, passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
  }
}
const state = openTestState();
for (const project of chosen.length === 0 ? PROJECTS : chosen) {
  const report = `${RESULTS}/${project}.json`;
  const code = await run(
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      `--project=${project}`,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...sideBySide(project),
    ],
    state.env,
  );
  const counts = countTests(report);
  failures.push(...readFailures(report));
  // Vitest can fail without a failed test: an unhandled rejection, a worker that died.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  outcomes.push({ name: project, ...counts });
}
state.close();

const total = { passed: 0, failed: 0, skipped: 0 };
console.log('');
for (const { name, passed, failed, skipped } of outcomes) {
  console.log(
    `  ${failed === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${passed} passed, ${failed} failed`,
  );
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
writeFileSync(`${RESULTS}/total.json`, JSON.stringify(total));
writeFileSync(`${RESULTS}/failures.txt`, failures.map((text) => `${text}\n\n`).join(''));
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed === 0 ? 0 : 1);
