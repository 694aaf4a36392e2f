import { loadLocalSettings } from '../local/settings.ts';
import type { Catalog } from '../pipeline/catalog/catalog.ts';
import { loadCatalog } from '../pipeline/catalog/load-catalog.ts';

/**
 * The catalog that `--config` names, or without it the local stack's, wherever the command is
 * called.
 *
 * @throws TributaryError `CATALOG_INVALID`, `CONFIG_INVALID`
 */
export function loadChosenCatalog(config: string | undefined): Promise<Catalog> {
  return loadCatalog(config ?? loadLocalSettings(process.env).catalogPath, process.env);
}
