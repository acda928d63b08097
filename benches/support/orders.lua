-- Orders for wrk: three markets, both sides, prices that trade and rest.
local symbols = {"BTC_USDT", "ETH_USDT", "XRP_USDT"}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
order = function(op)
  local side = math.random(2) == 1 and "BUY" or "SELL"
  return string.format('{%s"symbol":"%s","side":"%s","price":%d.%02d,"quantity":%d.%d}',
    op, symbols[math.random(3)], side, 90 + math.random(20), math.random(0, 99), math.random(10), math.random(9))
end
request = function()
  return wrk.format(nil, "/api/orders/", nil, order(""))
end
