/** The report in a real browser: what a person sees of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { describeWith, file } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { reportNode, type NodeOptions } from '../../test/report-node.ts';
import { renderReport } from './report.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const CHROMIUM = '/usr/bin/chromium';
const WINDOWS = { wide: 1280, tablet: 900, narrow: 390 } as const;

/** A page, and what the browser had to say of it. */
interface Shown {
  readonly page: Page;
  /** Errors, warnings, and all that was asked for beside the file itself. */
  readonly complaints: string[];
}

/** A piece of text that is seen, and what is behind it. */
interface SeenText {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly isDrawn: boolean;
  /** Contrast of its colour to what it stands on (WCAG 2.2, 1.4.3). */
  readonly contrast: number;
  /** Whether a line of the drawing goes through it. */
  readonly isCrossed: boolean;
}

/** What looks at a page, in it: its source, for it is no code of Node. */
const SEE_TEXTS = readFileSync(new URL('../../test/see-texts.js', import.meta.url), 'utf8');

/** Every piece of text that is seen. @param withLines whether to look for lines that go through text, which takes long */
async function seeTexts(page: Page, withLines: boolean): Promise<SeenText[]> {
  return (await page.evaluate(`(${SEE_TEXTS})(${withLines})`)) as SeenText[];
}

/** Pairs of pieces of text of the drawing that lie on each other. */
function overlaps(texts: readonly SeenText[]): string[] {
  const drawn = texts.filter(({ isDrawn }) => isDrawn);
  return drawn.flatMap((one, at) =>
    drawn
      .slice(at + 1)
      .filter(
        (other) =>
          // Boxes of letters are higher than letters: what only touches is no overlap.
          one.left < other.right - 1 &&
          other.left < one.right - 1 &&
          one.top < other.bottom - 3 &&
          other.top < one.bottom - 3,
      )
      .map((other) => `${one.text} / ${other.text}`),
  );
}

describeWith([file(CHROMIUM)], 'the report in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  async function show(
    options: NodeOptions,
    { width, scheme = 'light' }: { readonly width: number; readonly scheme?: 'light' | 'dark' },
  ): Promise<Shown> {
    const path = join(tempDir(), 'node.html');
    writeFileSync(path, renderReport(reportNode(options)));
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
    const complaints: string[] = [];
    const url = pathToFileURL(path).href;
    page.on('console', (message) => complaints.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (request.url() !== url) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(url);
    return { page, complaints };
  }

  const NODES: Readonly<Record<string, NodeOptions>> = {
    'one pod': { pods: 1 },
    'thirty pods': { pods: 30 },
    'a broken node': { pods: 7, broken: true },
    'no pod': { pods: 0 },
  };

  test.each(
    Object.keys(NODES).flatMap((node) =>
      (Object.keys(WINDOWS) as (keyof typeof WINDOWS)[]).map((window) => [node, window] as const),
    ),
  )('%s, %s: asks for nothing, fits, and can be read', async (node, window) => {
    const options = NODES[node] ?? { pods: 0 };
    for (const scheme of ['light', 'dark'] as const) {
      const { page, complaints } = await show(options, { width: WINDOWS[window], scheme });
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      const texts = await seeTexts(page, options.pods < 10);
      const drawn = texts.filter(({ isDrawn }) => isDrawn);
      expect(drawn.length).toBeGreaterThan(5 + options.pods * 5);
      expect(drawn.filter(({ left, right }) => left < 0 || right > WINDOWS[window])).toEqual([]);
      expect(overlaps(texts)).toEqual([]);
      expect(drawn.filter(({ isCrossed }) => isCrossed).map(({ text }) => text)).toEqual([]);
      expect(texts.filter(({ contrast }) => contrast < 4.5).map(({ text, contrast }) => [text, contrast])).toEqual([]);
      expect(complaints).toEqual([]);
      await page.close();
    }
  });

  test('what is wrong is said in words, in red, before all else', async () => {
    const { page } = await show({ pods: 7, broken: true }, { width: WINDOWS.wide });
    const verdict = page.locator('.verdict.is-bad');
    const words = await verdict.innerText();
    for (const what of ['shop/late', 'is away', 'app_outbound was detached by someone else', 'is gone'])
      expect(words).toContain(what);
    const box = await verdict.boundingBox();
    expect(box?.y).toBeLessThan(200);
    const svg = page.locator('svg.wide');
    const absent = await svg.locator('.pill-text.absent').allTextContents();
    expect(absent).toEqual(
      expect.arrayContaining([expect.stringContaining('✕ ztunnel_steer'), expect.stringContaining('✕ app_outbound')]),
    );
    expect(await svg.locator('.pill-text.never:not(.absent)').first().textContent()).toContain('2 app_outbound');
    expect(await svg.locator('.box.is-bad').count()).toBeGreaterThan(4);
    await page.close();
  });

  test('names of the node are text, whatever they are', async () => {
    const evil = (index: number): string =>
      [
        '<img src=x onerror="document.title=1">',
        '</style></svg><script>document.title=1</script>',
        '"onload="document.title=1" x="',
        '&lt;b&gt;\u202Egnp.exe\u0007',
      ][index] ?? '';
    const { page, complaints } = await show({ pods: 4, name: evil }, { width: WINDOWS.wide });
    expect(await page.title()).toBe('kind-worker2.example: ambient-redirect');
    expect(await page.locator('img, script, [onload], [onerror]').count()).toBe(0);
    const text = await page.locator('body').innerText();
    for (const index of [0, 1, 2]) expect(text).toContain(evil(index));
    expect(text).toContain('&lt;b&gt;\uFFFDgnp.exe\uFFFD');
    expect(complaints).toEqual([]);
    await page.close();
  });
});
