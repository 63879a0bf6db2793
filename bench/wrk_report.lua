-- What a run of wrk did, in one line for bench/exporter.py: requests, and those that went wrong.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("report %d %d\n", summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
