// Memory: of idle streams, and of registered instances. Both readings are taken after garbage is collected and a rest:
// what a start leaves behind is tens of megabytes, and would hide as much of what comes later.
package main

import (
	"bytes"
	"strconv"
	"syscall"
	"time"
)

type idleResult struct {
	Name           string  `json:"name"`
	BytesPerStream float64 `json:"bytesPerStream"`
}

func idle(j job) any {
	results := make([]*idleResult, len(j.Targets))
	for i, t := range j.Targets {
		before := t.kept(j)
		c := gather(t, j, nil)
		results[i] = &idleResult{t.Name, float64(t.kept(j)-before) / float64(j.Streams)}
		c.close()
	}
	return results
}

type registerResult struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"perSecond"`
	PerCPUS   float64 `json:"perCpuSecond"`
	// Over what the server had before: after garbage is collected, and with what the registrations left.
	BytesPerInstance float64 `json:"bytesPerInstance"`
	WithGarbage      float64 `json:"withGarbage"`
}

func registerInstances(j job) any {
	results := make([]*registerResult, len(j.Targets))
	count := float64(j.Services * j.Endpoints)
	for i, t := range j.Targets {
		before := t.kept(j)
		cpuBefore, start := cpu(t.Pid), time.Now()
		for service := range j.Services {
			t.registerAll(serviceOf(service), j.Endpoints)
		}
		elapsed, used := time.Since(start), cpu(t.Pid)-cpuBefore
		time.Sleep(j.rest())
		withGarbage := float64(resident(t.Pid)-before) / count
		perInstance := float64(t.kept(j)-before) / count
		results[i] = &registerResult{t.Name, count / elapsed.Seconds(), count / used.Seconds(), perInstance, withGarbage}
	}
	return results
}

func (j job) rest() time.Duration {
	return time.Duration(j.Seconds * float64(time.Second))
}

// kept is the resident memory, bytes, when garbage is collected and given back. A job without a rest does not ask.
func (t *target) kept(j job) int64 {
	if j.Seconds == 0 {
		return 0
	}
	t.heap()
	if err := syscall.Kill(t.Pid, syscall.SIGWINCH); err != nil {
		panic(err)
	}
	time.Sleep(j.rest())
	return resident(t.Pid)
}

var heapMetrics = [][]byte{[]byte("\nnodejs_heap_size_used_bytes "), []byte("\ngo_memstats_heap_alloc_bytes ")}

// heap is what the server's metrics call its heap in use, bytes.
func (t *target) heap() int64 {
	caller := dial(t.HTTPPort) // the one that is kept may have been idle for too long
	defer caller.conn.Close()
	metrics := caller.call(httpRequest("GET", "/metrics", "", ""))
	for _, name := range heapMetrics {
		if _, rest, found := bytes.Cut(metrics, name); found {
			value, _, _ := bytes.Cut(rest, []byte("\n"))
			size, err := strconv.ParseFloat(string(value), 64)
			if err != nil {
				panic(err)
			}
			return int64(size)
		}
	}
	panic(t.Name + ": no heap in /metrics")
}
