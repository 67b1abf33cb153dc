// Churn: R changes a second for T seconds, whatever the server answers, and what each stream has of it. Staleness is
// of each change: from when it was due to when a stream shows it; two streams, the first and the last, are looked at.
package main

import (
	"slices"
	"sync"
	"time"
)

type churnResult struct {
	Name   string       `json:"name"`
	Rounds []churnRound `json:"rounds"`
}

type churnRound struct {
	StalenessP50Ms float64 `json:"stalenessP50Ms"`
	StalenessP99Ms float64 `json:"stalenessP99Ms"`
	CPUShare       float64 `json:"cpuShare"`
	PushesPerS     float64 `json:"pushesPerStream"` // a second
	BytesPerS      float64 `json:"bytesPerStream"`  // a second
	ResidentBytes  int64   `json:"residentBytes"`
	HeapBytes      int64   `json:"heapBytes"`
	ReplyP99Ms     float64 `json:"replyP99Ms"`
}

// probe notes when each change was first shown, by its weight. Changes go round, weight w to endpoint w mod endpoints,
// and a later change of the same endpoint shows the earlier ones too.
type probe struct {
	lock    sync.Mutex
	newest  []int // weight last seen, of each endpoint
	shownAt map[int]time.Time
}

func (p *probe) look(s *stream, endpoints int) func([]byte) {
	return func(message []byte) {
		p.lock.Lock()
		defer p.lock.Unlock()
		now := time.Now()
		weights(message, s.isDelta, func(index, weight int) {
			for seen := p.newest[index] + endpoints; seen <= weight; seen += endpoints {
				p.shownAt[seen] = now
			}
			p.newest[index] = weight
		})
	}
}

func churn(j job) any {
	results := make([]*churnResult, len(j.Targets))
	crowds := make([]*crowd, len(j.Targets))
	probes := make([][]*probe, len(j.Targets))
	for i, t := range j.Targets {
		results[i] = &churnResult{Name: t.Name}
		crowds[i] = gather(t, j, func(s *stream, index int) func([]byte) {
			if index > 0 && index < j.Streams-1 {
				return nil
			}
			p := &probe{newest: make([]int, j.Endpoints), shownAt: map[int]time.Time{}}
			for index := range p.newest {
				p.newest[index] = index - j.Endpoints
			}
			probes[i] = append(probes[i], p)
			return p.look(s, j.Endpoints)
		})
		crowds[i].expect(1 << 62)
	}
	for round := -1; round < j.Rounds; round++ {
		for i, t := range j.Targets {
			one := j
			if round < 0 {
				one.Seconds = min(j.Seconds, 2)
			}
			figures := churnOnce(t, crowds[i], probes[i], one)
			if round >= 0 {
				results[i].Rounds = append(results[i].Rounds, figures)
			}
		}
	}
	for _, c := range crowds {
		c.close()
	}
	return results
}

func churnOnce(t *target, c *crowd, probes []*probe, j job) churnRound {
	settle(t.Pid)
	count := int(float64(j.Rate) * j.Seconds)
	from := max(t.sequence, 1) + 1
	cpuBefore, bytesBefore, totalBefore := cpu(t.Pid), c.bytes(), c.total.Load()
	start := time.Now()
	dueAt := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second / time.Duration(j.Rate)) }
	replies := send(t, j, from, count, dueAt)
	t.sequence = from + count - 1
	elapsed := time.Since(start)
	cpuShare := float64(cpu(t.Pid)-cpuBefore) / float64(elapsed)
	bytes, total := c.bytes()-bytesBefore, c.total.Load()-totalBefore
	figures := churnRound{CPUShare: cpuShare, ResidentBytes: resident(t.Pid), HeapBytes: t.heap()}
	figures.ReplyP99Ms = quantile(replies, 0.99)
	figures.BytesPerS = float64(bytes) / float64(j.Streams) / elapsed.Seconds()
	figures.PushesPerS = float64(total) / float64(j.Streams) / elapsed.Seconds()
	var staleness []float64
	for _, p := range probes {
		for i := range count {
			staleness = append(staleness, milliseconds(p.when(from+i).Sub(dueAt(i))))
		}
	}
	figures.StalenessP50Ms, figures.StalenessP99Ms = quantile(staleness, 0.5), quantile(staleness, 0.99)
	return figures
}

// when waits until the change is shown.
func (p *probe) when(weight int) time.Time {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		p.lock.Lock()
		at, ok := p.shownAt[weight]
		p.lock.Unlock()
		if ok {
			return at
		}
		if time.Now().After(deadline) {
			panic("a change was never shown")
		}
	}
}

// send makes the changes when they are due, over as many connections as there are endpoints, at most 64: changes
// of one endpoint go over one connection and so stay in order.
func send(t *target, j job, from, count int, dueAt func(int) time.Time) []float64 {
	callers := min(64, j.Endpoints)
	replies := make([]float64, count)
	together(callers, func(worker int) {
		caller := dial(t.HTTPPort)
		defer caller.conn.Close()
		for i := range count {
			index := (from + i) % j.Endpoints
			if index%callers != worker {
				continue
			}
			time.Sleep(time.Until(dueAt(i)))
			start := time.Now()
			caller.call(t.change(0, index, from+i))
			replies[i] = milliseconds(time.Since(start))
		}
	})
	return replies
}

func quantile(samples []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
