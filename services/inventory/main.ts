import { serviceMain } from '#runtime/service/service-main.ts';
import { inventoryService } from './app.ts';

await serviceMain(inventoryService, process.env);
