/** Where the streams of a configuration listen, and which of them stand at one address. Pure. */
import type { PeersDocument } from '../peers/options.ts';
import type { StreamOptions } from './options.ts';

/** A configuration as far as it is about streams. */
export interface StreamsDocument extends PeersDocument {
  readonly streams: Readonly<Record<string, StreamOptions>>;
}

/** An address with the streams behind it, in the order of the configuration. */
interface SharedAddress {
  readonly address: URL;
  readonly names: readonly string[];
}

/** Every address, each once. */
export function streamAddresses({ streams }: StreamsDocument): readonly SharedAddress[] {
  const found = new Map<string, string[]>();
  for (const [name, { listen }] of Object.entries(streams))
    for (const { origin } of listen) {
      const names = found.get(origin) ?? [];
      found.set(origin, names);
      if (!names.includes(name)) names.push(name);
    }
  return [...found].map(([origin, names]) => ({ address: new URL(origin), names }));
}
