/** What a `postgres://` URL says, with percent-encoding undone. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Empty when the server asks for none. */
  readonly password: string;
  readonly database: string;
  /** `sslmode` of the URL, as libpq knows it. */
  readonly sslMode: string | undefined;
}

const DEFAULT_PORT = 5432;

/** libpq's names; Debezium takes the same. */
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

/**
 * Takes a Postgres URL apart.
 *
 * @returns the address, or what is wrong with the URL; never a part of the URL that could be secret
 */
export function parsePostgresUrl(text: string): PostgresAddress | { readonly problem: string } {
  if (!/^postgres(?:ql)?:\/\//.test(text)) {
    return { problem: 'it does not begin with postgres://' };
  }
  if (!URL.canParse(text)) {
    return {
      problem: 'it cannot be parsed; percent-encode special characters of the password (@ is %40)',
    };
  }
  const url = new URL(text);
  const parts = [url.username, url.password, url.pathname.slice(1)].map(decoded);
  const [user, password, database] = parts;
  if (user === undefined || password === undefined || database === undefined) {
    return { problem: 'it has a % that is not percent-encoding; a percent sign itself is %25' };
  }
  if (url.hostname === '') return { problem: 'it names no host' };
  if (user === '') return { problem: 'it names no user' };
  if (database === '' || database.includes('/')) {
    return { problem: 'it names no database after the host' };
  }
  const sslMode = url.searchParams.get('sslmode') ?? undefined;
  if (sslMode !== undefined && !SSL_MODES.includes(sslMode)) {
    return { problem: `its sslmode is none of ${SSL_MODES.join(', ')}` };
  }
  return {
    host: decoded(url.hostname)?.replace(/^\[(.*)\]$/, '$1') ?? url.hostname,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user,
    password,
    database,
    sslMode,
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
