/** The files that pages load: stylesheets, the small script, icon and logo; read once, named by their content. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logo, PageOptions } from './options.ts';
import { themeCss } from './theme.ts';

/** Where the gateway serves assets; a name follows. */
export const assetPath = '/_gate/assets/';

/** A file for the browser. Its address changes with its content, so it may be cached for ever. */
interface Asset {
  readonly contentType: string;
  readonly body: Buffer;
  /** In quotes, as the header wants it. */
  readonly etag: string;
  /** The path with its version: what pages point to. */
  readonly href: string;
}

/** All assets by name. */
export type Assets = ReadonlyMap<string, Asset>;

/** The assets of a site; throws when a file of our own is missing. */
export function loadAssets(options: Pick<PageOptions, 'accentColor' | 'logo'>): Assets {
  const files: [name: string, contentType: string, body: Buffer][] = [
    ['gatehouse.css', 'text/css; charset=utf-8', ownFile('gatehouse.css')],
    ['theme.css', 'text/css; charset=utf-8', Buffer.from(themeCss(options.accentColor))],
    ['gatehouse.js', 'text/javascript; charset=utf-8', ownFile('gatehouse.js')],
    ['keys.js', 'text/javascript; charset=utf-8', ownFile('keys.js')],
    ['icon.svg', 'image/svg+xml', Buffer.from(tinted(ownFile('icon.svg'), options.accentColor))],
  ];
  if (options.logo) files.push([logoName(options.logo), options.logo.contentType, options.logo.body]);
  return new Map(files.map(([name, contentType, body]) => [name, asset(name, contentType, body)]));
}

/** The name under which a logo is served. */
export function logoName(logo: Logo): string {
  return logo.contentType === 'image/png' ? 'logo.png' : 'logo.svg';
}

function asset(name: string, contentType: string, body: Buffer): Asset {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 16);
  return { contentType, body, etag: `"${hash}"`, href: `${assetPath}${name}?v=${hash}` };
}

function ownFile(name: string): Buffer {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url));
}

/** An icon is a document of its own: it cannot see the page's colours, so the accent is written into it. */
function tinted(icon: Buffer, accent: string): string {
  return icon.toString('utf8').replaceAll('#0f6b62', accent);
}
