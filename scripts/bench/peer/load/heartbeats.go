// Heartbeats: one request each over 64 connections, or batches over 8, for some seconds: as many as the server takes,
// or so many a second, spread evenly. Requests are made before.
package main

import (
	"sync"
	"sync/atomic"
	"time"
)

type heartbeatResult struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	// Heartbeats a second by the wall clock, and of server CPU time; and the CPU time in a second.
	PerSecond float64 `json:"perSecond"`
	PerCPUS   float64 `json:"perCpuSecond"`
	CPUShare  float64 `json:"cpuShare"`
	P50Ms     float64 `json:"p50Ms"`
	P99Ms     float64 `json:"p99Ms"`
}

func heartbeats(j job) any {
	var results []heartbeatResult
	for _, t := range j.Targets {
		requests := t.heartbeats(t.registerServices(j.Endpoints), j.Batch)
		callers, each := 64, 1
		if j.Batch > 0 {
			callers, each = 8, j.Batch
		}
		beat(t, requests, callers, 0, min(j.Seconds, 1.5))
		for range j.Rounds {
			settle(t.Pid)
			calls, elapsed, used, samples := beat(t, requests, callers, float64(j.Rate)/float64(each), j.Seconds)
			beats := float64(calls * int64(each))
			results = append(results, heartbeatResult{
				t.Name, j.Endpoints, beats / elapsed.Seconds(), beats / used.Seconds(), used.Seconds() / elapsed.Seconds(),
				quantile(samples, 0.5), quantile(samples, 0.99),
			})
		}
	}
	return results
}

// registerServices registers so many instances, of services of 10,000: a service has a limit.
func (t *target) registerServices(count int) (leases []lease) {
	const perService = 10_000
	for from := 0; from < count; from += perService {
		leases = append(leases, t.registerAll(serviceOf(from/perService), min(perService, count-from))...)
	}
	return leases
}

// heartbeats are requests for all leases, `batch` in each; 0: one request each.
func (t *target) heartbeats(leases []lease, batch int) (requests [][]byte) {
	if batch == 0 {
		for _, l := range leases {
			requests = append(requests, t.heartbeat(l))
		}
		return requests
	}
	for from := 0; from+batch <= len(leases); from += batch {
		requests = append(requests, t.batch(leases[from:from+batch]))
	}
	return requests
}

// beat sends the requests round and round: `rate` a second, or as fast as they are answered where it is 0.
func beat(t *target, requests [][]byte, callers int, rate, seconds float64) (int64, time.Duration, time.Duration, []float64) {
	var next, calls atomic.Int64
	var lock sync.Mutex
	var all []float64
	before, start := cpu(t.Pid), time.Now()
	until := start.Add(time.Duration(seconds * float64(time.Second)))
	together(callers, func(int) {
		caller := dial(t.HTTPPort)
		defer caller.conn.Close()
		var samples []float64
		for {
			turn := next.Add(1) - 1
			if rate > 0 {
				time.Sleep(time.Until(start.Add(time.Duration(float64(turn) / rate * float64(time.Second)))))
			}
			at := time.Now()
			if !at.Before(until) {
				break
			}
			caller.call(requests[int(turn)%len(requests)])
			calls.Add(1)
			samples = append(samples, milliseconds(time.Since(at)))
		}
		lock.Lock()
		defer lock.Unlock()
		all = append(all, samples...)
	})
	return calls.Load(), time.Since(start), cpu(t.Pid) - before, all
}
