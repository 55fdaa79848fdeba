/** What `gatehouse check` says of settings that are taken and do less, or other than, what they look like. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { networks } from '../../config/values.ts';
import type { Network } from '../../core/address.ts';
import { isOwnCookie } from '../../gateway/composer.ts';
import { routesOf } from '../../gateway/routes.ts';
import { languageNames } from '../../pages/language.ts';
import { compileLocations } from '../../routing/locations.ts';
import type { Reading } from '../../runtime/reading.ts';

interface Warning {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** Warnings about networks, servers, cookies, languages and addresses that are written otherwise than they count. */
export function withoutEffectWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  return [
    ...networksBetween(document, []),
    ...document.routes.flatMap((route, index) => routeWarnings(route, ['routes', index])),
    ...forgottenPassword(document),
  ].map(({ path, message, hint }) => ({ ...locate(path), message, hint }));
}

type Document = Extract<Reading, { kind: 'ok' }>['document'];

/** Networks anywhere whose address has bits beyond the prefix: `10.1.2.3/8` is all of `10.0.0.0/8`. */
function networksBetween(value: unknown, path: KeyPath): Warning[] {
  if (typeof value !== 'object' || value === null) return [];
  if (isNetwork(value)) {
    const first = firstOf(value);
    if (first === value.address || networks([{ ...value, prefix: value.family === 'ipv4' ? 32 : 128 }])(first))
      return [];
    return [
      {
        path,
        message: `is the whole network ${first}/${value.prefix}, of which ${value.address} is one address`,
        hint: `write ${first}/${value.prefix}, or ${value.address} for the one address`,
      },
    ];
  }
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    networksBetween(one, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function isNetwork(value: object): value is Network {
  return 'address' in value && 'prefix' in value && 'family' in value && typeof value.prefix === 'number';
}

/** The first address of a network. */
function firstOf({ address, prefix, family }: Network): string {
  const width = family === 'ipv4' ? 32n : 128n;
  const host = width - BigInt(prefix);
  const bits = (bitsOf(address, family) >> host) << host;
  if (family === 'ipv4') return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function bitsOf(address: string, family: Network['family']): bigint {
  if (family === 'ipv4') return address.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
  // The URL standard writes an IPv4 tail as two groups.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const behind = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - groups(head).length - behind.length }, () => '0');
  return [...groups(head), ...(tail === undefined ? [] : zeros), ...behind].reduce(
    (bits, group) => (bits << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

function routeWarnings(route: Document['routes'][number], path: KeyPath): Warning[] {
  const { contact, cookies, upstream } = route;
  const unknown =
    typeof contact === 'object'
      ? Object.keys(contact).filter((one) => !languageNames.some((name) => name === one))
      : [];
  const bound = typeof cookies?.bind === 'object' ? cookies.bind : [];
  const origins = upstream?.servers.map(({ origin }) => origin) ?? [];
  const twice = origins.find((origin, index) => origins.indexOf(origin) < index);
  return [
    ...unknown.map((language) => ({
      path: [...path, 'contact', language],
      message: `is shown to nobody: no page is in the language ${language}`,
      hint: `there are ${languageNames.join(' and ')}`,
    })),
    ...bound.flatMap((name, index) =>
      isOwnCookie(name)
        ? {
            path: [...path, 'cookies', 'bind', index],
            message: `is the gateway's own cookie, which no application hears or sets`,
            hint: "name the application's cookies",
          }
        : [],
    ),
    ...(twice === undefined
      ? []
      : [
          {
            path: [...path, 'upstream'],
            message: `names ${twice} twice, which gets twice the share and is left alone twice when it is down`,
            hint: 'write it once, with weight: 2 where it is to have the larger share',
          },
        ]),
  ];
}

/** A page for people who cannot sign in, behind a login. */
function forgottenPassword(document: Document): Warning[] {
  const { forgotPassword } = document.pages;
  if (!forgotPassword?.startsWith('/')) return [];
  const { hostname, port } = document.server.publicUrl;
  const path = forgotPassword.split(/[?#]/)[0] ?? '';
  const found = compileLocations(routesOf(document)).match({ host: hostname, port, path });
  const access = found?.route.access;
  if (access === 'public' || access === 'optional') return [];
  return [
    {
      path: ['pages', 'forgotPassword'],
      message: found
        ? `leads to the location ${found.route.name}, which asks for a login: whoever forgot the password comes back to it`
        : 'leads to no location: 404',
      hint: 'give its location access: public, or name an https address elsewhere',
    },
  ];
}
