-- For bench/load.py: with a file named behind `--`, its lines are the paths that are asked for in turn; and what the
-- run did is told in one line, requests and those that went wrong.
init = function(args)
  if args[1] == nil then return end
  local requests = {}
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format("GET", path) end
  local at = 0
  request = function()
    at = at % #requests + 1
    return requests[at]
  end
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("report %d %d\n", summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
