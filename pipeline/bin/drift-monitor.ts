import { runDriftMonitor } from '../drift-monitor.ts';

await runDriftMonitor(process.env);
