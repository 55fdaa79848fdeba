/** What to call a device, from its User-Agent: good enough for its owner to know it by. */
import type { Frame } from './layout.ts';

const browsers: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bElectron\//, 'Desktop assistant'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Headless)?(?:Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
];

const systems: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b(?:iPhone|iPad|iPod)\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

/** The browser and the system that a User-Agent names; undefined where it names none that is known. */
export function readDevice(userAgent: string): { browser: string | undefined; system: string | undefined } {
  const find = (list: typeof browsers) => list.find(([pattern]) => pattern.test(userAgent))?.[1];
  return { browser: find(browsers), system: find(systems) };
}

/** A device in the words of a page. */
export function deviceName({ texts }: Frame, userAgent: string): string {
  const { browser, system } = readDevice(userAgent);
  if (browser && system) return texts.sessions.browserOn(browser, system);
  return browser ?? system ?? texts.sessions.unknownDevice;
}
