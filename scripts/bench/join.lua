-- Log messages of one kind: all of them join one incident. Seen by wrk; no answer but 202 counts as success.
local n = 0

request = function()
  n = n + 1
  local body = string.format(
    '{"message":"payment %d of customer %d timed out after %d ms at 10.1.%d.%d:5432","level":"error","metadata":{"service":"checkout","namespace":"shop"}}',
    n, n % 4096, 30 + n % 900, n % 250, n % 199)
  return wrk.format("POST", "/api/signals/logs", { ["Content-Type"] = "application/json" }, body)
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"micros":%d,"not_2xx":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
