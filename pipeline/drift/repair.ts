import { TributaryError } from '#runtime/errors.ts';
import { callEndpoint } from '../catalog/call-endpoint.ts';
import type { DriftRule } from '../catalog/drift-rule.ts';
import type { Endpoint } from '../catalog/endpoint.ts';
import { keyId, type Key } from '../verify/key-range.ts';
import type { Finding } from './finding.ts';

/** An owner that is to publish its value again, and the copies that this is to mend. */
export interface Repair {
  readonly owner: Key;
  readonly copies: readonly Key[];
}

/**
 * The owners to be asked for findings, each once.
 *
 * @param keys - of copies or owners, as they are listed; empty: all
 */
export function planRepairs(findings: readonly Finding[], keys: readonly string[]): Repair[] {
  const plan = new Map<string, { owner: Key; copies: Map<string, Key> }>();
  for (const finding of findings) {
    // What the warehouse alone has otherwise is no matter of the services.
    if (finding.kind === 'pipeline') continue;
    const owner = JSON.parse(finding.ownerKey) as Key;
    const copy = JSON.parse(finding.copyKey) as Key;
    if (keys.length > 0 && !keys.includes(keyText(owner)) && !keys.includes(keyText(copy))) {
      continue;
    }
    const repair = plan.get(finding.ownerKey) ?? { owner, copies: new Map<string, Key>() };
    repair.copies.set(keyId(copy), copy);
    plan.set(finding.ownerKey, repair);
  }
  return [...plan.values()].map(({ owner, copies }) => ({ owner, copies: [...copies.values()] }));
}

/** A key as it is listed and asked for: its columns with commas between them. */
export function keyText(key: Key): string {
  return key.join(',');
}

/** The address to POST to for a row of the owner. */
export function repairUrl(rule: DriftRule, keyColumns: readonly string[], owner: Key): string {
  const { url } = endpointOf(rule);
  return url.replace(/\{([^}]+)\}/g, (_, column: string) => {
    const text = owner[keyColumns.indexOf(column)];
    if (text !== undefined) return encodeURIComponent(text);
    throw new TributaryError(
      'REPAIR_REFUSED',
      `rule ${rule.name}: {${column}} of its repair url is no column of the owner's key`,
      { fix: `Name one of: ${keyColumns.map((name) => `{${name}}`).join(', ')}` },
    );
  });
}

/**
 * Asks the owner's service to publish a row's current value once more, through its own outbox.
 * Nothing is written into anybody's table.
 *
 * @throws TributaryError `REPAIR_REFUSED`
 */
export async function askOwner(rule: DriftRule, url: string): Promise<void> {
  await callEndpoint(endpointOf(rule), url, {
    code: 'REPAIR_REFUSED',
    what: `rule ${rule.name}: asking the owner to publish again`,
    fix: 'See that the service of the owner answers at the repair url of the rule.',
  });
}

function endpointOf(rule: DriftRule): Endpoint {
  if (rule.repair !== undefined) return rule.repair;
  throw new TributaryError('REPAIR_REFUSED', `rule ${rule.name} does not say how to repair`, {
    fix: "Add `repair: { url: … }`, an endpoint of the owner's service that publishes a row again.",
  });
}
