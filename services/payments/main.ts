import { serviceMain } from '#runtime/service/service-main.ts';
import { paymentsService } from './app.ts';

await serviceMain(paymentsService, process.env);
