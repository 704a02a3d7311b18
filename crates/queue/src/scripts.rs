//! The Lua that Redis runs for `member`: whatever must look at an entry's owner and act on it in one step, and what must work
//! while Redis is full (`allow-oom`, for scripts that add next to nothing).
//!
//! Every script takes the stream as its only key, so all of them work on a Cluster, and every one may be repeated when its
//! answer was lost. `XPENDING key group id id 1 consumer` asks "is this entry still ours?".

use redis::Script;
use std::sync::LazyLock;

/// ARGV: group. Makes the group, and the stream if need be, unless it exists. It starts at the first entry, because errands are
/// published before any worker has run.
pub(crate) static JOIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"#!lua flags=allow-oom
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
return redis.status_reply('OK')",
    )
});

/// ARGV: group, consumer, entries in the order of the stream. Acknowledges and deletes those that are still ours, all in one command
/// each: the append-only file gets as few. What is ours between the first and the last is looked up at once, which is little more:
/// the rest of it runs here at this moment.
pub(crate) static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local most = 2 * #ARGV + 100
local held, from = {}, ARGV[3]
while from do
  local page = redis.call('XPENDING', stream, group, from, ARGV[#ARGV], most, consumer)
  for _, pending in ipairs(page) do held[pending[1]] = true end
  from = #page == most and '(' .. page[most][1]
end
local ours = {}
for i = 3, #ARGV do
  if held[ARGV[i]] then ours[#ours + 1] = ARGV[i] end
end
if #ours > 0 then
  redis.call('XACK', stream, group, unpack(ours))
  redis.call('XDEL', stream, unpack(ours))
end",
    )
});

/// ARGV: group, consumer, entries. Restarts the lease of those that are still ours and returns the others: a plain XCLAIM would
/// steal back what another worker was given meanwhile.
pub(crate) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local lost = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 1 then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
  else
    lost[#lost + 1] = id
  end
end
return lost",
    )
});

/// ARGV: group, consumer, 'leave' or 'stay', entries to keep. Appends a copy of everything else that the consumer holds and drops
/// the original. Then, when leaving, deletes the consumer: XGROUP DELCONSUMER by itself loses what the consumer still holds.
/// Returns how many entries were handed back.
pub(crate) static HAND_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"#!lua flags=allow-oom
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local kept = {}
for i = 4, #ARGV do kept[ARGV[i]] = true end
local returned, from = 0, '-'
while true do
  local page = redis.call('XPENDING', stream, group, from, '+', 1000, consumer)
  if #page == 0 then break end
  for _, pending in ipairs(page) do
    local id = pending[1]
    from = '(' .. id
    if not kept[id] then
      local entry = redis.call('XRANGE', stream, id, id)[1]
      redis.call('XACK', stream, group, id)
      if entry then
        redis.call('XADD', stream, '*', unpack(entry[2]))
        redis.call('XDEL', stream, id)
        returned = returned + 1
      end
    end
  end
end
if ARGV[3] == 'leave' then redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer) end
return returned",
    )
});

/// ARGV: group, longest idle time in ms. Deletes the consumers that hold nothing and were idle for longer: killed workers, since
/// a consumer's name is new at every start. Redis 7.0 does not count empty reads as activity, so an idle living worker may be
/// among them; its next delivery makes its consumer again.
pub(crate) static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stream, group, longest = KEYS[1], ARGV[1], tonumber(ARGV[2])
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local consumer = {}
  for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
  if consumer.pending == 0 and consumer.idle > longest then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer.name)
  end
end",
    )
});

/// ARGV: group. One moment's view: entries in the stream, entries held, the oldest waiting entry's id, the server's time
/// (seconds, microseconds), and XINFO CONSUMERS. Nil when there is no such stream.
pub(crate) static STATS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stream, name = KEYS[1], ARGV[1]
if redis.call('EXISTS', stream) == 0 then return nil end
local held, last, consumers = 0, '0-0', {}
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  if group.name == name then
    held, last = group.pending, group['last-delivered-id']
    consumers = redis.call('XINFO', 'CONSUMERS', stream, name)
  end
end
local oldest = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
return {redis.call('XLEN', stream), held, oldest and oldest[1] or '', redis.call('TIME'), consumers}",
    )
});

/// ARGV: group. Deletes the entries that come after the last one that a worker was given; returns how many.
pub(crate) static TAKE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"#!lua flags=allow-oom
local stream, name = KEYS[1], ARGV[1]
if redis.call('EXISTS', stream) == 0 then return 0 end
local last, taken = '0-0', 0
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  if group.name == name then last = group['last-delivered-id'] end
end
while true do
  local page = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1000)
  if #page == 0 then return taken end
  for i, entry in ipairs(page) do page[i] = entry[1] end
  taken = taken + redis.call('XDEL', stream, unpack(page))
end",
    )
});
