-- Decides one request; see lib.rs and record.rs, which say what and why. Times are in microseconds, and stay below 2^53, so a
-- Lua number holds them exactly; it would print them with 14 digits, so they are written with %.0f.
--
-- KEYS: of a stranger first its record, the set of those blocked, the count of new records, the limit of those that are too
--       many, its proof; then one for each limit.
-- ARGV: the time or 0, whether it is a stranger; of a stranger 10 more (below); then interval, capacity and by-address of each limit.
-- Answers: the verdict, a wait or an effort, the limit that refused, violations; then remaining and time until full of each limit.
local ALLOWED, REFUSED, HELD, BLOCKED, FRESHLY_BLOCKED, CROWDED, CHALLENGED = 0, 1, 2, 3, 4, 5, 6
local DRAIN, PATIENCE, WORST, LONGEST_HOLD = 10000000, 5, 100, 900000000

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local stranger = ARGV[2] == '1'
local first_key, first_arg = stranger and 6 or 1, stranger and 13 or 3
local limits = {}
for key = first_key, #KEYS do
  local arg = first_arg + (key - first_key) * 3
  limits[#limits + 1] = {
    key = KEYS[key], interval = tonumber(ARGV[arg]), capacity = tonumber(ARGV[arg + 1]), by_address = ARGV[arg + 2] == '1',
  }
end

local function number(value) return string.format('%.0f', value) end
local function put(key, value, until_time)
  redis.call('SET', key, value, 'PX', number(math.max(1, math.ceil((until_time - now) / 1000))))
end

-- The times of all limits, and the one that makes wait the longest. Those to skip are neither asked nor counted.
local refused, wait = 0, 0
local function weigh()
  for at, limit in ipairs(limits) do
    limit.tat = math.max(tonumber(redis.call('GET', limit.key) or 0), now)
    local early = limit.tat + limit.interval - now - limit.capacity
    if not limit.skip and early > wait then refused, wait = at, early end
  end
end
local function commit()
  for _, limit in ipairs(limits) do
    if not limit.skip then
      limit.tat = limit.tat + limit.interval
      put(limit.key, number(limit.tat), limit.tat)
    end
  end
end
local violations = 0
local function answer(verdict, what)
  local out = { verdict, what, refused, violations }
  for _, limit in ipairs(limits) do
    local tat = limit.tat or math.max(tonumber(redis.call('GET', limit.key) or 0), now)
    out[#out + 1] = math.max(0, math.floor((limit.capacity - (tat - now)) / limit.interval))
    out[#out + 1] = tat - now
  end
  return out
end

if not stranger then
  weigh()
  if refused > 0 then return answer(REFUSED, wait) end
  commit()
  return answer(ALLOWED, 0)
end

local record_key, blocked_key, fresh_key, crowd_key, proof_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, quota, period = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local longest, forget, most = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local crowd_interval, crowd_capacity = tonumber(ARGV[9]), tonumber(ARGV[10])
local challenged, proof_ttl = ARGV[11] == '1', tonumber(ARGV[12])

local began, requests, drained, held, blocked, strikes = 0, 0, 0, 0, 0, 0
local known = redis.call('GET', record_key)
local crowded = false
if known then
  local parts = {}
  for part in string.gmatch(known, '%d+') do parts[#parts + 1] = tonumber(part) end
  began, requests, violations, drained, held, blocked, strikes = unpack(parts)
else
  local count = tonumber(redis.call('GET', fresh_key) or 0)
  if count >= most then
    crowded = true
  else
    redis.call('INCR', fresh_key)
    if count == 0 then redis.call('PEXPIRE', fresh_key, number(period / 1000)) end
  end
end

local function score() return math.ceil(math.max(0, drained - now) / DRAIN) end
local function save()
  if crowded then return end
  local until_time = math.max(began + period, drained, held, strikes > 0 and blocked + forget or 0)
  local fields = {}
  for at, value in ipairs({ began, requests, violations, drained, held, blocked, strikes }) do fields[at] = number(value) end
  put(record_key, table.concat(fields, ':'), until_time)
end
local function refuse()
  violations = violations + 1
  drained = math.min(math.max(drained, now) + DRAIN, now + WORST * DRAIN)
  local worse = score() - PATIENCE
  if worse > 0 then held = math.max(held, now + math.min(1000000 * 2 ^ math.min(worse, 20), LONGEST_HOLD)) end
end

if blocked > now then return answer(BLOCKED, blocked - now) end
if strikes > 0 and now >= blocked + forget then strikes = 0 end
if now >= began + period then began, requests, violations = now, 0, 0 end
requests = requests + 1
if requests > quota then
  local time = math.min(period * 2 ^ math.min(strikes, 20), longest)
  strikes, blocked, began, requests, violations = strikes + 1, now + time, 0, 0, 0
  save()
  redis.call('ZREMRANGEBYSCORE', blocked_key, '-inf', number(now))
  redis.call('ZADD', blocked_key, number(blocked), group)
  return answer(FRESHLY_BLOCKED, time)
end
if held > now then
  refuse()
  save()
  return answer(HELD, held - now)
end

local suspicious = crowded or score() > 0 or strikes > 0
if crowded then
  -- Nothing is kept of them one by one; their common limit stands last.
  for _, limit in ipairs(limits) do limit.skip = limit.by_address end
  limits[#limits + 1] = { key = crowd_key, interval = crowd_interval, capacity = crowd_capacity, crowd = true }
end
weigh()
if refused > 0 then
  if limits[refused].crowd then return answer(CROWDED, wait) end
  refuse()
  save()
  return answer(REFUSED, wait)
end
for _, limit in ipairs(limits) do
  if limit.by_address and (limit.tat + limit.interval - now) * 2 > limit.capacity then suspicious = true end
end
local proved = proof_ttl > 0 and redis.call('EXISTS', proof_key) == 0
if challenged and suspicious and not proved then
  save()
  local effort, left = strikes, score()
  while left >= 1 do effort, left = effort + 1, math.floor(left / 2) end
  return answer(CHALLENGED, effort)
end
commit()
if proved then redis.call('SET', proof_key, '', 'PX', number(proof_ttl)) end
save()
return answer(ALLOWED, 0)
