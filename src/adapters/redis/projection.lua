-- Runs a list of commands, if the projection's position is the expected one, and then moves the position: all or nothing.
--
-- KEYS[1]  the position: a hash of seq, epoch, chain, and during a rebuild its token
-- ARGV[1]  the seq that it must have      ARGV[2]  the token that it must have, '' for none
-- ARGV[3]  the new seq, '' to leave the position as it is      ARGV[4]  the new epoch      ARGV[5]  the new chain
-- ARGV[6…] the commands: how many words, and the words
--
-- Answers false when it was done, else the position's seq as it is ('' if there is none). Numbers stay text here:
-- Lua's are floats. Each command is short, for unpack takes some 8,000 values at most.
local found = redis.call('HMGET', KEYS[1], 'seq', 'token')
if (found[1] or '') ~= ARGV[1] or (found[2] or '') ~= ARGV[2] then
  return found[1] or ''
end
local at = 6
while ARGV[at] do
  local words = tonumber(ARGV[at])
  local answer = redis.pcall(unpack(ARGV, at + 1, at + words))
  if type(answer) == 'table' and answer.err then
    -- Redis takes nothing back: what was done before the error stands, so the projection shows no state at all now.
    if at > 6 then redis.call('DEL', KEYS[1]) end
    return redis.error_reply(answer.err)
  end
  at = at + words + 1
end
if ARGV[3] ~= '' then
  redis.call('HDEL', KEYS[1], 'token')
  redis.call('HSET', KEYS[1], 'seq', ARGV[3], 'epoch', ARGV[4], 'chain', ARGV[5])
end
return false
