import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { z } from 'zod';
import { loadConfig } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import type { EraseRule } from '../../pipeline/catalog/erase-rule.ts';
import { eraseSubject, isComplete, surveySubject } from '../../pipeline/erasure/erase-subject.ts';
import { recordErasure } from '../../pipeline/erasure/erasure-log.ts';
import { dropConsumed, eraseByKey } from '../../pipeline/source/erase-records.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { catchUpThroughKafka } from '../../pipeline/verify/catch-up.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { describeErasure, describeSurvey } from '../erase/describe-erasure.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

const settings = pipelineSettings.extend({ registryUrl: z.url() });

interface Options {
  readonly config?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
  /** Seconds. */
  readonly deadline: number;
}

const DEADLINE_SECONDS = 300;

/** `tributary erase`: a request to be forgotten, carried everywhere that data went. */
export function eraseCommand(signal: AbortSignal): Command {
  return new Command('erase')
    .description('Carry a request to be forgotten through services, warehouse and topics')
    .argument('<subject>', 'as under `erase` in the catalog, e.g. users')
    .argument('<key>', 'whose data, e.g. the id of the user')
    .option('--yes', 'do it; without this it is only told what there is', false)
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option(
      '--deadline <seconds>',
      'how long services, pipeline and broker may take',
      parseSeconds,
      DEADLINE_SECONDS,
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nErased data cannot be brought back. No value is printed.\n' +
        'What was done is kept in ops.erasures.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  KAFKA_BROKERS, KAFKA_GROUP_ID, REGISTRY_URL,\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 told or erased, 1 something is left or failed, 2 called or configured wrongly',
    )
    .action(async (subject: string, key: string, options: Options) => {
      const config = loadConfig(settings, process.env);
      const catalog = await loadChosenCatalog(options.config);
      const rule = ruleOf(catalog, subject);
      const warehouse = connectConfiguredWarehouse(config, 'tributary-erase');
      const kafka = createKafka({
        clientId: 'tributary-erase',
        brokers: config.kafkaBrokers,
        log: createLogger('erase', 'silent'),
      });
      const groupId = config.kafkaGroupId;
      const deadlineMs = options.deadline * 1_000;
      try {
        if (options.yes !== true) {
          const survey = await surveySubject({ catalog, warehouse }, rule, key);
          print(options, survey, describeSurvey(survey));
          return;
        }
        const erasure = await eraseSubject(
          {
            catalog,
            warehouse,
            registryUrl: config.registryUrl,
            records: {
              dropConsumed: async (topics, patience) =>
                dropConsumed(kafka, groupId, topics, patience),
              eraseByKey: async (topic, doomed, patience) =>
                eraseByKey(kafka, topic, doomed, patience),
            },
            catchUpWith: catchUpThroughKafka({ kafka, groupId, deadlineMs, signal }),
            say: (what) => process.stderr.write(`${what} ...\n`),
          },
          rule,
          key,
          { deadline: Date.now() + deadlineMs, signal },
        );
        await recordErasure(warehouse, subject, key, erasure, userInfo().username);
        const paint = pc.isColorSupported
          ? { good: pc.green, bad: pc.red }
          : { good: String, bad: String };
        print(options, erasure, describeErasure(erasure, paint));
        process.exitCode = isComplete(erasure) ? EXIT.ok : EXIT.failed;
      } finally {
        await warehouse.close();
      }
    });
}

/** @throws TributaryError `CONFIG_INVALID` for a subject that the catalog does not have */
function ruleOf({ erase }: Catalog, subject: string): EraseRule {
  const rule = erase.find((one) => one.subject === subject);
  if (rule !== undefined) return rule;
  throw new TributaryError(
    'CONFIG_INVALID',
    `the catalog does not say where data of ${subject} is`,
    {
      fix:
        erase.length === 0
          ? 'Write it under `erase:`: pipeline/docs/erasure.md.'
          : `Name one of: ${erase.map((one) => one.subject).join(', ')}`,
    },
  );
}

function print(options: Options, json: unknown, text: string): void {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  process.stdout.write(options.json === true ? `${JSON.stringify(json, plain, 2)}\n` : `${text}\n`);
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds > 0) return seconds;
  throw new InvalidArgumentError('must be a whole number above 0');
}
