/** A query that was run or saved, in this browser. */
export interface StoredQuery {
  readonly sql: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly name?: string | undefined;
}

const MOST = 100;

/** Queries kept in this browser, the newest first. */
export interface QueryStore {
  list(): readonly StoredQuery[];
  add(query: StoredQuery): void;
  remove(at: number): void;
}

/** @param key - where in the browser's storage */
export function queryStore(key: string, storage: Storage = localStorage): QueryStore {
  const list = (): StoredQuery[] => {
    try {
      const stored: unknown = JSON.parse(storage.getItem(key) ?? '[]');
      return Array.isArray(stored) ? stored.filter(isQuery) : [];
    } catch {
      // Somebody else wrote there; it begins anew.
      return [];
    }
  };
  const write = (queries: readonly StoredQuery[]) => {
    try {
      storage.setItem(key, JSON.stringify(queries.slice(0, MOST)));
    } catch {
      // A browser that stores nothing still runs queries.
    }
  };
  return {
    list,
    // The same once: what is run again moves to the top.
    add: (query) =>
      write([query, ...list().filter(({ sql, name }) => sql !== query.sql || name !== query.name)]),
    remove: (at) => write(list().filter((query) => query.at !== at)),
  };
}

function isQuery(value: unknown): value is StoredQuery {
  return (
    typeof value === 'object' &&
    value !== null &&
    'sql' in value &&
    typeof value.sql === 'string' &&
    'at' in value &&
    typeof value.at === 'number'
  );
}
