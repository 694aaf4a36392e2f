import { createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ANALYST_BOUNDS } from './limits.ts';

const SHARED_MEMORY = '/dev/shm';
const ID_LENGTH = 16;

/** Where the parts of a data directory are. */
export interface DataDirectory {
  /** The engine's own: tables and their metadata. */
  readonly engine: string;
  /** Named pipes and the data of large inserts under way; emptied at every start. */
  readonly scratch: string;
  /** The data of small inserts under way, in memory where the system has such a folder. */
  readonly quick: string;
  /** The engine's configuration file. */
  readonly config: string;
}

/** Role that the analyst's connections are cut down to. */
export const ANALYST_ROLE = 'analyst';
/** Profile with the bounds that the analyst cannot change. */
export const ANALYST_PROFILE = 'analyst';

/**
 * Settings that the analyst cannot change: some lift bounds or change how SQL is read, others name
 * files that the engine would open (output templates, format schemas).
 */
const ANALYST_FIXED = [
  'readonly',
  'dialect',
  'implicit_select',
  'log_comment',
  'allow_introspection_functions',
  'allow_experimental_eval_table_function',
  'format_schema',
  'format_schema_source',
  'format_schema_message_name',
  'format_template_resultset',
  'format_template_row',
  'input_format_record_errors_file_path',
  'output_format_schema',
  'send_logs_level',
  'into_outfile_create_parent_directories',
];

/** Makes the data directory and writes the engine's configuration into it. */
export async function prepareDataDirectory(
  path: string,
  maxMemoryMib: number,
): Promise<DataDirectory> {
  const root = resolve(path);
  const directory = {
    engine: join(root, 'engine'),
    scratch: join(root, 'scratch'),
    quick: quickFolder(root),
    config: join(root, 'config', 'config.xml'),
  };
  const users = join(root, 'config', 'users.xml');
  await mkdir(directory.engine, { recursive: true });
  await mkdir(join(root, 'config'), { recursive: true });
  await writeFile(users, usersXml());
  await writeFile(directory.config, serverXml(users, maxMemoryMib));
  return directory;
}

/** Empties the folders for passing things; only for who holds the engine's lock on the directory. */
export async function emptyScratch({ scratch, quick }: DataDirectory): Promise<void> {
  await removeScratch({ scratch, quick });
  for (const folder of [scratch, quick]) await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Removes them, at the end. */
export async function removeScratch(
  directory: Pick<DataDirectory, 'scratch' | 'quick'>,
): Promise<void> {
  for (const folder of [directory.scratch, directory.quick]) {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A folder on a file system in memory: creating a file on disk waits for the journal when databases
 * next door sync theirs, and every small insert is a file for a moment. One per data directory, so
 * that what a killed process left is found by the next.
 */
function quickFolder(root: string): string {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK);
  } catch {
    return join(root, 'quick');
  }
  const id = createHash('sha256').update(root).digest('hex').slice(0, ID_LENGTH);
  return join(SHARED_MEMORY, `tributary-warehouse-${id}`);
}

/** Small caches and few threads: this is for a machine that does other things too. */
function serverXml(usersPath: string, maxMemoryMib: number): string {
  return `<clickhouse>
  <users_config>${escapeXml(usersPath)}</users_config>
  <max_server_memory_usage>${maxMemoryMib * 1_048_576}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
  <query_condition_cache_size>16777216</query_condition_cache_size>
  <compiled_expression_cache_size>33554432</compiled_expression_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_message_broker_schedule_pool_size>2</background_message_broker_schedule_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    <old_parts_lifetime>60</old_parts_lifetime>
  </merge_tree>
</clickhouse>
`;
}

/**
 * The engine logs every connection in as `default`, without a password, and cannot be told
 * another user. So `default` owns two roles: all rights, and the analyst's; the analyst's
 * connections give up the first before they run anything.
 */
function usersXml(): string {
  const bounds = Object.entries(ANALYST_BOUNDS).map(
    ([name, { max }]) => `<${name}><min>1</min><max>${max}</max></${name}>`,
  );
  const fixed = ANALYST_FIXED.map((name) => `<${name}><const/></${name}>`);
  return `<clickhouse>
  <profiles>
    <default/>
    <${ANALYST_PROFILE}>
      <constraints>
        ${[...bounds, ...fixed].join('\n        ')}
      </constraints>
    </${ANALYST_PROFILE}>
  </profiles>
  <quotas><default/></quotas>
  <roles>
    <writer>
      <grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants>
    </writer>
    <${ANALYST_ROLE}>
      <grants><query>GRANT SELECT, SHOW, dictGet ON *.*</query></grants>
    </${ANALYST_ROLE}>
  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT writer</query>
        <query>GRANT ${ANALYST_ROLE}</query>
      </grants>
    </default>
  </users>
</clickhouse>
`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
