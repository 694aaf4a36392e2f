import { readFile, writeFile } from 'node:fs/promises';
import { ERROR_CODES } from '#runtime/error-codes.ts';

/** The error manual, from the codes themselves. */
export function errorsPage(): string {
  const entries = Object.entries(ERROR_CODES).map(
    ([code, { disposition, meaning, fix }]) =>
      `## ${code}\n\n*${disposition}*: ${meaning}\n\n**What to do:** ${fix}\n`,
  );
  return `# Errors

Every failure that Tributary raises by name: what happened and why, and what to do. What the
process does about it is in italics: *retry* by itself, set the record aside as a *dead-letter*,
*halt* the table or the command with nothing touched.

Generated from \`pipeline/runtime/error-codes.ts\` by \`npm run docs\`.

${entries.join('\n')}`;
}

const page = new URL('errors.md', import.meta.url);

/** Whether the page in the repository is what the codes say. */
export async function isErrorsPageCurrent(): Promise<boolean> {
  return (await readFile(page, 'utf8')) === errorsPage();
}

if (process.argv[1] === new URL(import.meta.url).pathname) await writeFile(page, errorsPage());
