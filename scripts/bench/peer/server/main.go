// The peer: a small EDS server on go-control-plane, with its snapshot or its linear cache. It starts with
// -services x -endpoints endpoints in memory; `PUT /weight?service=&index=&weight=` changes one of them, and is
// answered when the cache has taken the change. `GET /metrics` says what its heap has, SIGWINCH collects garbage. One JSON
// line on stdout says that it is ready, and where.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	eds "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// publish makes the service's new assignment visible to the streams.
type publish func(assignments []types.Resource, changed int) error

func main() {
	kind := flag.String("cache", "linear", "linear or snapshot")
	services := flag.Int("services", 1, "services, named bench-0, bench-1, ...")
	endpoints := flag.Int("endpoints", 10, "endpoints of each service")
	flag.Parse()

	assignments := make([]types.Resource, *services)
	for i := range assignments {
		assignments[i] = assignment(fmt.Sprintf("bench-%d", i), *endpoints)
	}
	xds, update, err := newCache(*kind, assignments)
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	eds.RegisterEndpointDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), xds, nil))
	grpcListener := listen()
	httpListener := listen()
	go func() { log.Fatal(grpcServer.Serve(grpcListener)) }()
	mux := http.NewServeMux()
	mux.Handle("/weight", weights(assignments, update))
	mux.HandleFunc("/metrics", heap)
	go func() { log.Fatal(http.Serve(httpListener, mux)) }()
	go collectWhenAsked()
	fmt.Printf("{\"msg\":\"ready\",\"grpcPort\":%d,\"httpPort\":%d}\n", port(grpcListener), port(httpListener))

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

func newCache(kind string, assignments []types.Resource) (cache.Cache, publish, error) {
	if kind == "linear" {
		linear := cache.NewLinearCache(resource.EndpointType)
		all := make(map[string]types.Resource, len(assignments))
		for _, each := range assignments {
			all[cache.GetResourceName(each)] = each
		}
		linear.SetResources(all)
		return linear, func(assignments []types.Resource, changed int) error {
			each := assignments[changed]
			return linear.UpdateResource(cache.GetResourceName(each), each)
		}, nil
	}
	snapshots := cache.NewSnapshotCache(false, oneNode{}, nil)
	version := 0
	update := func(assignments []types.Resource, _ int) error {
		version++
		all := map[resource.Type][]types.Resource{resource.EndpointType: assignments}
		snapshot, err := cache.NewSnapshot(strconv.Itoa(version), all)
		if err != nil {
			return err
		}
		return snapshots.SetSnapshot(context.Background(), "all", snapshot)
	}
	return snapshots, update, update(assignments, 0)
}

// oneNode gives every client the same snapshot.
type oneNode struct{}

func (oneNode) ID(*core.Node) string { return "all" }

// weights sets the weight of one endpoint in a new assignment that shares all the others with the old one.
func weights(assignments []types.Resource, update publish) http.Handler {
	var lock sync.Mutex
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		query := request.URL.Query()
		service, serviceErr := strconv.Atoi(query.Get("service"))
		index, indexErr := strconv.Atoi(query.Get("index"))
		weight, weightErr := strconv.ParseUint(query.Get("weight"), 10, 32)
		if serviceErr != nil || indexErr != nil || weightErr != nil || service < 0 || service >= len(assignments) {
			http.Error(writer, "service, index and weight are numbers", http.StatusBadRequest)
			return
		}
		lock.Lock()
		defer lock.Unlock()
		old := assignments[service].(*endpoint.ClusterLoadAssignment)
		hosts := old.Endpoints[0].LbEndpoints
		if index < 0 || index >= len(hosts) {
			http.Error(writer, "no such index", http.StatusBadRequest)
			return
		}
		changed := append([]*endpoint.LbEndpoint(nil), hosts...)
		changed[index] = lbEndpoint(index, uint32(weight))
		assignments[service] = assignmentOf(old.ClusterName, changed)
		if err := update(assignments, service); err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		writer.WriteHeader(http.StatusNoContent)
	})
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func port(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port
}
