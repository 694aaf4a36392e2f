import type { ConnectorConfig } from './connector-config.ts';

/** A setting that differs; `undefined` is not there. */
export interface SettingChange {
  readonly setting: string;
  readonly live: string | undefined;
  readonly desired: string | undefined;
}

/** What is to be done about one connector. */
export type PlanStep =
  | { readonly kind: 'create'; readonly name: string; readonly connector: ConnectorConfig }
  | {
      readonly kind: 'update';
      readonly name: string;
      readonly connector: ConnectorConfig;
      readonly changes: readonly SettingChange[];
    }
  | { readonly kind: 'unchanged'; readonly name: string }
  /** Connect has it, the catalog does not; it is left alone. */
  | { readonly kind: 'unmanaged'; readonly name: string };

/**
 * Compares the connectors there should be with those there are. Pure.
 *
 * @param live - configuration of each connector by name
 */
export function planConnectors(
  desired: readonly ConnectorConfig[],
  live: ReadonlyMap<string, { readonly config: Readonly<Record<string, string>> }>,
): PlanStep[] {
  const wanted = new Set(desired.map(({ name }) => name));
  const steps = desired.map((connector): PlanStep => {
    const { name } = connector;
    const present = live.get(name);
    if (present === undefined) return { kind: 'create', name, connector };
    const changes = differences(connector.config, present.config);
    return changes.length === 0
      ? { kind: 'unchanged', name }
      : { kind: 'update', name, connector, changes };
  });
  const unmanaged = [...live.keys()].filter((name) => !wanted.has(name)).sort();
  return [...steps, ...unmanaged.map((name): PlanStep => ({ kind: 'unmanaged', name }))];
}

function differences(
  desired: Readonly<Record<string, string>>,
  live: Readonly<Record<string, string>>,
): SettingChange[] {
  return (
    [...new Set([...Object.keys(desired), ...Object.keys(live)])]
      // Connect adds the name to the configuration by itself.
      .filter((setting) => setting !== 'name' && desired[setting] !== live[setting])
      .sort()
      .map((setting) => ({
        setting,
        live: shown(setting, live[setting]),
        desired: shown(setting, desired[setting]),
      }))
  );
}

/** A value fit to print: somebody may have posted a password as it is. */
function shown(setting: string, value: string | undefined): string | undefined {
  const secret = /password|secret|token|sasl\.jaas/i.test(setting);
  return value !== undefined && secret && !/^\$\{[^}]+\}$/.test(value) ? '<redacted>' : value;
}
