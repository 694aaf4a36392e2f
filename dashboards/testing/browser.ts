import { existsSync } from 'node:fs';
import puppeteer, { type Browser } from 'puppeteer-core';

const PLACES = [process.env['CHROME_PATH'], '/usr/bin/chromium', '/usr/bin/google-chrome'];

/** Starts a Chromium. @throws Error when the machine has none */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = PLACES.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) {
    throw new Error('no Chromium found: install one, or name it in CHROME_PATH');
  }
  return puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
