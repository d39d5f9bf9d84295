-- Sends the orders of BODIES, each with a key of its own, and counts what became of them.
local bodies, count = {}, 0
local run = tostring(os.time()) .. "-" .. tostring(math.random(1e9))
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init() placed, other = 0, 0 end

function request()
  count = count + 1
  local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = "load-" .. run .. "-" .. count }
  return wrk.format("POST", "/api/orders", headers, bodies[count % #bodies + 1])
end

function response(status)
  if status == 201 then placed = placed + 1 else other = other + 1 end
end

function done(summary, latency)
  local all, wrong = 0, 0
  for _, thread in ipairs(threads) do all = all + thread:get("placed"); wrong = wrong + thread:get("other") end
  io.write(string.format("RESULT %d %d %.0f %.1f %.1f %.1f\n", all, wrong, all * 1e6 / summary.duration,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end
