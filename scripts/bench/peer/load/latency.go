// Latency: from the first byte of an HTTP registration to the last of the response that shows it, on one stream. The
// warm-up makes its changes without pauses: V8 goes on optimising for some thousands of them.
package main

import (
	"fmt"
	"time"
)

type latencyResult struct {
	Name string `json:"name"`
	// One list a round, of milliseconds.
	Rounds [][]float64 `json:"rounds"`
}

func latency(j job) any {
	j.Streams = 1
	results := make([]*latencyResult, len(j.Targets))
	crowds := make([]*crowd, len(j.Targets))
	wanted := make([]int, len(j.Targets))
	seen := make([]bool, len(j.Targets))
	for i, t := range j.Targets {
		results[i] = &latencyResult{Name: t.Name}
		crowds[i] = gather(t, j, func(s *stream, _ int) func([]byte) {
			return func(message []byte) {
				weights(message, s.isDelta, func(_, weight int) { seen[i] = seen[i] || weight == wanted[i] })
			}
		})
	}
	change := func(i int, t *target) float64 {
		request := t.next(0, j.Endpoints/2)
		wanted[i], seen[i] = t.sequence, false
		crowds[i].expect(1)
		start := time.Now()
		t.http.call(request)
		end := crowds[i].wait()
		if !seen[i] {
			panic(fmt.Sprintf("%s: a response without the change", t.Name))
		}
		return milliseconds(end.Sub(start))
	}
	for range j.Warmup {
		for i, t := range j.Targets {
			change(i, t)
		}
	}
	for range j.Rounds {
		samples := make([][]float64, len(j.Targets))
		for range j.Changes {
			for i, t := range j.Targets {
				samples[i] = append(samples[i], change(i, t))
				time.Sleep(4 * time.Millisecond)
			}
		}
		for i, result := range results {
			result.Rounds = append(result.Rounds, samples[i])
		}
	}
	return results
}
