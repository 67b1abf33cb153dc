// Many streams of one server, and a count of how many of them have had the next response.
package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

type crowd struct {
	streams []*stream
	waiting atomic.Int64
	total   atomic.Int64
	first   atomic.Int64
	done    chan time.Time
	failed  chan error
	closed  atomic.Bool
}

const patience = 60 * time.Second

// gather opens the job's streams, 50 at a time, and returns when each has had its first response.
func gather(t *target, j job, each func(s *stream, index int) func(message []byte)) *crowd {
	c := &crowd{done: make(chan time.Time, 1), failed: make(chan error, j.Streams)}
	const together = 50
	for from := 0; from < j.Streams; from += together {
		until := min(from+together, j.Streams)
		c.expect(until - from)
		for i := from; i < until; i++ {
			id := fmt.Sprintf("%s-%d", t.Name, i)
			s, err := open(t.GrpcPort, j.Mode == "delta", id, j.NodeBytes, j.NodeInAcks, serviceOf(0))
			if err != nil {
				panic(err)
			}
			var also func([]byte)
			if each != nil {
				also = each(s, i)
			}
			s.onResponse = func(message []byte) { c.received(message, also) }
			s.onError = c.lost
			c.streams = append(c.streams, s)
			go s.run()
		}
		c.wait()
	}
	return c
}

// expect starts the count of the next `responses`.
func (c *crowd) expect(responses int) {
	c.first.Store(0)
	c.waiting.Store(int64(responses))
}

// wait returns the time at which the last of them was received and ACKed.
func (c *crowd) wait() time.Time {
	select {
	case at := <-c.done:
		return at
	case err := <-c.failed:
		panic(err)
	case <-time.After(patience):
		panic(fmt.Sprintf("%d responses are still missing", c.waiting.Load()))
	}
}

func (c *crowd) received(message []byte, also func([]byte)) {
	if also != nil {
		also(message)
	}
	c.total.Add(1)
	left := c.waiting.Add(-1)
	if c.first.Load() == 0 {
		c.first.CompareAndSwap(0, time.Now().UnixNano())
	}
	if left == 0 {
		c.done <- time.Now()
	}
}

func (c *crowd) lost(err error) {
	if !c.closed.Load() {
		c.failed <- err
	}
}

func (c *crowd) bytes() (sum int64) {
	for _, s := range c.streams {
		sum += s.bytes
	}
	return sum
}

func (c *crowd) close() {
	c.closed.Store(true)
	for _, s := range c.streams {
		s.close()
	}
}
