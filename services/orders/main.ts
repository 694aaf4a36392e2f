import { serviceMain } from '#runtime/service/service-main.ts';
import { ordersService } from './app.ts';

await serviceMain(ordersService, process.env);
