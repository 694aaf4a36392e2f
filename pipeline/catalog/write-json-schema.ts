import { writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { catalogJsonSchema } from './json-schema.ts';

// node --import tsx pipeline/catalog/write-json-schema.ts
await writeFile(
  new URL('tributary.schema.json', import.meta.url),
  await format(JSON.stringify(catalogJsonSchema()), { parser: 'json', printWidth: 100 }),
);
