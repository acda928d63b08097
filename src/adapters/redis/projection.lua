-- Runs a list of writes, if the projection's position is the expected one, and then moves the position: all or nothing.
--
-- KEYS[1]  the position: a hash of seq, epoch, chain, during a rebuild its token, and live: seq or token once more, but
--          only in memory
-- ARGV[1]  the seq that it must have      ARGV[2]  the token that it must have, '' for none
-- ARGV[3]  the new seq, '' to leave the position as it is      ARGV[4]  the new epoch      ARGV[5]  the new chain
-- ARGV[6]  the orders, as an array of MessagePack: of each its key and its whole hash in the form of RESTORE
-- ARGV[7]  the commands behind them, likewise: of each how many words it has, and the words
--
-- Answers false when it was done, else the position's seq as it is ('' if there is none). Numbers stay text here:
-- Lua's are floats. Each command is short, for unpack takes some 8,000 values at most.
local call = redis.pcall
local found = call('HMGET', KEYS[1], 'seq', 'token', 'live')
local seq, token, live = found[1] or '', found[2] or '', found[3] or ''
if seq ~= ARGV[1] or token ~= ARGV[2] then
  return seq
end
if live ~= (token ~= '' and token or seq) then
  return ''
end
-- All of this can be made again from the log, so it goes into memory and to replicas, and not into the append-only file,
-- where it was most of what Redis wrote. A Redis that comes back has what the file has, among it the last position, but
-- not its live: so it shows that the projection is lost, and which row the log must hold.
redis.set_repl(redis.REPL_REPLICA)
local written, failed = false, nil
local function run(...)
  local answer = call(...)
  if type(answer) == 'table' and answer.err then
    failed = answer.err
  else
    written = true
  end
end
local orders = cmsgpack.unpack(ARGV[6])
for at = 1, #orders, 2 do
  run('RESTORE', orders[at], '0', orders[at + 1], 'REPLACE')
  if failed then break end
end
local words, at = cmsgpack.unpack(ARGV[7]), 1
while words[at] and not failed do
  local count = tonumber(words[at])
  run(unpack(words, at + 1, at + count))
  at = at + count + 1
end
if failed then
  -- Redis takes nothing back: what was done before the error stands, so the projection shows no state at all now.
  if written then call('DEL', KEYS[1]) end
  return redis.error_reply(failed)
end
if ARGV[3] ~= '' then
  redis.set_repl(redis.REPL_ALL)
  call('HDEL', KEYS[1], 'token')
  call('HSET', KEYS[1], 'seq', ARGV[3], 'epoch', ARGV[4], 'chain', ARGV[5])
  redis.set_repl(redis.REPL_REPLICA)
  call('HSET', KEYS[1], 'live', ARGV[3])
end
return false
