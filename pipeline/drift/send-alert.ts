import { describeError, TributaryError } from '#runtime/errors.ts';
import type { AlertTarget } from '../catalog/drift-rule.ts';
import type { StandingAlert } from './store.ts';

const TIMEOUT_MS = 10_000;
/** How long Alertmanager takes an alert to stand, unless it is told before that it is over. */
const STANDS_MS = 30 * 86_400_000;

/**
 * Tells a webhook of an alert.
 *
 * @param healedAt - when it was over, in milliseconds since 1970; undefined while it stands
 * @throws TributaryError `ALERT_FAILED`
 */
export async function sendAlert(
  target: AlertTarget,
  alert: StandingAlert,
  healedAt: number | undefined,
): Promise<void> {
  const body = target.format === 'slack' ? slack(alert, healedAt) : alertmanager(alert, healedAt);
  const what = `telling ${target.format} of drift`;
  let response: Response;
  try {
    response = await fetch(target.url.reveal(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
  } catch (error) {
    throw new TributaryError('ALERT_FAILED', `${what}: ${describeError(error)}`, { cause: error });
  }
  await response.body?.cancel();
  if (response.ok) return;
  throw new TributaryError('ALERT_FAILED', `${what}: it answered ${response.status}`);
}

/** A message as incoming webhooks of Slack, Mattermost and others take it. */
export function slack(alert: StandingAlert, healedAt: number | undefined): object {
  const lines =
    healedAt === undefined
      ? [`:warning: Drift: ${alert.summary}`, ...alert.circumstances.map((line) => `• ${line}`)]
      : [`:white_check_mark: Drift is over: ${alert.rule}, ${minutes(alert, healedAt)}`];
  return { text: lines.join('\n') };
}

/**
 * Alerts as Alertmanager's API v2 takes them. Labels are what makes two alerts one, so they say
 * nothing that changes.
 */
export function alertmanager(alert: StandingAlert, healedAt: number | undefined): object[] {
  return [
    {
      labels: { alertname: 'TributaryDrift', rule: alert.rule, severity: 'warning' },
      annotations: {
        summary: alert.summary,
        ...(alert.circumstances.length === 0
          ? {}
          : { description: alert.circumstances.join('\n') }),
      },
      startsAt: new Date(alert.raisedAt).toISOString(),
      // Alertmanager takes an alert for over that is not told again; this one is told once.
      endsAt: new Date(healedAt ?? alert.raisedAt + STANDS_MS).toISOString(),
    },
  ];
}

function minutes({ raisedAt }: StandingAlert, healedAt: number): string {
  const seconds = Math.round((healedAt - raisedAt) / 1_000);
  return seconds < 120 ? `after ${seconds} s` : `after ${Math.round(seconds / 60)} minutes`;
}
