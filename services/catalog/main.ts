import { serviceMain } from '#runtime/service/service-main.ts';
import { catalogService } from './app.ts';

await serviceMain(catalogService, process.env);
