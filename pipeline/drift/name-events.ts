import type { Key } from '../verify/key-range.ts';
import { atSource, sourceOf, type Examiner } from './examine.ts';
import type { Finding } from './finding.ts';
import { publishedEvent } from './published-event.ts';

/** Findings of a round whose events are looked up. */
const MOST = 200;

/** Adds to findings the events that told of the missed changes, where the owner's outbox has them. */
export async function nameEvents(
  { catalog, rule }: Pick<Examiner, 'catalog' | 'rule'>,
  findings: readonly Finding[],
): Promise<Finding[]> {
  const source = sourceOf(catalog, rule.owner.source);
  const { outbox } = source;
  const isWanted = ({ state, missedEvent, missedTransaction = 0 }: Finding) =>
    state === 'open' && missedEvent === '' && missedTransaction > 0;
  if (outbox === undefined || !findings.some(isWanted)) return [...findings];
  return atSource(source, async (client) => {
    let looked = 0;
    const named: Finding[] = [];
    for (const finding of findings) {
      const { ownerKey, missedAt, missedTransaction } = finding;
      const isOne = isWanted(finding) && looked < MOST;
      if (!isOne || missedAt === undefined || missedTransaction === undefined) {
        named.push(finding);
        continue;
      }
      looked += 1;
      const [id = ''] = JSON.parse(ownerKey) as Key;
      const event = await publishedEvent(client, outbox, id, {
        at: missedAt,
        transaction: missedTransaction,
      });
      named.push(event === undefined ? finding : { ...finding, missedEvent: event });
    }
    return named;
  });
}
