/** The path that a browser must see of a path that an upstream has named, where a location stands for the upstream's own. */

/** The upstream's path prefix, and the location that stands for it. */
export interface PathPrefix {
  readonly upstream: string;
  readonly location: string;
}

/**
 * The public form of an upstream's path, with whatever follows it; undefined where it is nobody's here.
 *
 * An application may know the folder under which it is seen, and name its public paths itself. Of two prefixes that match the
 * longer one counts: below the location the path stays, below the upstream's it is translated. Both are matched at a
 * segment's boundary: `/apple` does not lie below `/app`.
 */
export function publicPath(path: string, { upstream, location }: PathPrefix): string | undefined {
  const isPublic = liesBelow(path, location);
  const isUpstreams = liesBelow(path, upstream);
  if (isPublic && (!isUpstreams || withSlash(location).length >= withSlash(upstream).length)) return path;
  if (!isUpstreams) return undefined;
  const rest = path.slice(upstream.replace(/\/$/, '').length);
  // The prefix itself, without its slash.
  if (!rest.startsWith('/')) return (location.length > 1 ? location.replace(/\/$/, '') : location) + rest;
  return withSlash(location) + rest.slice(1);
}

function liesBelow(path: string, prefix: string): boolean {
  const bare = prefix.replace(/\/$/, '');
  return path.startsWith(bare) && ['', '/', '?', '#'].includes(path.charAt(bare.length));
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}
