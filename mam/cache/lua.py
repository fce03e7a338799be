"""The playlist cache's keys in Redis, and the scripts that keep them within their budget.

A video's playlists are in one hash, so that one command removes them all.
"""

from __future__ import annotations

PREFIX = "mam:playlist:"  # Followed by a video's name: the hash of its playlists.
GENERATION = "mam:playlist-generation:"  # Followed by a video's name: how often it was invalidated.

# Redis also holds queues, jobs and sessions, which must not be lost: so playlists have a budget and are dropped first.
# Two keys cover all playlists: a sorted set of videos by the expiry of their playlists, which is their order of
# insertion, and a hash of the bytes of each (the total is under the empty name, which no video has).
ENDS, SIZES = "mam:playlist-ends", "mam:playlist-sizes"
SHARE, HIGH_WATER = 0.25, 0.8  # Playlists may take this share of maxmemory; above this use none is cached.
DEFAULT_BUDGET = 256 << 20  # This budget applies without a maxmemory: some five thousand films.

_BUDGET = f"""
local ends, sizes = '{ENDS}', '{SIZES}'
local function now()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function size_of(name) return tonumber(redis.call('HGET', sizes, name) or '0') or 0 end
local function all() return size_of('') end
local function add(size) redis.call('HSET', sizes, '', string.format('%d', all() + size)) end
-- Drops a video's playlists and frees their bytes.
local function drop(name)
  redis.call('DEL', '{PREFIX}' .. name)
  redis.call('ZREM', ends, name)
  local size = size_of(name)
  if redis.call('HDEL', sizes, name) == 1 then add(-size) end
end
-- Drops the oldest playlists, but never `spared`, until at most `most` bytes are left.
local function shrink(most, spared)
  while all() > most do
    local eldest = redis.call('ZRANGE', ends, 0, 1)
    local name = eldest[1] == spared and eldest[2] or eldest[1]
    if not name or name == spared then return end
    drop(name)
  end
end
-- maxmemory (0: none), and by how many bytes the memory in use exceeds the limit for caching.
local function memory()
  local info = redis.call('INFO', 'memory')
  local used, most = tonumber(info:match('used_memory:(%d+)')), tonumber(info:match('maxmemory:(%d+)'))
  return most, most > 0 and used - {HIGH_WATER} * most or -1
end
-- Drops expired playlists, and the oldest where memory is short; returns whether it was short.
local function make_room(over)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now())) do drop(name) end
  if over >= 0 then shrink(all() - over) end
  return over >= 0
end
"""

# Caches a playlist, unless its video was invalidated while it was built: then the generation has changed.
# ARGV: generation, seconds to keep, field, playlist, the video's name, budget in bytes (0: by maxmemory).
PUT = f"""{_BUDGET}
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
local most, over = memory()
if make_room(over) then return 0 end
local budget = tonumber(ARGV[6])
if budget == 0 then budget = most > 0 and {SHARE} * most or {DEFAULT_BUDGET} end
if #ARGV[4] > budget then return 0 end
local name, before = ARGV[5], size_of(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
redis.call('ZADD', ends, 'NX', now() + redis.call('PTTL', KEYS[1]) / 1000, name)
local size = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0)
redis.call('HSET', sizes, name, size)
add(size - before)
shrink(budget, name)
if all() > budget then drop(name) end
return 1
"""

# Drops playlists where memory is short, without caching one.
MAKE_ROOM = f"""{_BUDGET}
local _, over = memory()
make_room(over)
"""

# ARGV: the video's name, seconds to keep the generation, channel, message. Returns the number of receivers, then the
# lease holders. It works in a full Redis too, which refuses the first command of a script that needs memory, unless
# another write came before it; here the removal does.
FORGET = f"""{_BUDGET}
drop(ARGV[1])
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now())
local receivers = redis.call('PUBLISH', ARGV[3], ARGV[4])
return {{receivers, unpack(redis.call('ZRANGE', KEYS[3], 0, -1))}}
"""
