// What the load generator asks about memory.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// heap writes the one metric that is asked for, by the name that Prometheus' client has for it.
func heap(writer http.ResponseWriter, _ *http.Request) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Fprintf(writer, "# TYPE go_memstats_heap_alloc_bytes gauge\ngo_memstats_heap_alloc_bytes %d\n", stats.HeapAlloc)
}

// collectWhenAsked collects garbage and gives its memory back at each SIGWINCH.
func collectWhenAsked() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGWINCH)
	for range asked {
		debug.FreeOSMemory()
	}
}
