/** What can be set about the start page: which locations it shows, as what, and where they lead. */
import * as z from 'zod';
import { wordsForVisitors } from '../config/values.ts';
import type { Tile } from '../core/route.ts';
import { readPath } from './path.ts';

/** The icons there are; each is drawn in `pages/icons.ts`. */
const iconNames = [
  ...(['headset', 'phone', 'chat', 'mail', 'users', 'person', 'calendar', 'clock', 'chart', 'gauge'] as const),
  ...(['search', 'document', 'folder', 'book', 'microphone', 'play', 'monitor', 'terminal', 'database'] as const),
  ...(['settings', 'wrench', 'shield', 'key', 'bell', 'globe', 'home', 'ticket', 'star'] as const),
] as const;

/** The name of an icon. */
export type IconName = (typeof iconNames)[number];

const startWords = 'true, false, or a path such as /grafana/d/home';

function startPath() {
  return z.string().superRefine((text, context) => {
    if (!text.startsWith('/')) context.addIssue({ code: 'custom', message: `must be ${startWords}` });
    else if (!readTarget(text))
      context.addIssue({
        code: 'custom',
        message: 'is no path in its one spelling',
        params: { hint: `write ${startWords}: without //, . and .., and without what stands behind a #` },
      });
  });
}

/** What stands in each of `routes:` about the start page. */
export const startOptions = z.strictObject({
  label: wordsForVisitors(60)
    .optional()
    .describe('what the start page and the login page call it; one text, or one a language: { en: …, fr: … }'),
  icon: z
    .enum(iconNames)
    .optional()
    .describe('what the start page shows beside the label; its first letter when absent'),
  group: wordsForVisitors(60).optional().describe('the heading of the start page under which it stands'),
  start: z
    .union([z.boolean(), startPath()])
    .meta({ kind: startWords })
    .default(true)
    .describe('false: not on the start page; a path: where the start page leads instead of to the location'),
});

type StartOptions = z.output<typeof startOptions>;

interface Place {
  readonly host?: string | undefined;
  readonly location: { readonly modifier: string; readonly path: string };
}

interface StartFault {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** What is missing or contradicts itself. */
export function startFaults({
  label,
  icon,
  group,
  start,
  host,
  location,
}: StartOptions & Place): readonly StartFault[] {
  const found: StartFault[] = [];
  if (label === undefined) {
    const told = Object.entries({ icon, group, start: typeof start === 'string' ? start : undefined });
    for (const [key, value] of told)
      if (value !== undefined)
        found.push({
          key,
          message: 'is about the start page, which shows routes with a label',
          hint: 'write label: too',
        });
    return found;
  }
  if (start === false) return found;
  if (start === true && location.modifier.startsWith('~'))
    found.push({
      key: 'label',
      message: 'is for the start page, and a regular expression names no address to lead to',
      hint: 'write start: and the path that it is to lead to',
    });
  if (host?.startsWith('*.'))
    found.push({
      key: 'label',
      message: `is for the start page, and ${host} is no host to lead to`,
      hint: 'write start: false',
    });
  return found;
}

/** How the start page shows a location; undefined where it does not. */
export function tileOf({ label, icon, group, start, location }: StartOptions & Place): Tile | undefined {
  const target =
    label === undefined || start === false ? undefined : readTarget(start === true ? location.path : start);
  if (label === undefined || !target) return undefined;
  return { label, ...(icon && { icon }), ...(group !== undefined && { group }), ...target };
}

/** An address without a fragment, which is no part of what is asked for. */
function readTarget(text: string): { readonly path: string; readonly query: string } | undefined {
  const [, written = '', query = ''] = /^([^?#]*)(\?[\x21-\x7e]*)?$/.exec(text) ?? [];
  const asked = encodeURI(decodedOnce(written));
  const reading = readPath(asked);
  return reading.kind === 'ok' && reading.path === asked && !query.includes('#') ? { path: asked, query } : undefined;
}

/** A location is written without escapes, an address with them. */
function decodedOnce(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
