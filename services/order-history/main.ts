import { serviceMain } from '#runtime/service/service-main.ts';
import { orderHistoryService } from './app.ts';

await serviceMain(orderHistoryService(), process.env);
