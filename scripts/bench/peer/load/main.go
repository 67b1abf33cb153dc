// The load generator: reads one job, JSON, from stdin and prints its result, JSON, on stdout. It drives any number
// of servers in turn (A B A B ...), so that each figure of one has a neighbour in time of the other.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

type job struct {
	Part     string    `json:"part"`
	Targets  []*target `json:"targets"`
	Streams  int       `json:"streams"`
	Services int       `json:"services"`
	// Endpoints of each service.
	Endpoints int    `json:"endpoints"`
	Mode      string `json:"mode"` // sotw or delta
	NodeBytes int    `json:"nodeBytes"`
	// Whether the node is in every ACK, as Envoy has it, or in the first request only.
	NodeInAcks bool `json:"nodeInAcks"`
	// The service that is changed; streams watch 0.
	Changed int `json:"changed"`
	Changes int `json:"changes"`
	Warmup  int `json:"warmup"`
	// Changes a second, and for how long.
	Rate    int     `json:"rate"`
	Seconds float64 `json:"seconds"`
	Rounds  int     `json:"rounds"`
	// Heartbeats in one request; 0: one request each.
	Batch int `json:"batch"`
}

var parts = map[string]func(job) any{
	"fan-out":    fanOut,
	"latency":    latency,
	"churn":      churn,
	"idle":       idle,
	"register":   registerInstances,
	"heartbeats": heartbeats,
}

func main() {
	var wanted job
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		fail(err)
	}
	run, ok := parts[wanted.Part]
	if !ok {
		fail(fmt.Errorf("no part %q", wanted.Part))
	}
	for _, each := range wanted.Targets {
		each.http = dial(each.HTTPPort)
	}
	if err := json.NewEncoder(os.Stdout).Encode(run(wanted)); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// together runs the work `count` times side by side and waits for all.
func together(count int, work func(i int)) {
	var group sync.WaitGroup
	for i := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			work(i)
		}()
	}
	group.Wait()
}
