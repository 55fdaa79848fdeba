/** An authenticator app, and the pages of a login that ask for its codes. */
import assert from 'node:assert/strict';
import { Secret, TOTP } from 'otpauth';
import { type Answer, hiddenFields, type Visitor } from './visitor.ts';

/** What shows the codes of a secret. */
export interface Authenticator {
  readonly secret: string;
  at(now: number): string;
}

/** The app that a setup page is scanned with. */
export function scan(page: Answer): Authenticator {
  const secret = /<code translate="no">([^<]+)</.exec(page.text)?.[1]?.replaceAll(' ', '') ?? '';
  assert.match(secret, /^[A-Z2-7]{32}$/, page.text);
  return { secret, at: (now) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: now }) };
}

/** Fills in the first form of a step's page. */
export async function takeStep(
  browser: Visitor,
  page: Answer,
  fields: Readonly<Record<string, string>>,
  origin = browser.origin,
): Promise<Answer> {
  const [form = ''] = /<form[\s\S]*?<\/form>/.exec(page.text) ?? [];
  const action = /<form method="post" action="([^"]*)"/.exec(form)?.[1] ?? '';
  return browser.post(action, { ...hiddenFields(form), ...fields }, { origin });
}

/** Goes where an answer leads. */
export async function followed(browser: Visitor, answer: Answer): Promise<Answer> {
  assert.match(String(answer.status), /^30[23]$/, answer.text);
  return browser.open(String(answer.headers.location));
}
