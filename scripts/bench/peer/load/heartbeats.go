// Heartbeats: one request each over 64 connections, or batches over 8, for some seconds; requests are made before.
package main

import (
	"sync"
	"sync/atomic"
	"time"
)

type heartbeatResult struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	// Heartbeats a second by the wall clock, and of server CPU time.
	PerSecond float64 `json:"perSecond"`
	PerCPUS   float64 `json:"perCpuSecond"`
	P50Ms     float64 `json:"p50Ms"`
	P99Ms     float64 `json:"p99Ms"`
}

func heartbeats(j job) any {
	var results []heartbeatResult
	for _, t := range j.Targets {
		leases := t.registerAll("beats", j.Endpoints)
		var requests [][]byte
		callers, each := 64, 1
		if j.Batch > 0 {
			callers, each = 8, j.Batch
			for from := 0; from+j.Batch <= len(leases); from += j.Batch {
				requests = append(requests, t.batch(leases[from:from+j.Batch]))
			}
		} else {
			for _, l := range leases {
				requests = append(requests, t.heartbeat(l))
			}
		}
		beat(t, requests, callers, min(j.Seconds, 1.5))
		for range j.Rounds {
			calls, elapsed, used, samples := beat(t, requests, callers, j.Seconds)
			beats := float64(calls * int64(each))
			results = append(results, heartbeatResult{
				t.Name, j.Endpoints, beats / elapsed.Seconds(), beats / used.Seconds(),
				quantile(samples, 0.5), quantile(samples, 0.99),
			})
		}
	}
	return results
}

func beat(t *target, requests [][]byte, callers int, seconds float64) (int64, time.Duration, time.Duration, []float64) {
	var next atomic.Int64
	var lock sync.Mutex
	var all []float64
	before, start := cpu(t.Pid), time.Now()
	until := start.Add(time.Duration(seconds * float64(time.Second)))
	together(callers, func(int) {
		caller := dial(t.HTTPPort)
		defer caller.conn.Close()
		var samples []float64
		for at := time.Now(); at.Before(until); {
			request := requests[int(next.Add(1)-1)%len(requests)]
			caller.call(request)
			now := time.Now()
			samples = append(samples, milliseconds(now.Sub(at)))
			at = now
		}
		lock.Lock()
		defer lock.Unlock()
		all = append(all, samples...)
	})
	return next.Load(), time.Since(start), cpu(t.Pid) - before, all
}
