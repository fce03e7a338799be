"""The statuses of assets in Redis, as Lua: each change is atomic, refuses outdated reports, and is published at once.

The hash has a field `bucket/key` per asset, `/video` per tree of another tool, and COMPLETE once the VoD bucket was
scanned for it: COMPLETE is lost together with the hash. An entry has these fields for its live revision: `live`,
`video`, `duration`, `notes`, `rungs` (of a ladder: how many of its pictures are made, and how many there are), `poster`
and `storyboard` (the revisions that have them); for its job: `job`, `since`, `state` (making, failed), `version`,
`playable`, `ahead` (the pictures that exist) and `error`. `error` without a job: why an upload was refused. `gone`:
nothing is live, and an earlier scan of the bucket is out of date.
"""

from __future__ import annotations

HASH = "mam:library"
CHANNEL = "mam:library"
COMPLETE = ":complete"

_KEEP = f"""
local function read(field)
  local is_json, entry = pcall(cjson.decode, redis.call('HGET', '{HASH}', field) or '{{}}')
  if not is_json or type(entry) ~= 'table' then return {{}} end
  entry.since = tonumber(entry.since)
  if type(entry.ahead) ~= 'table' then entry.ahead = nil end
  return entry
end

local function keep(field, entry)
  local before, after = redis.call('HGET', '{HASH}', field), false
  if entry.live or entry.state then
    after = cjson.encode(entry)
  elseif entry.gone and redis.call('HEXISTS', '{HASH}', '{COMPLETE}') == 0 then
    after = '{{"gone":true}}'
  end
  if before == after then return false end
  if after then redis.call('HSET', '{HASH}', field, after) else redis.call('HDEL', '{HASH}', field) end
  return true
end

local function tell(field, entry)
  if keep(field, entry) then
    local shown = (entry.live or entry.state or entry.gone) and entry or false
    redis.call('PUBLISH', channel('{CHANNEL}'), cjson.encode({{known = {{[field] = shown}}}}))
  end
end
"""

# For the scripts of a job, which define `job` (its hash) and `id`: `library(event)` records an event of the job. Of
# several jobs of an asset the newest determines its status until it has ended; the last committed revision is live.
JOB = f"""
local library
do
{_KEEP}
local function clear_job(entry)
  for _, name in ipairs({{'job', 'since', 'state', 'version', 'playable', 'ahead', 'error'}}) do entry[name] = nil end
end

library = function(event)
  local bucket, key, video, created, duration, version, failure, notes = unpack(redis.call('HMGET', job,
    'bucket', 'key', 'video', 'created_at', 'duration', 'version', 'error', 'notes'))
  if not key or string.find(id, '-', 1, true) then return end  -- a rung says nothing of the asset
  notes = notes and notes ~= '' and cjson.decode(notes) or nil
  local field = bucket .. '/' .. key
  local entry, since = read(field), tonumber(created)
  local mine = entry.job == id
  local speaks = mine or entry.state ~= 'making' or since >= (entry.since or 0)
  if event == 'succeeded' then
    local ahead = mine and entry.ahead or {{}}
    for _, kind in ipairs({{'poster', 'storyboard'}}) do
      if ahead[kind] then entry[kind] = id
      elseif entry[kind] ~= entry.live and entry[kind] ~= id then entry[kind] = nil end
    end
    if entry.live ~= id then entry.rungs = nil end
    entry.live, entry.video, entry.duration, entry.notes, entry.gone = id, video, tonumber(duration), notes, nil
    if speaks then clear_job(entry) end
  elseif event == 'cancelled' then
    if not mine then return end
    clear_job(entry)
    if not entry.live then entry.video, entry.duration, entry.notes = nil, nil, nil end
  elseif speaks then
    if not mine then clear_job(entry) end
    entry.job, entry.since, entry.version = id, since, version or nil
    if not entry.live then entry.video, entry.duration, entry.notes = video, tonumber(duration or nil), notes end
    entry.state = event == 'failed' and 'failed' or 'making'
    if event == 'playable' then entry.playable = true end
    if event == 'queued' or event == 'failed' then entry.playable, entry.error = nil, nil end
    if event == 'failed' and failure then
      local decoded = cjson.decode(failure)
      entry.error = {{code = decoded.code, message = decoded.message, hint = decoded.hint}}
    end
  else
    return
  end
  tell(field, entry)
end
end
"""

# ARGV: field, version, failure. Records that an object is unusable, unless a job or a stream contradicts that.
JUDGED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live or entry.job then return 0 end
entry.state, entry.version, entry.error = 'failed', ARGV[2], cjson.decode(ARGV[3])
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, revision. Records that the revision ('': any) is no longer live.
DELETED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live and ARGV[2] ~= '' and entry.live ~= ARGV[2] then return 0 end
entry.live, entry.rungs, entry.poster, entry.storyboard, entry.gone = nil, nil, nil, nil, true
if not entry.state then entry.video, entry.duration, entry.notes = nil, nil, nil end
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, revision, `poster` or `storyboard`. Records a picture of the revision.
PICTURED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live == ARGV[2] then
  entry[ARGV[3]] = ARGV[2]
elseif entry.job == ARGV[2] then
  entry.ahead = entry.ahead or {{}}
  entry.ahead[ARGV[3]] = true
else
  return 0
end
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, revision, made, total. Records how many pictures of a live ladder are made.
LISTED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live ~= ARGV[2] then return 0 end
entry.rungs = {{tonumber(ARGV[3]), tonumber(ARGV[4])}}
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, entry, field, entry ... Records a scan of the VoD bucket; later reports take precedence.
FOUND = f"""{_KEEP}
local changed, any = {{}}, false
for n = 1, #ARGV, 2 do
  local field, entry, found = ARGV[n], read(ARGV[n]), cjson.decode(ARGV[n + 1])
  if next(entry) == nil then
    entry = found
  elseif found.live and not entry.live and not entry.gone then
    for _, name in ipairs({{'live', 'video', 'duration', 'notes', 'rungs', 'poster', 'storyboard'}}) do
      entry[name] = found[name]
    end
  end
  if keep(field, entry) then changed[field], any = entry, true end
end
if any then redis.call('PUBLISH', channel('{CHANNEL}'), cjson.encode({{known = changed}})) end
return 1
"""

# KEYS: the lock. ARGV: its token. Records a complete scan, unless the lock was lost meanwhile.
COMPLETED = f"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', '{HASH}', '{COMPLETE}', '1')
redis.call('PUBLISH', channel('{CHANNEL}'), '{{"complete":true}}')
return 1
"""
