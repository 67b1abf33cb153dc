// Memory: of idle streams, and of registered instances; resident, after a rest that lets garbage be collected.
package main

import (
	"time"
)

type idleResult struct {
	Name           string  `json:"name"`
	BytesPerStream float64 `json:"bytesPerStream"`
}

func idle(j job) any {
	results := make([]*idleResult, len(j.Targets))
	rest := time.Duration(j.Seconds * float64(time.Second))
	for i, t := range j.Targets {
		before := resident(t.Pid)
		c := gather(t, j, nil)
		time.Sleep(rest)
		results[i] = &idleResult{t.Name, float64(resident(t.Pid)-before) / float64(j.Streams)}
		c.close()
	}
	return results
}

type registerResult struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"perSecond"`
	PerCPUS   float64 `json:"perCpuSecond"`
	// After the rest, over what the server had before.
	BytesPerInstance float64 `json:"bytesPerInstance"`
	ResidentBytes    int64   `json:"residentBytes"`
}

func registerInstances(j job) any {
	results := make([]*registerResult, len(j.Targets))
	count := float64(j.Services * j.Endpoints)
	for i, t := range j.Targets {
		before, cpuBefore, start := resident(t.Pid), cpu(t.Pid), time.Now()
		for service := range j.Services {
			t.registerAll(serviceOf(service), j.Endpoints)
		}
		elapsed, used := time.Since(start), cpu(t.Pid)-cpuBefore
		time.Sleep(time.Duration(j.Seconds * float64(time.Second)))
		after := resident(t.Pid)
		results[i] = &registerResult{t.Name, count / elapsed.Seconds(), count / used.Seconds(), float64(after-before) / count, after}
	}
	return results
}
