import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'puppeteer-core';

/** How a page is looked at. */
export const LOOKS = [
  { scheme: 'light', width: 1440, height: 900 },
  { scheme: 'dark', width: 1440, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
] as const;

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** A tab that goes from page to page, and what is wrong with each. */
export class OpenedPage {
  /** What the browser complains about: exceptions, errors on its console, breaches of the policy. */
  complaints: string[] = [];

  readonly page: Page;
  readonly #url: string;

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
  }

  static async in(browser: Browser, url: string): Promise<OpenedPage> {
    const opened = new OpenedPage(await browser.newPage(), url);
    opened.page.on('pageerror', (error) => opened.complaints.push(String(error)));
    opened.page.on('console', (message) => {
      if (['error', 'warn'].includes(message.type())) opened.complaints.push(message.text());
    });
    return opened;
  }

  /** Opens a page and waits until each of its panels shows something. */
  async open(path: string, look: (typeof LOOKS)[number] = LOOKS[0]): Promise<void> {
    this.complaints = [];
    await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: look.scheme }]);
    await this.page.setViewport({ width: look.width, height: look.height });
    await this.page.goto(this.#url + path);
    await this.page.waitForFunction(
      `[...document.querySelectorAll('.panel')].every((panel) => panel.dataset.state !== 'loading')`,
    );
  }

  async texts(selector: string): Promise<string[]> {
    await this.page.waitForSelector(selector);
    const all = await this.page.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.textContent)`,
    );
    return all as string[];
  }

  /** What is wrong with the page: findings of axe, complaints, panels that failed, overflow. */
  async faults(): Promise<unknown[]> {
    await this.page.evaluate(await readFile(AXE, 'utf8'));
    const found = await this.page.evaluate(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => [
         ...violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
           .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html.slice(0, 160)) })),
         ...[...document.querySelectorAll('.panel')].map((panel) => [panel.dataset.panel, panel.dataset.state])
           .filter(([, state]) => ['error', 'waiting', 'stale'].includes(state)),
         ...(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['it scrolls sideways'] : []),
       ])`,
    );
    return [...(found as unknown[]), ...this.complaints];
  }
}
