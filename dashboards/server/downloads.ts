import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** Formats of downloads, by the ending of the file. */
export const DOWNLOADS = {
  csv: { format: 'CSVWithNames', type: 'text/csv; charset=utf-8' },
  parquet: { format: 'Parquet', type: 'application/vnd.apache.parquet' },
  ndjson: { format: 'JSONEachRow', type: 'application/x-ndjson' },
} as const;

/** The ending of a file that can be downloaded. */
export type DownloadEnding = keyof typeof DOWNLOADS;

/** Endings of all that can be downloaded. */
export const DOWNLOAD_ENDINGS = Object.keys(DOWNLOADS) as DownloadEnding[];

/** How values stand in a file: exact, for who reads it with another program. */
export const DOWNLOAD_SETTINGS = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
  output_format_decimal_trailing_zeros: 1,
} as const;

/** Sends rows as a file. */
export async function sendDownload(
  response: Response,
  rows: Readable,
  file: { readonly name: string; readonly as: DownloadEnding },
): Promise<void> {
  response.set({
    'Content-Type': DOWNLOADS[file.as].type,
    'Content-Disposition': `attachment; filename="${file.name}.${file.as}"`,
    'Cache-Control': 'no-store',
  });
  await pipeline(rows, response);
}
