import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { commaList, loadConfig } from '#runtime/config.ts';
import { ERROR_CODES, type ErrorCode } from '#runtime/error-codes.ts';
import { TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import {
  discardLetters,
  findLetter,
  isWithheld,
  openLetters,
  parsePlace,
  placeText,
  replayOpenLetters,
} from '../../pipeline/operations/dead-letters.ts';
import {
  recorded,
  targetOf,
  type OperationAbout,
} from '../../pipeline/operations/operation-log.ts';
import {
  listDeadLetters,
  listedBytes,
  type LetterFilter,
  type LetterState,
  type ListedLetter,
} from '../../pipeline/sink/clickhouse-dead-letters.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createKafka, type Kafka } from '../../pipeline/source/kafka-client.ts';
import { connectConfiguredWarehouse, warehouseSettings } from '../server-settings.ts';

const settings = warehouseSettings.extend({ kafkaBrokers: commaList() });

const STATES = ['open', 'replayed', 'discarded', 'all'] as const;
const DEFAULT_LIMIT = 100;
/** Most letters that one replay or discard takes. */
const MAX_AT_ONCE = 100_000;

/** Options of the subcommands; each has those it declares. */
interface Options {
  readonly json?: boolean;
  readonly topic?: string;
  readonly code?: string;
  readonly state?: (typeof STATES)[number];
  readonly limit?: number;
  readonly bytes?: boolean;
  readonly all?: boolean;
}

/** `tributary dead-letters …`: records that could not be applied. */
export function deadLettersCommand(): Command {
  const command = new Command('dead-letters')
    // Before there are subcommands: they take it over, and with it the exit code of wrong usage.
    .exitOverride()
    .description('List, show, replay and discard records that could not be applied')
    .addHelpText(
      'after',
      '\nA letter is named by the place of its record: topic/partition/offset.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  KAFKA_BROKERS, CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '\nExit codes: 0 done, 1 failed, 2 called or configured wrongly',
    );

  selecting(command.command('list'))
    .description('List letters; by default the open ones')
    .option('--state <state>', `one of ${STATES.join(', ')}`, parseState, 'open')
    .option('--limit <count>', 'most letters to list', parseCount, DEFAULT_LIMIT)
    .action(
      run(async ({ warehouse }, options) => {
        const { topic, code, state = 'open', limit = DEFAULT_LIMIT } = options;
        const filter = { topic, code, state: state === 'all' ? undefined : state };
        const letters = await listDeadLetters(warehouse, filter, limit);
        print(options, letters, describeList(letters, limit));
      }),
    );

  command
    .command('show')
    .argument('<place>')
    .description('Show one letter: place, code, reason, sizes and headers')
    .option('--bytes', 'also its key and value, in hexadecimal: they may hold personal data', false)
    .option('--json', 'as JSON')
    .action(
      run(async ({ warehouse }, options, [name = '']) => {
        const letter = await findLetter(warehouse, parsePlace(name));
        const bytes =
          options.bytes === true
            ? await recorded(warehouse, about('look', [letter]), async () => ({
                result: await listedBytes(warehouse, letter),
                outcome: 'key and value shown',
              }))
            : undefined;
        const hex = bytes && {
          key: bytes.key?.toString('hex') ?? null,
          value: bytes.value?.toString('hex') ?? null,
        };
        print(options, { ...letter, ...(hex && { bytes: hex }) }, describeLetter(letter, hex));
      }),
    );

  selecting(command.command('replay').argument('[places...]'))
    .description('Send open letters to their topics again, once the cause is mended')
    .option('--all', 'every open letter', false)
    .action(
      run(async ({ warehouse, kafka }, options, names) => {
        const letters = await select(warehouse, options, names);
        const whole = await recorded(warehouse, about('replay', letters), async () => {
          const sent = await replayOpenLetters({ warehouse, kafka: kafka() }, letters);
          return { result: sent, outcome: `${count(sent.length)} replayed` };
        });
        const without = letters.length - whole.length;
        print(
          options,
          { replayed: whole.map(placeText), withoutValue: without },
          `${count(whole.length)} replayed; one that fails again becomes a new letter\n` +
            (without === 0
              ? ''
              : `${count(without)} not: the value never fit a record\n  → ${ERROR_CODES.RECORD_TOO_LARGE.fix}\n`),
        );
      }),
    );

  selecting(command.command('discard').argument('[places...]'))
    .description('Close open letters without replaying them; their bytes stay in the topic')
    .option('--all', 'every open letter', false)
    .action(
      run(async ({ warehouse }, options, names) => {
        const letters = await select(warehouse, options, names);
        await recorded(warehouse, about('discard', letters), async () => {
          await discardLetters(warehouse, letters);
          return { result: undefined, outcome: `${count(letters.length)} discarded` };
        });
        print(
          options,
          { discarded: letters.map(placeText) },
          `${count(letters.length)} discarded\n`,
        );
      }),
    );
  return command;
}

/** What `ops.operations` is told. */
function about(
  operation: OperationAbout['operation'],
  letters: readonly ListedLetter[],
): OperationAbout {
  const target = targetOf(letters.map(placeText));
  return { operation, target, askedBy: userInfo().username, askedVia: 'command' };
}

function selecting(command: Command): Command {
  return command
    .option('--topic <topic>', 'only of this topic')
    .option('--code <code>', 'only with this error code', parseCode)
    .option('--json', 'as JSON');
}

interface Context {
  readonly warehouse: Warehouse;
  readonly kafka: () => Kafka;
}

function run(
  work: (context: Context, options: Options, names: readonly string[]) => Promise<void>,
) {
  return async (...parameters: unknown[]): Promise<void> => {
    const command = parameters.at(-1) as Command;
    const config = loadConfig(settings, process.env);
    const warehouse = connectConfiguredWarehouse(config, 'tributary-dead-letters');
    const kafka = () =>
      createKafka({
        clientId: 'tributary-dead-letters',
        brokers: config.kafkaBrokers,
        log: createLogger('dead-letters', 'silent'),
      });
    try {
      await work({ warehouse, kafka }, command.opts<Options>(), command.args);
      process.exitCode = EXIT.ok;
    } finally {
      await warehouse.close();
    }
  };
}

/** The open letters that a replay or discard is about. @throws `CONFIG_INVALID` when it does not say */
async function select(
  warehouse: Warehouse,
  { topic, code, all }: Options,
  names: readonly string[],
): Promise<ListedLetter[]> {
  if (names.length > 0) {
    return openLetters(warehouse, names.map(parsePlace));
  }
  if (topic === undefined && code === undefined && all !== true) {
    throw new TributaryError('CONFIG_INVALID', 'which letters is not said', {
      fix: 'Name their places, or say --topic, --code or --all.',
    });
  }
  const filter: LetterFilter = { topic, code, state: 'open' };
  return listDeadLetters(warehouse, filter, MAX_AT_ONCE);
}

function describeList(letters: readonly ListedLetter[], limit: number): string {
  if (letters.length === 0) return 'no dead letters\n';
  const lines = [
    ['place', 'state', 'code', 'bytes', 'reason'],
    ...letters.map((letter) => [
      placeText(letter),
      letter.state,
      letter.code,
      String((letter.keySize ?? 0) + (letter.valueSize ?? 0)),
      letter.reason,
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const table = lines.map((line) =>
    line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  );
  const more = letters.length === limit ? `\nThere may be more: --limit, --topic, --code.\n` : '';
  return `${table.join('\n')}\n${more}`;
}

function describeLetter(
  letter: ListedLetter,
  hex: { readonly key: string | null; readonly value: string | null } | undefined,
): string {
  const size = (bytes: number | null) => (bytes === null ? 'none' : `${bytes} bytes`);
  const cut = (text: string | null, bytes: number | null) =>
    text === null || bytes === null || text.length / 2 >= bytes
      ? (text ?? 'none')
      : `${text}\n           the first ${text.length / 2} of ${bytes} bytes; the topic has all`;
  const headers = Object.entries(letter.headers);
  const advice = letter.code in ERROR_CODES ? ERROR_CODES[letter.code as ErrorCode].fix : '';
  return [
    `place      ${placeText(letter)}`,
    `state      ${letter.state}${letter.replayedAs === null ? '' : ` as offset ${letter.replayedAs}`}`,
    `set aside  ${letter.deadLetteredAt} UTC`,
    `code       ${letter.code}`,
    `reason     ${letter.reason}`,
    ...(advice === '' ? [] : [`advice     ${advice}`]),
    `schema id  ${letter.schemaId ?? 'none'}`,
    ...(isWithheld(letter)
      ? [
          'key, value withheld: the table has masked columns; the record is at its place in the topic',
        ]
      : [`key        ${size(letter.keySize)}`, `value      ${size(letter.valueSize)}`]),
    ...(letter.replayOf === null
      ? []
      : [`replay of  ${placeText({ ...letter, offset: letter.replayOf })}`]),
    ...headers.map(([name, value]) => `header     ${name}: ${value}`),
    ...(hex === undefined
      ? []
      : [
          `key hex    ${cut(hex.key, letter.keySize)}`,
          `value hex  ${cut(hex.value, letter.valueSize)}`,
        ]),
    '',
  ].join('\n');
}

function parseState(text: string): LetterState | 'all' {
  const state = STATES.find((known) => known === text);
  if (state === undefined) throw new InvalidArgumentError(`must be one of ${STATES.join(', ')}`);
  return state;
}

function parseCode(text: string): string {
  if (!(text in ERROR_CODES)) throw new InvalidArgumentError('is not an error code of errors.md');
  return text;
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_AT_ONCE) {
    throw new InvalidArgumentError(`must be a whole number from 1 to ${MAX_AT_ONCE}`);
  }
  return value;
}

function count(letters: number): string {
  return `${letters} ${letters === 1 ? 'letter' : 'letters'}`;
}

function print(options: Options, data: unknown, text: string): void {
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(data, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`
      : text,
  );
}
