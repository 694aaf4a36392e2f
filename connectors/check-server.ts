import type { CaptureNames } from './connector-config.ts';
import type { Finding } from './finding.ts';
import type { RoleFacts, SourceFacts } from './source-facts.ts';
import { quoteIdent, quoteLiteral } from './sql-quote.ts';

/** Checks the server's settings, the slot and the role. */
export function checkServer(
  facts: SourceFacts,
  names: CaptureNames,
  connectorExists: boolean,
): Finding[] {
  return [
    ...checkWal(facts),
    ...checkSlot(facts, names, connectorExists),
    ...checkCapacity(facts, names),
    ...checkRole(facts.role),
  ];
}

function checkWal({ walLevel, maxSlotWalKeepMb }: SourceFacts): Finding[] {
  const findings: Finding[] = [];
  if (walLevel !== 'logical') {
    findings.push({
      id: 'wal-level',
      severity: 'error',
      what: `wal_level is ${walLevel}`,
      why: 'Postgres writes what logical replication needs only at wal_level = logical.',
      sql: ['ALTER SYSTEM SET wal_level = logical;'],
      advice: 'Then restart the server: this setting is read at start.',
    });
  }
  if (maxSlotWalKeepMb === -1) {
    findings.push({
      id: 'wal-unbounded',
      severity: 'warning',
      what: 'max_slot_wal_keep_size is without bound',
      why: 'While the connector is away its slot keeps WAL, until the disk of the service is full.',
      sql: ["ALTER SYSTEM SET max_slot_wal_keep_size = '10GB';", 'SELECT pg_reload_conf();'],
    });
  }
  return findings;
}

function checkSlot(
  { slots, database }: SourceFacts,
  names: CaptureNames,
  connectorExists: boolean,
): Finding[] {
  const slot = slots.find(({ name }) => name === names.slot);
  if (slot === undefined) return [];
  const drop = `SELECT pg_drop_replication_slot(${quoteLiteral(slot.name)});`;
  if (slot.walStatus === 'lost') {
    return [
      {
        id: 'slot-lost',
        severity: 'error',
        what: `the replication slot ${slot.name} is lost`,
        why: 'It held more WAL than max_slot_wal_keep_size allows, so changes are gone from it.',
        sql: [drop],
        advice:
          'Then load the source again from a new snapshot: pipeline/docs/operations.md, "A lost slot".',
      },
    ];
  }
  const findings: Finding[] = [];
  if (slot.walStatus === 'unreserved') {
    findings.push({
      id: 'slot-at-risk',
      severity: 'warning',
      what: `the replication slot ${slot.name} is about to be lost`,
      why: 'It holds more WAL than max_slot_wal_keep_size; the next checkpoint may remove it.',
      sql: ["ALTER SYSTEM SET max_slot_wal_keep_size = '20GB';", 'SELECT pg_reload_conf();'],
    });
  }
  if (slot.plugin !== 'pgoutput' || slot.database !== database) {
    findings.push({
      id: 'slot-foreign',
      severity: 'error',
      what: `the slot ${slot.name} is one of ${slot.plugin ?? 'physical replication'} in database ${slot.database ?? 'none'}`,
      why: `Something else made a slot of this name; the connector needs one of pgoutput in ${database}.`,
      sql: [drop],
    });
  } else if (slot.active && !connectorExists) {
    findings.push({
      id: 'slot-in-use',
      severity: 'error',
      what: `something else reads the slot ${slot.name} (backend ${slot.activePid ?? 'unknown'})`,
      why: `A slot has one reader, and this Kafka Connect has no connector ${names.connector}.`,
      sql: [`SELECT pg_terminate_backend(${slot.activePid ?? 0});`],
      advice: 'Stop the other reader first: it reconnects otherwise.',
    });
  }
  return findings;
}

/** Headroom to recommend, so that the next source does not run into the same wall. */
const HEADROOM = 5;

function checkCapacity(facts: SourceFacts, names: CaptureNames): Finding[] {
  const { slots, slotsAllowed, walSendersAllowed, walSendersUsed } = facts;
  const own = slots.find(({ name }) => name === names.slot);
  const findings: Finding[] = [];
  if (own === undefined && slots.length >= slotsAllowed) {
    const idle = slots.filter(({ active }) => !active).map(({ name }) => name);
    findings.push({
      id: 'no-free-slot',
      severity: 'error',
      what: `all ${slotsAllowed} replication slots of the server are taken`,
      why:
        'The connector needs one of its own.' +
        (idle.length === 0 ? '' : ` Nobody reads these now: ${idle.join(', ')}.`),
      sql: [`ALTER SYSTEM SET max_replication_slots = ${slots.length + HEADROOM};`],
      advice: 'Then restart the server, or drop a slot that nobody needs any more.',
    });
  }
  if (own?.active !== true && walSendersUsed >= walSendersAllowed) {
    findings.push({
      id: 'no-free-wal-sender',
      severity: 'error',
      what: `all ${walSendersAllowed} WAL senders of the server are busy`,
      why: 'The connector streams through one of them.',
      sql: [`ALTER SYSTEM SET max_wal_senders = ${walSendersUsed + HEADROOM};`],
      advice: 'Then restart the server: this setting is read at start.',
    });
  }
  return findings;
}

function checkRole(role: RoleFacts): Finding[] {
  const name = quoteIdent(role.name);
  const excess = [
    role.createsRoles ? 'CREATEROLE' : undefined,
    role.createsDatabases ? 'CREATEDB' : undefined,
  ].filter((right) => right !== undefined);
  const findings: Finding[] = [];
  if (!role.replication && !role.superuser) {
    findings.push({
      id: 'role-cannot-replicate',
      severity: 'error',
      what: `role ${role.name} may not replicate`,
      why: 'Reading a replication slot takes the REPLICATION attribute.',
      sql: [`ALTER ROLE ${name} REPLICATION;`],
    });
  }
  if (role.superuser) {
    findings.push({
      id: 'role-too-powerful',
      severity: 'warning',
      what: `role ${role.name} is a superuser`,
      why: 'Capture needs REPLICATION and SELECT on the captured tables, nothing else.',
      sql: [],
      advice: 'Make a role of its own for capture: `tributary connectors sql` prints how.',
    });
  } else if (excess.length > 0) {
    findings.push({
      id: 'role-too-powerful',
      severity: 'warning',
      what: `role ${role.name} has ${excess.join(' and ')}`,
      why: 'Capture needs REPLICATION and SELECT on the captured tables, nothing else.',
      sql: [`ALTER ROLE ${name} ${excess.map((right) => `NO${right}`).join(' ')};`],
    });
  }
  return findings;
}
