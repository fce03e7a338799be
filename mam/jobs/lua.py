"""The atomic changes of a job's state, as Lua scripts for Redis.

KEYS[1] of each is the job's hash; mam/jobs/keys.py names the keys beside it.
"""

from __future__ import annotations

from mam.jobs.keys import (
    ACTIVE,
    ALL,
    ASSET,
    COUNTERS,
    HOST_COUNTERS,
    HOST_SECONDS,
    HOSTS,
    OUTBOX,
    PICTURING,
    QUEUED,
    SPEED,
    SPEED_SECONDS,
)
from mam.library.lua import JOB as LIBRARY

ASSET_JOBS = 60  # An asset's list holds this many jobs: more than there are ways to convert it, each with its rungs.

_COUNT = f"""
local function count(host, name, by)
  redis.call('HINCRBYFLOAT', '{HOST_COUNTERS}' .. host, name, by)
  redis.call('EXPIRE', '{HOST_COUNTERS}' .. host, {HOST_SECONDS})
  redis.call('ZADD', '{HOSTS}', redis.call('TIME')[1], host)
end
"""

# ARGV: machine, counter, amount.
COUNT = f"{_COUNT} count(ARGV[1], ARGV[2], ARGV[3])"

_SHARED = f"""
local job, now = KEYS[1], ARGV[2]
local id = string.sub(job, 9)
{LIBRARY}

local function is_current()
  if redis.call('HGET', job, 'epoch') ~= ARGV[1] then return false end
  local state = redis.call('HGET', job, 'state')
  return state == 'queued' or state == 'running'
end

-- Publishes an event of the job.
local function publish(kind, fields)
  fields.job, fields.event = id, kind
  redis.call('PUBLISH', channel(job), cjson.encode(fields))
end

-- Puts a webhook into the outbox: once per kind, however often the job is resumed.
local function tell(kind)
  if redis.call('HSETNX', job, 'told:' .. kind, '1') == 0 then return end
  for _, url in ipairs(redis.call('SMEMBERS', job .. ':callbacks')) do
    local event = {{id = 'evt_' .. id .. '_' .. ARGV[1] .. '_' .. kind, type = 'video.' .. kind, job = id, url = url,
                   created_at = tonumber(now)}}
    redis.call('ZADD', '{OUTBOX}', 'NX', now, cjson.encode(event))
  end
end
"""

# ARGV: mode (ask, anew, retry, revive), now, seconds a failure is remembered, seconds to keep, viewer, callback, fields
# An active job is joined, unless the caller resumes it (revive) or starts it again (retry). A succeeded job is only
# started again by a caller that has checked once more that it is not live (anew): it may just have ended.
CLAIM = f"""
local job, mode, now = KEYS[1], ARGV[1], ARGV[2]
local id = string.sub(job, 9)
{LIBRARY}
local state = redis.call('HGET', job, 'state')
local active = state == 'queued' or state == 'running'
if ARGV[6] ~= '' then
  redis.call('SADD', job .. ':callbacks', ARGV[6])
  redis.call('EXPIRE', job .. ':callbacks', ARGV[4])
end
local asked = mode == 'ask' or mode == 'anew'
if asked and active then
  if ARGV[5] == '0' then redis.call('HSET', job, 'for_viewers', '0', 'keyed_at', now) end
  return {{'join', redis.call('HGET', job, 'epoch')}}
end
if mode == 'ask' and state == 'succeeded' then return {{'done', redis.call('HGET', job, 'epoch')}} end
local updated = tonumber(redis.call('HGET', job, 'updated_at') or 0) or 0
if asked and state == 'failed' and now - updated < tonumber(ARGV[3]) then
  return {{'failed', redis.call('HGET', job, 'epoch')}}
end
local created = now
if mode == 'revive' then
  created = redis.call('HGET', job, 'created_at') or now
else
  redis.call('HDEL', job, 'told:playable', 'told:ready', 'told:failed', 'viewed_at')
end
local epoch = redis.call('HINCRBY', job, 'epoch', 1)
redis.call('DEL', job .. ':made', job .. ':attempts', job .. ':running', job .. ':todo', job .. ':given')
redis.call('HDEL', job, 'error', 'started_at', 'finished_at', 'segments', 'finalizing', 'playable', 'media_made',
  'speed', 'mark_at', 'mark_made', 'command', 'said', 'replaced_by', 'trouble', 'pictures')
redis.call('HSET', job, 'state', 'queued', 'created_at', created, 'updated_at', now)
for n = 7, #ARGV, 2 do redis.call('HSET', job, ARGV[n], ARGV[n + 1]) end
if mode ~= 'revive' or not state then redis.call('HSET', job, 'for_viewers', ARGV[5]) end
if asked and ARGV[5] == '0' then redis.call('HSET', job, 'keyed_at', now) end
redis.call('EXPIRE', job, ARGV[4])
for _, set in ipairs({{'{ALL}', '{ACTIVE}', '{QUEUED}'}}) do redis.call('ZADD', set, created, id) end
local asset = redis.call('HMGET', job, 'bucket', 'key')
if asset[1] and asset[2] then
  local set = '{ASSET}' .. asset[1] .. '/' .. asset[2]
  redis.call('ZADD', set, created, id)
  redis.call('ZREMRANGEBYRANK', set, 0, -{ASSET_JOBS + 1})
  redis.call('EXPIRE', set, ARGV[4])
end
redis.call('PUBLISH', channel(job), cjson.encode({{job = id, event = 'queued'}}))
library('queued')
return {{'lead', tostring(epoch)}}
"""

# Records the moment of a request with an API key for a known job. ARGV: moment.
NOTE_KEYED = """
if redis.call('HEXISTS', KEYS[1], 'state') == 0 then return 0 end
if (tonumber(redis.call('HGET', KEYS[1], 'keyed_at') or '0') or 0) >= tonumber(ARGV[1]) then return 0 end
return redis.call('HSET', KEYS[1], 'keyed_at', ARGV[1])
"""

# The other scripts have ARGV: epoch, now, seconds to keep, ... Reports of an earlier epoch are refused.

# ... event, fields... Changes fields of an active job.
CHANGE = f"""{_SHARED}
if not is_current() then return 0 end
for n = 5, #ARGV, 2 do redis.call('HSET', job, ARGV[n], ARGV[n + 1]) end
redis.call('HSET', job, 'updated_at', now)
redis.call('EXPIRE', job, ARGV[3])
local state = redis.call('HGET', job, 'state')
if state ~= 'queued' and state ~= 'running' then
  redis.call('ZREM', '{ACTIVE}', id)
  redis.call('ZREM', '{QUEUED}', id)
  redis.call('HINCRBY', '{COUNTERS}', 'jobs_ended|' .. state, 1)
  redis.call('HDEL', job, 'trouble')
  if state == 'succeeded' then tell('ready') end
  if state == 'failed' then tell('failed') end
end
if ARGV[4] ~= '' then
  publish(ARGV[4], {{}})
  library(ARGV[4])
end
return 1
"""

# ... task, worker, parent. Counts the start of a task; -1 when the job does not belong to this epoch.
ATTEMPT = f"""{_SHARED}
if not is_current() then return -1 end
local first = redis.call('HGET', job, 'state') == 'queued'
redis.call('HSET', job, 'state', 'running', 'updated_at', now)
redis.call('HSETNX', job, 'started_at', now)
redis.call('ZREM', '{QUEUED}', id)
redis.call('HSET', job .. ':running', ARGV[4],
  cjson.encode({{worker = ARGV[5], parent = ARGV[6], since = tonumber(now)}}))
redis.call('EXPIRE', job .. ':running', ARGV[3])
local count = redis.call('HINCRBY', job .. ':attempts', ARGV[4], 1)
redis.call('EXPIRE', job .. ':attempts', ARGV[3])
if first then publish('running', {{}}) end
return count
"""

# ... task, whether the segments count as new (1 or 0), profile, machine, then number and seconds of each segment.
# Returns 1 for the one call that completes the job.
MADE = f"""{_SHARED}{_COUNT}
if not is_current() then return -1 end
local seconds, numbers = 0, {{}}
for n = 8, #ARGV, 2 do
  if redis.call('SETBIT', job .. ':made', ARGV[n], 1) == 0 then seconds = seconds + tonumber(ARGV[n + 1]) end
  table.insert(numbers, tonumber(ARGV[n]))
end
redis.call('EXPIRE', job .. ':made', ARGV[3])
redis.call('HSET', job, 'updated_at', now)
redis.call('HDEL', job .. ':attempts', ARGV[4])
redis.call('HDEL', job, 'trouble')
local media = tonumber(redis.call('HINCRBYFLOAT', job, 'media_made', seconds))
local mark = redis.call('HMGET', job, 'mark_at', 'mark_made')
local at, was = tonumber(mark[1] or nil), tonumber(mark[2] or 0) or 0
if ARGV[5] == '1' then
  count(ARGV[7], 'media_seconds|' .. ARGV[6], seconds)
  count(ARGV[7], 'segments|' .. ARGV[6], #numbers)
  local second = '{SPEED}' .. redis.call('TIME')[1]
  redis.call('INCRBY', second, math.floor(1000 * seconds + 0.5))
  redis.call('EXPIRE', second, {2 * SPEED_SECONDS})
  if at and now - at >= 5 then
    redis.call('HSET', job, 'speed', (media - was) / (now - at), 'mark_at', now, 'mark_made', media)
  end
end
if ARGV[5] == '0' or not at then redis.call('HSET', job, 'mark_at', now, 'mark_made', media) end
if redis.call('HSETNX', job, 'playable', '1') == 1 then
  tell('playable')
  library('playable')
end
publish('made', {{segments = numbers}})
local total = tonumber(redis.call('HGET', job, 'segments') or '-1')
if redis.call('BITCOUNT', job .. ':made') == total then return redis.call('HSETNX', job, 'finalizing', '1') end
return 0
"""

# ... chunks, in order. Records the chunks to be made; does nothing when they are recorded already.
TODO = f"""{_SHARED}
if not is_current() or redis.call('EXISTS', job .. ':todo', job .. ':given') > 0 then return 0 end
for n = 4, #ARGV do redis.call('RPUSH', job .. ':todo', ARGV[n]) end
redis.call('EXPIRE', job .. ':todo', ARGV[3])
return 1
"""

# ... done, window. The next chunks for the caller to queue, so that `window` are queued or running. `done`: the chunk
# that the caller has made, or `plan`. A repeated call gets the same chunks: the caller may have been killed before it
# queued them.
GIVE = f"""{_SHARED}
if not is_current() then return {{}} end
local todo, given, again = job .. ':todo', job .. ':given', {{}}
local all = redis.call('HGETALL', given)
for n = 1, #all, 2 do
  if all[n + 1] == ARGV[4] then table.insert(again, all[n]) end
end
if #again > 0 then return again end
redis.call('HDEL', given, ARGV[4])
while redis.call('HLEN', given) < tonumber(ARGV[5]) do
  local chunk = redis.call('LPOP', todo)
  if not chunk then break end
  redis.call('HSET', given, chunk, ARGV[4])
  table.insert(again, chunk)
end
redis.call('EXPIRE', given, ARGV[3])
return again
"""

# Seconds of media that all workers make per second, over the last whole seconds and the current one.
FLEET_SPEED = f"""
local time, made = redis.call('TIME'), 0
for n = 0, {SPEED_SECONDS} do made = made + (tonumber(redis.call('GET', '{SPEED}' .. (time[1] - n)) or 0) or 0) end
return tostring(made / 1000 / ({SPEED_SECONDS} + time[2] / 1000000))
"""

# ... task, worker, parent. Counts the start of a picture task, which a succeeded job may have too.
ATTEMPT_PICTURE = f"""{_SHARED}
if redis.call('EXISTS', job) == 1 then
  redis.call('HSET', job .. ':running', ARGV[4],
    cjson.encode({{worker = ARGV[5], parent = ARGV[6], since = tonumber(now)}}))
  redis.call('EXPIRE', job .. ':running', ARGV[3])
  redis.call('SADD', '{PICTURING}', id)
end
local count = redis.call('HINCRBY', job .. ':attempts', ARGV[4], 1)
redis.call('EXPIRE', job .. ':attempts', ARGV[3])
return count
"""

# ARGV: task. Records that a task has ended.
ENDED = f"""
local job, id = KEYS[1], string.sub(KEYS[1], 9)
redis.call('HDEL', job .. ':attempts', ARGV[1])
redis.call('HDEL', job .. ':running', ARGV[1])
if redis.call('EXISTS', job .. ':running') == 0 then redis.call('SREM', '{PICTURING}', id) end
"""

# ... picture. Records an existing picture, unless the job is unknown, was given up, or has another leader.
PICTURED = f"""{_SHARED}
local state = redis.call('HGET', job, 'state')
if not state or state == 'failed' or state == 'cancelled' then return 0 end
if redis.call('HGET', job, 'epoch') ~= ARGV[1] and state ~= 'succeeded' then return 0 end
local known = redis.call('HGET', job, 'pictures') or ''
if not string.find(' ' .. known .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then
  redis.call('HSET', job, 'pictures', known == '' and ARGV[4] or known .. ' ' .. ARGV[4])
end
publish('pictured', {{picture = ARGV[4]}})
return 1
"""

# Takes the first due entry of the outbox, and postpones it for its delivery. ARGV: now, until when.
TAKE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if due then redis.call('ZADD', KEYS[1], ARGV[2], due) end
return due
"""

# Claims a name: it belongs to the first asset that claims it. ARGV: holder, seconds.
NAME = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('EXPIRE', KEYS[1], ARGV[2])  -- EXPIRE needs no memory: it works in a full Redis too
elseif holder then
  return holder
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return ARGV[1]
"""
