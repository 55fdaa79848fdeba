/**
 * The steps that a Redis server makes in one: each script sees what holds and changes it before anybody else is heard. They build the
 * names of keys themselves, which wants one master and no cluster.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** How many announcements the journal holds. */
const journalLength = 10_000;
/** How many expired names leave the indexes in one step. */
export const pruneBatch = 500;

/** A script, sent whole only where the server does not have it yet. */
class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#sha = createHash('sha1').update(lua).digest('hex');
  }

  /** Runs it; `prefix` begins every key of the store. */
  async run(client: Redis, prefix: string, parameters: readonly (string | number)[]): Promise<unknown> {
    // Whom an ACL lets at `prefix:*` has to be let at this, too.
    const key = `${prefix}:`;
    try {
      return await client.evalsha(this.#sha, 1, key, ...parameters);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await client.eval(this.#lua, 1, key, ...parameters);
    }
  }
}

// An entry is `prefix:e:NAME`. Its name stands in `prefix:names`, in the order of bytes, and in `prefix:until:KIND` by its end.
const shared = `
local prefix = string.sub(KEYS[1], 1, -2)
local function kind(name) return string.match(name, '^[^:]*:?') end
local function drop(name)
  redis.call('ZREM', prefix .. ':names', name)
  redis.call('ZREM', prefix .. ':until:' .. kind(name), name)
  return redis.call('DEL', prefix .. ':e:' .. name)
end
local function announce(name)
  local seq = redis.call('INCR', prefix .. ':seq')
  redis.call('LPUSH', prefix .. ':journal', name)
  redis.call('LTRIM', prefix .. ':journal', 0, ${journalLength - 1})
  redis.call('PUBLISH', prefix .. ':changed', string.format('%d %s', seq, name))
end
`;

/**
 * Writes an entry: name, whole value, milliseconds that it is to last ('' is for ever), its end, `put`, `replace` or `final`, the
 * version that is expected or that is not written over once more, '1' where it is announced. 1 when it was written.
 */
export const write = new Script(`${shared}
local name, raw, lasts, ends, how, version, announced = unpack(ARGV)
local entry = prefix .. ':e:' .. name
if how ~= 'put' then
  local now = redis.call('GETRANGE', entry, 0, 15)
  if how == 'replace' and now ~= version then return 0 end
  if how == 'final' and now == version then return 0 end
end
if lasts ~= '' and tonumber(lasts) <= 0 then
  drop(name)
else
  if lasts == '' then redis.call('SET', entry, raw) else redis.call('SET', entry, raw, 'PX', lasts) end
  redis.call('ZADD', prefix .. ':names', 0, name)
  redis.call('ZADD', prefix .. ':until:' .. kind(name), ends, name)
  redis.call('SADD', prefix .. ':kinds', kind(name))
end
if announced == '1' then announce(name) end
return 1`);

/** Takes an entry, name and generation: what was written in another generation is gone, and given to nobody; '' takes that of any. */
export const take = new Script(`${shared}
local raw = redis.call('GET', prefix .. ':e:' .. ARGV[1])
if not raw then return false end
drop(ARGV[1])
if ARGV[2] ~= '' and string.sub(raw, 17, 24) ~= ARGV[2] then return false end
return raw`);

/** Removes an entry; 1 where it was there. */
export const remove = new Script(`${shared}
return drop(ARGV[1])`);

/**
 * Ends an entry of a server that has no memory left for another one: removes it where it has this version, or whatever it has
 * where none is named, and tells whoever listens at the moment.
 */
export const cut = new Script(`${shared}
if ARGV[2] ~= '' and redis.call('GETRANGE', prefix .. ':e:' .. ARGV[1], 0, 15) ~= ARGV[2] then return 0 end
if drop(ARGV[1]) == 0 then return 0 end
redis.call('PUBLISH', prefix .. ':changed', '0 ' .. ARGV[1])
return 1`);

/** What was announced after a number: the number of the last one, and the names, the newest first; no names where it is too long ago. */
export const since = new Script(`
local last = tonumber(redis.call('GET', KEYS[1] .. 'seq') or '0')
local missing = last - tonumber(ARGV[1])
if missing == 0 then return {last, 1, {}} end
if missing < 0 or missing > redis.call('LLEN', KEYS[1] .. 'journal') then return {last, 0, {}} end
return {last, 1, redis.call('LRANGE', KEYS[1] .. 'journal', 0, missing - 1)}`);

/** Takes names out of the indexes whose entries have expired before a moment; how many. */
export const prune = new Script(`${shared}
local pruned = 0
for _, one in ipairs(redis.call('SMEMBERS', prefix .. ':kinds')) do
  local names = redis.call('ZRANGEBYSCORE', prefix .. ':until:' .. one, '-inf', ARGV[1], 'LIMIT', 0, ${pruneBatch})
  for _, name in ipairs(names) do
    if redis.call('EXISTS', prefix .. ':e:' .. name) == 0 then
      drop(name)
      pruned = pruned + 1
    end
  end
end
return pruned`);
