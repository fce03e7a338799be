"""What is known of assets in Redis, as Lua: each change is one step, refuses what is out of date, and is told at once.

The hash has a field `bucket/key` per asset, `/video` per tree of another tool, and COMPLETE once the VoD bucket was
looked through since the hash was new: who loses the hash loses that too. An entry's fields: `live`, `video`,
`duration`, `notes`, `poster` and `storyboard` (the revisions that have them) of what plays; `job`, `since`, `state`
(making, failed), `version`, `playable`, `ahead` (which pictures it has) and `error` of what is made beside it; `error`
without a job: why an upload was refused; `gone`: nothing is live, and a look at the bucket before saw what is no more.
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

# For the scripts of a job, which have `job` (its hash) and `id`: `library(event)` notes what happened to it. Of several
# jobs of an asset the newest speaks for it, until it has ended; whichever was committed last is live.
JOB = f"""
local library
do
{_KEEP}
local function let_go(entry)
  for _, name in ipairs({{'job', 'since', 'state', 'version', 'playable', 'ahead', 'error'}}) do entry[name] = nil end
end

library = function(event)
  local bucket, key, video, created, duration, version, failure, notes = unpack(redis.call('HMGET', job,
    'bucket', 'key', 'video', 'created_at', 'duration', 'version', 'error', 'notes'))
  if not key then return end
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
    entry.live, entry.video, entry.duration, entry.notes, entry.gone = id, video, tonumber(duration), notes, nil
    if speaks then let_go(entry) end
  elseif event == 'cancelled' then
    if not mine then return end
    let_go(entry)
    if not entry.live then entry.video, entry.duration, entry.notes = nil, nil, nil end
  elseif speaks then
    if not mine then let_go(entry) end
    entry.job, entry.since, entry.version = id, since, version or nil
    if not entry.live then entry.video, entry.duration, entry.notes = video, tonumber(duration or nil), notes end
    entry.state = event == 'failed' and 'failed' or 'making'
    if event == 'playable' then entry.playable = true end
    if event == 'queued' or event == 'failed' then entry.playable, entry.error = nil, nil end
    if event == 'failed' and failure then
      local told = cjson.decode(failure)
      entry.error = {{code = told.code, message = told.message, hint = told.hint}}
    end
  else
    return
  end
  tell(field, entry)
end
end
"""

# ARGV: field, version, failure. A look at the object has shown that nothing can be made of it; a job knows better.
JUDGED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live or entry.job then return 0 end
entry.state, entry.version, entry.error = 'failed', ARGV[2], cjson.decode(ARGV[3])
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, revision. What was live by that revision ('': by any) is no more.
DELETED = f"""{_KEEP}
local entry = read(ARGV[1])
if entry.live and ARGV[2] ~= '' and entry.live ~= ARGV[2] then return 0 end
entry.live, entry.poster, entry.storyboard, entry.gone = nil, nil, nil, true
if not entry.state then entry.video, entry.duration, entry.notes = nil, nil, nil end
tell(ARGV[1], entry)
return 1
"""

# ARGV: field, revision, `poster` or `storyboard`. It has that now.
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

# ARGV: field, entry, field, entry ... as the VoD bucket has them. What was reported meanwhile knows better.
FOUND = f"""{_KEEP}
local told, any = {{}}, false
for n = 1, #ARGV, 2 do
  local field, entry, found = ARGV[n], read(ARGV[n]), cjson.decode(ARGV[n + 1])
  if next(entry) == nil then
    entry = found
  elseif found.live and not entry.live and not entry.gone then
    for _, name in ipairs({{'live', 'video', 'duration', 'notes', 'poster', 'storyboard'}}) do
      entry[name] = found[name]
    end
  end
  if keep(field, entry) then told[field], any = entry, true end
end
if any then redis.call('PUBLISH', channel('{CHANNEL}'), cjson.encode({{known = told}})) end
return 1
"""

# KEYS: the lock. ARGV: its token. Everything was found, unless Redis has forgotten since who was looking.
COMPLETED = f"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', '{HASH}', '{COMPLETE}', '1')
redis.call('PUBLISH', channel('{CHANNEL}'), '{{"complete":true}}')
return 1
"""
