// The same assignments as Rollcall builds: one locality without a name, healthy hosts, a weight where it is not 1.
package main

import (
	"fmt"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func assignment(service string, endpoints int) *endpoint.ClusterLoadAssignment {
	hosts := make([]*endpoint.LbEndpoint, endpoints)
	for i := range hosts {
		hosts[i] = lbEndpoint(i, 1)
	}
	return assignmentOf(service, hosts)
}

func assignmentOf(service string, hosts []*endpoint.LbEndpoint) *endpoint.ClusterLoadAssignment {
	sum := uint32(0)
	for _, host := range hosts {
		sum += max(1, host.GetLoadBalancingWeight().GetValue())
	}
	return &endpoint.ClusterLoadAssignment{
		ClusterName: service,
		Endpoints: []*endpoint.LocalityLbEndpoints{{
			Locality:            &core.Locality{},
			LbEndpoints:         hosts,
			LoadBalancingWeight: wrapperspb.UInt32(sum),
		}},
	}
}

func lbEndpoint(index int, weight uint32) *endpoint.LbEndpoint {
	host := &endpoint.LbEndpoint{
		HealthStatus: core.HealthStatus_HEALTHY,
		HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
				Address:       fmt.Sprintf("127.%d.%d.%d", index>>16&255, index>>8&255, index&255),
				PortSpecifier: &core.SocketAddress_PortValue{PortValue: 8000},
			}}},
		}},
	}
	if weight != 1 {
		host.LoadBalancingWeight = wrapperspb.UInt32(weight)
	}
	return host
}
