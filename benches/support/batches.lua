-- Behind orders.lua: the same orders, 100 in a request; 50 such requests in turn, so that making them costs the load little.
local requests, count = {}, 0
local batch = function()
  local items = {}
  for item = 1, 100 do
    items[item] = order('"op":"place",')
  end
  return wrk.format(nil, "/api/orders/batch/", nil, '{"items":[' .. table.concat(items, ",") .. ']}')
end
request = function()
  count = count % 50 + 1
  requests[count] = requests[count] or batch()
  return requests[count]
end
