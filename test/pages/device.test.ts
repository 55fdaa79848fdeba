/** What a device is called, from its User-Agent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDevice } from '../../src/pages/device.ts';

const webkit = 'AppleWebKit/537.36 (KHTML, like Gecko)';
const cases: Record<string, [browser: string | undefined, system: string | undefined]> = {
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/140.0.0.0 Safari/537.36`]: ['Chrome', 'Windows'],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0`]: ['Edge', 'Windows'],
  [`Mozilla/5.0 (X11; Linux x86_64) ${webkit} HeadlessChrome/140.0.0.0 Safari/537.36`]: ['Chrome', 'Linux'],
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0': ['Firefox', 'Linux'],
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15':
    ['Safari', 'macOS'],
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1':
    ['Safari', 'iOS'],
  [`Mozilla/5.0 (Linux; Android 15; Pixel 9) ${webkit} Chrome/140.0.0.0 Mobile Safari/537.36`]: ['Chrome', 'Android'],
  [`Mozilla/5.0 (Windows NT 10.0) ${webkit} xivo/2.1 Chrome/120.0 Electron/28.0 Safari/537.36`]: [
    'Desktop assistant',
    'Windows',
  ],
  'curl/7.88.1': ['curl', undefined],
  '': [undefined, undefined],
};
for (const [userAgent, [browser, system]] of Object.entries(cases))
  test(`device: ${browser ?? 'nothing known'} on ${system ?? 'nothing known'}`, () =>
    assert.deepEqual(readDevice(userAgent), { browser, system }));
