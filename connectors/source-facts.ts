import type { TableName } from '../pipeline/catalog/table-pattern.ts';

/** What a source database says about itself, as far as capture depends on it. */
export interface SourceFacts {
  /** As `server_version_num`, e.g. 180004. */
  readonly serverVersion: number;
  readonly walLevel: string;
  /** `max_slot_wal_keep_size` in megabytes; -1 is without bound. */
  readonly maxSlotWalKeepMb: number;
  readonly slotsAllowed: number;
  readonly slots: readonly SlotFacts[];
  readonly walSendersAllowed: number;
  readonly walSendersUsed: number;
  readonly database: string;
  readonly role: RoleFacts;
  readonly publication: PublicationFacts | undefined;
  /** Every table of the database that could be captured, partitions too. */
  readonly tables: readonly TableFacts[];
}

/** The capture role, and what it may do. */
export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  readonly replication: boolean;
  readonly bypassesRowSecurity: boolean;
  readonly createsRoles: boolean;
  readonly createsDatabases: boolean;
  /** Whether it may make objects in the database, which is what making a publication takes. */
  readonly createsInDatabase: boolean;
}

/** A replication slot of the server. */
export interface SlotFacts {
  readonly name: string;
  readonly plugin: string | undefined;
  readonly database: string | undefined;
  readonly active: boolean;
  readonly activePid: number | undefined;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | undefined;
}

/** The source's publication. */
export interface PublicationFacts {
  readonly allTables: boolean;
  /** Schemas it publishes whole. */
  readonly schemas: readonly string[];
  readonly viaPartitionRoot: boolean;
  readonly publishes: {
    readonly insert: boolean;
    readonly update: boolean;
    readonly delete: boolean;
    readonly truncate: boolean;
  };
  readonly tables: readonly PublishedTable[];
}

/** A table that the publication lists. */
export interface PublishedTable extends TableName {
  /** The row filter, as Postgres writes it. */
  readonly rowFilter: string | undefined;
  readonly hasColumnList: boolean;
}

/** A table and what capture depends on. */
export interface TableFacts extends TableName {
  readonly partitioned: boolean;
  /** The topmost partitioned table this one is a partition of. */
  readonly partitionRoot: TableName | undefined;
  readonly unlogged: boolean;
  readonly rowSecurity: boolean;
  /** What restricts the rows that the role sees, as Postgres writes it. */
  readonly roleSeesOnly: string | undefined;
  /** `d` default, `f` full, `i` index, `n` nothing. */
  readonly replicaIdentity: string;
  /** `none`, or whether the primary key can identify rows at any moment. */
  readonly primaryKey: 'none' | 'immediate' | 'deferrable';
  /** Of a deferrable primary key what makes it one that is not: the end of an ALTER TABLE. */
  readonly keyMadeImmediate: string | undefined;
  /** Columns of the index that is the replica identity, in its order; empty when none is. */
  readonly identityColumns: readonly string[];
  /** A unique index over NOT NULL columns, which could become the primary key. */
  readonly keyCandidate: string | undefined;
  /** A unique index beside the primary key, whatever it is over. */
  readonly uniqueIndex: string | undefined;
  readonly roleOwns: boolean;
  readonly roleSelects: boolean;
  readonly roleUsesSchema: boolean;
  /** Privileges beyond SELECT that the role has. */
  readonly roleWrites: readonly string[];
  readonly columns: readonly ColumnFacts[];
}

/** A column and what capture depends on. */
export interface ColumnFacts {
  readonly name: string;
  /** Name of the type in `pg_type`, domains resolved; for arrays that of the element. */
  readonly type: string;
  /** `b` base, `e` enum, `c` composite, `r` range, `m` multirange, `d` domain. */
  readonly typeKind: string;
  /** Declared dimensions; 0 when it is no array. */
  readonly dimensions: number;
  /** Whether the element type of an array is built into Postgres. */
  readonly builtIn: boolean;
  readonly generated: 'no' | 'stored' | 'virtual';
  /** Whether it is part of what tells rows apart: the replica identity's index, or the primary key. */
  readonly isKey: boolean;
}
