// A server under test, and the calls that change it: Rollcall's are registrations, the peer's have a path of their own.
package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

type target struct {
	Name     string `json:"name"`
	IsPeer   bool   `json:"isPeer"`
	GrpcPort int    `json:"grpcPort"`
	HTTPPort int    `json:"httpPort"`
	Pid      int    `json:"pid"`
	// sequence is the newest weight; each change takes the next.
	sequence int
	http     *caller
}

type lease struct {
	service     string
	index       int
	incarnation int
}

// change is the request that sets the endpoint's weight.
func (t *target) change(service, index, weight int) []byte {
	if t.IsPeer {
		return httpRequest("PUT", fmt.Sprintf("/weight?service=%d&index=%d&weight=%d", service, index, weight), "", "")
	}
	return register(serviceOf(service), index, weight)
}

// next is the next change of the endpoint.
func (t *target) next(service, index int) []byte {
	t.sequence = max(t.sequence, 1) + 1
	return t.change(service, index, t.sequence)
}

func serviceOf(service int) string { return fmt.Sprintf("bench-%d", service) }

func register(service string, index, weight int) []byte {
	body := fmt.Sprintf(`{"address":"%s","port":8000,"weight":%d,"ttlMs":3600000}`, addressOf(index), weight)
	path := fmt.Sprintf("/v1/services/%s/instances/i%d", service, index)
	return httpRequest("PUT", path, "rollcall-lease-secret: "+secretOf(index)+"\r\n", body)
}

func secretOf(index int) string {
	secret := fmt.Sprintf("bench-%d-", index)
	return secret + strings.Repeat("0", 43-len(secret))
}

// registerAll registers instances 0 to count-1 of a service over 64 connections.
func (t *target) registerAll(service string, count int) []lease {
	leases := make([]lease, count)
	const callers = 64
	together(callers, func(i int) {
		caller := dial(t.HTTPPort)
		defer caller.conn.Close()
		for index := i; index < count; index += callers {
			answer := caller.call(register(service, index, 1))
			leases[index] = lease{service, index, incarnationIn(answer)}
		}
	})
	return leases
}

func incarnationIn(answer []byte) int {
	_, rest, _ := bytes.Cut(answer, []byte(`"incarnation":`))
	end := bytes.IndexAny(rest, ",}")
	incarnation, err := strconv.Atoi(string(rest[:max(end, 0)]))
	if err != nil {
		panic(fmt.Sprintf("no incarnation in %q", answer))
	}
	return incarnation
}

func (t *target) heartbeat(l lease) []byte {
	path := fmt.Sprintf("/v1/services/%s/instances/i%d/heartbeat", l.service, l.index)
	headers := fmt.Sprintf("rollcall-lease-secret: %s\r\nrollcall-incarnation: %d\r\n", secretOf(l.index), l.incarnation)
	return httpRequest("PUT", path, headers, "")
}

func (t *target) batch(leases []lease) []byte {
	beats := make([]string, len(leases))
	for i, l := range leases {
		beats[i] = fmt.Sprintf(`{"service":"%s","instanceId":"i%d","incarnation":%d,"leaseSecret":"%s"}`,
			l.service, l.index, l.incarnation, secretOf(l.index))
	}
	return httpRequest("POST", "/v1/heartbeats", "", `{"heartbeats":[`+strings.Join(beats, ",")+`]}`)
}
