// Fan-out: one endpoint changes, until the last of N streams has ACKed; the servers take turns change by change.
// Where a service is changed that nobody watches, what is told nevertheless is counted.
package main

import (
	"time"
)

type fanOutResult struct {
	Name string `json:"name"`
	// Of each change: server CPU until all is quiet, and wall time to the first and the last stream.
	CPUMs   []float64 `json:"cpuMs"`
	FirstMs []float64 `json:"firstMs"`
	LastMs  []float64 `json:"lastMs"`
	// Of each change: responses, and their bytes.
	Responses     float64 `json:"responses"`
	Bytes         float64 `json:"bytes"`
	ResidentBytes int64   `json:"residentBytes"`
}

func fanOut(j job) any {
	results := make([]*fanOutResult, len(j.Targets))
	crowds := make([]*crowd, len(j.Targets))
	for i, t := range j.Targets {
		results[i] = &fanOutResult{Name: t.Name}
		crowds[i] = gather(t, j, nil)
	}
	var responses, bytes []int64
	for change := -j.Warmup; change < j.Changes; change++ {
		if change == 0 {
			for i, c := range crowds {
				settle(j.Targets[i].Pid) // what the warm-up still has under way does not count
				responses = append(responses, c.total.Load())
				bytes = append(bytes, c.bytes())
			}
		}
		for i, t := range j.Targets {
			cpuMs, firstMs, lastMs := oneChange(t, crowds[i], j, change)
			if change < 0 {
				continue
			}
			results[i].CPUMs = append(results[i].CPUMs, cpuMs)
			results[i].FirstMs = append(results[i].FirstMs, firstMs)
			results[i].LastMs = append(results[i].LastMs, lastMs)
		}
	}
	for i, t := range j.Targets {
		results[i].Responses = float64(crowds[i].total.Load()-responses[i]) / float64(j.Changes)
		results[i].Bytes = float64(crowds[i].bytes()-bytes[i]) / float64(j.Changes)
		results[i].ResidentBytes = resident(t.Pid)
		crowds[i].close()
	}
	return results
}

func oneChange(t *target, c *crowd, j job, change int) (cpuMs, firstMs, lastMs float64) {
	isMeasured := change >= 0
	if isMeasured {
		settle(t.Pid)
	}
	request := t.next(j.Changed, j.Endpoints/2)
	isWatched := j.Changed == 0
	if isWatched {
		c.expect(len(c.streams))
	}
	before, start := cpu(t.Pid), time.Now()
	t.http.call(request)
	if isWatched {
		end := c.wait()
		firstMs = milliseconds(time.Unix(0, c.first.Load()).Sub(start))
		lastMs = milliseconds(end.Sub(start))
	} else if isMeasured {
		time.Sleep(100 * time.Millisecond)
	}
	if isMeasured {
		settle(t.Pid)
	}
	return milliseconds(cpu(t.Pid) - before), firstMs, lastMs
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}
