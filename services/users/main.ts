import { serviceMain } from '#runtime/service/service-main.ts';
import { usersService } from './app.ts';

await serviceMain(usersService, process.env);
