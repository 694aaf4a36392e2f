import type { SqlLine, SqlRequest } from '../wire.ts';
import { ask, Offline } from './api.ts';

/**
 * Runs a statement and hands on its answer as it comes, some lines at a time.
 *
 * @throws ApiError when the statement is refused before it runs, Offline, and the abort reason
 */
export async function runSql(
  request: SqlRequest,
  onLines: (lines: readonly SqlLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await ask('/api/sql/run', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) throw new Offline('The answer has no body.');
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    onLines(lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SqlLine));
  }
}

/** Names of the typed parameters of a statement, `{name:Type}`, each once. */
export function parametersOf(sql: string): string[] {
  return [
    ...new Set(
      [...sql.matchAll(/\{\s*([A-Za-z_]\w*)\s*:\s*[A-Z]/g)].map((match) => match[1] ?? ''),
    ),
  ];
}
