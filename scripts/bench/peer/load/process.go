// What the kernel says of a server's process.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// cpu is the processor time that the process has used, to the nanosecond: Linux gives every process a clock of it.
func cpu(pid int) time.Duration {
	const schedClock = 2
	var spec syscall.Timespec
	clock := uintptr(^pid<<3 | schedClock)
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&spec)), 0); errno != 0 {
		panic(fmt.Sprintf("no CPU clock of process %d: %v", pid, errno))
	}
	return time.Duration(spec.Nano())
}

// resident is the process's resident memory, bytes.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		panic(err)
	}
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// settle waits until the process has nothing left to do, at most two seconds.
func settle(pid int) {
	const step, idle = 10 * time.Millisecond, 150 * time.Microsecond
	calm := 0
	for before, tries := cpu(pid), 0; calm < 2 && tries < 200; tries++ {
		time.Sleep(step)
		now := cpu(pid)
		if now-before < idle {
			calm++
		} else {
			calm = 0
		}
		before = now
	}
}
