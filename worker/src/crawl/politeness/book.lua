-- One crawl's word with one host's book: what it holds and what it met; what it may hold from now on, and when its next request
-- may begin. Times are microseconds of this server's clock.
-- KEYS: the host. ARGV: the crawl, slots that it holds (-1: it leaves), slots of the host, lease, 1 for a request to begin, its delay,
-- answers that were fine and the sum of their latencies, signs of overload, the wait that the host asked for.
-- Answers {slots, wait until the begin, slow pace's gap, pause, crawls}.
local key, me = KEYS[1], ARGV[1]
local holds, slots, lease, begins, delay = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1', tonumber(ARGV[6])
local fine, latency, bad, asked = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local host, crawls, before, taken = {}, 1, 0, 0
local rows = redis.call('HGETALL', key)
for i = 1, #rows, 2 do
  local crawl = string.match(rows[i], '^crawl:(.*)$')
  if not crawl then
    host[rows[i]] = tonumber(rows[i + 1])
  elseif crawl ~= me then
    local till, held = string.match(rows[i + 1], '^(%d+) (%d+)$')
    if tonumber(till) <= now then
      redis.call('HDEL', key, rows[i])
    else
      crawls, taken = crawls + 1, taken + tonumber(held)
      if crawl < me then before = before + 1 end
    end
  end
end
if holds < 0 then
  redis.call('HDEL', key, 'crawl:' .. me)
  return {0, 0, 0, 0, crawls - 1}
end

-- Shares are equal; what does not divide evenly goes round, by the clock. Only what nobody holds is given out.
local place = (before + math.floor(now / 5000000)) % crawls
local share = math.floor(slots / crawls)
if place < slots % crawls then share = share + 1 end
local kept = holds
if share > holds then
  share = math.max(holds, math.min(share, slots - taken))
  kept = share
end

-- Slower by a factor, once for all that one wave of requests met; faster by 0.1 requests a second for each answer.
local slow, slowed, pause = host.slow or 0, host.slowed or 0, math.max(host.pause or 0, now + asked)
local usual, smooth = host.usual or 0, host.smooth or 0
if fine > 0 then
  local mean = latency / fine
  if usual == 0 then usual, smooth = mean, mean end
  smooth = smooth + (mean - smooth) * (1 - 0.9 ^ fine)
  usual = math.min(smooth, usual + (smooth - usual) * (1 - 0.999 ^ fine))
end
local heavy = fine > 0 and smooth > 4 * usual + 500000
if bad > 0 or heavy then
  if now - slowed > math.max(1000000, slow) then
    slow = math.min(30000000, math.max(250000, math.max(slow, delay) * (bad > 0 and 2 or 1.5)))
    slowed = now
  end
elseif slow > 0 then
  slow = slow / (1 + fine * slow * 0.0000001)
  if slow <= math.max(delay, 20000) then slow = 0 end
end

local following, wait = host.following or 0, math.max(0, pause - now)
if begins then
  local at = math.max(now, following, pause)
  following, wait = at + math.max(delay, slow), at - now
end
local function whole(number) return string.format('%.0f', number) end
redis.call('HSET', key, 'crawl:' .. me, whole(now + lease) .. ' ' .. kept, 'slow', whole(slow), 'slowed', whole(slowed),
  'pause', whole(pause), 'usual', whole(usual), 'smooth', whole(smooth), 'following', whole(following))
redis.call('PEXPIRE', key, whole(math.max(600000, (math.max(pause, following) - now) / 1000 + 60000)))
return {share, wait, slow, math.max(0, pause - now), crawls}
