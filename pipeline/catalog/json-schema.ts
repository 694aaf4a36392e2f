import { z } from 'zod';
import { catalogDocument } from './catalog.ts';

/** JSON schema of the catalog file, for editors. */
export function catalogJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(catalogDocument, { io: 'input', target: 'draft-7' }) };
}
