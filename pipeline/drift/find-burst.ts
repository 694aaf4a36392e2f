import type { Finding } from './finding.ts';

/** A number of findings that began at about the same time. */
export interface Burst {
  /** When the first of them began, in milliseconds since 1970. */
  readonly at: number;
  readonly findings: number;
}

const WINDOW_MS = 60_000;
const LEAST = 5;
/** Share of the findings from which on they have a cause in common rather than one each. */
const MOST_OF = 0.5;

/** When what a finding is about happened, as far as is known; else when it was found. */
export function beganAt({
  missedAt,
  kind,
  copyChangedAt,
  ownerChangedAt,
  openedAt,
}: Finding): number {
  if (kind === 'written locally') return copyChangedAt ?? openedAt;
  return missedAt ?? ownerChangedAt ?? openedAt;
}

/** The minute in which most of the findings began, when that is too many of them for chance. */
export function findBurst(findings: readonly Finding[]): Burst | undefined {
  const times = findings.map(beganAt).sort((a, b) => a - b);
  let best: Burst = { at: 0, findings: 0 };
  let first = 0;
  for (const [last, time] of times.entries()) {
    while ((times[first] ?? time) < time - WINDOW_MS) first += 1;
    const count = last - first + 1;
    if (count > best.findings) best = { at: times[first] ?? time, findings: count };
  }
  return best.findings >= LEAST && best.findings >= times.length * MOST_OF ? best : undefined;
}
