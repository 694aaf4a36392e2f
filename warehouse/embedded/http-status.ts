/** Error numbers that a ClickHouse server does not answer with 500. */
const STATUS_OF: ReadonlyMap<number, number> = new Map([
  ...statusOf(401, [194]),
  ...statusOf(403, [192, 193, 497, 512, 516]),
  ...statusOf(
    400,
    [
      6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427,
      441, 675, 676,
    ],
  ),
  ...statusOf(404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511]),
  ...statusOf(408, [159]),
  ...statusOf(411, [381]),
  ...statusOf(413, [229]),
  ...statusOf(415, [779]),
  ...statusOf(501, [48]),
  ...statusOf(503, [76, 209, 439]),
]);

function statusOf(status: number, codes: readonly number[]): [number, number][] {
  return codes.map((code) => [code, status]);
}

/** HTTP status that a ClickHouse server answers a failed query with. */
export function httpStatusOf(exceptionCode: number): number {
  return STATUS_OF.get(exceptionCode) ?? 500;
}
