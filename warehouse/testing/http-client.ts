import type { EmbeddedWarehouse } from './embedded-server.ts';

/** Plain HTTP requests to a warehouse, as curl would make them. */
export interface HttpClient {
  /** URL with parameters. */
  at(parameters?: Record<string, string>, path?: string): string;
  /** Asks by GET, the query in the URL. */
  get(query: string, parameters?: Record<string, string>): Promise<Response>;
  /** Asks by POST, the query in the body. */
  post(query: string, parameters?: Record<string, string>): Promise<Response>;
}

/** Makes the requests as the writer. */
export function httpClient(warehouse: EmbeddedWarehouse): HttpClient {
  const at = (parameters = {}, path = '/') =>
    `${warehouse.url}${path}?${new URLSearchParams(parameters).toString()}`;
  return {
    at,
    get: (query, parameters = {}) => fetch(at({ ...parameters, query })),
    post: (query, parameters = {}) => fetch(at(parameters), { method: 'POST', body: query }),
  };
}

/** Text of an answer, without the line end at its end. */
export async function text(response: Promise<Response>): Promise<string> {
  const body = await (await response).text();
  return body.trimEnd();
}

/** Gives the warehouse a table of two people, `lab.people`. */
export async function createPeople(http: HttpClient): Promise<void> {
  await http.post('CREATE DATABASE lab');
  await http.post(
    'CREATE TABLE lab.people (id UInt64, name String) ENGINE = MergeTree ORDER BY id',
  );
  await http.post("INSERT INTO lab.people VALUES (1, 'Ann'), (2, 'Bob')");
}
