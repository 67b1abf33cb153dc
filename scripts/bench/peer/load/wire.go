// Protobuf and HTTP/2 by hand, the little of it that the generator needs: requests are encoded once, and of
// responses only version and nonce are read, so that the generator is not what is measured.
package main

import (
	"encoding/binary"
	"fmt"
)

const typeURL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

func field(number int, value []byte) []byte {
	encoded := binary.AppendUvarint(nil, uint64(number<<3|2))
	encoded = binary.AppendUvarint(encoded, uint64(len(value)))
	return append(encoded, value...)
}

// fields calls visit for each field of a message: with its bytes, or with its number where it is a varint. It stops
// where visit answers false.
func fields(message []byte, visit func(number int, value []byte, varint uint64) bool) {
	for len(message) > 0 {
		key, size := binary.Uvarint(message)
		if size <= 0 {
			panic("cut protobuf key")
		}
		message = message[size:]
		var value []byte
		var number uint64
		switch key & 7 {
		case 0:
			number, size = binary.Uvarint(message)
			message = message[size:]
		case 2:
			length, size := binary.Uvarint(message)
			value = message[size : size+int(length)]
			message = message[size+int(length):]
		default:
			panic(fmt.Sprintf("wire type %d", key&7))
		}
		if !visit(int(key>>3), value, number) {
			return
		}
	}
}

// nested is the bytes of the first such field of the first such field ...
func nested(message []byte, path ...int) []byte {
	for _, wanted := range path {
		var found []byte
		fields(message, func(number int, value []byte, _ uint64) bool {
			if number == wanted {
				found = value
			}
			return number != wanted
		})
		message = found
	}
	return message
}

// nodeOf encodes a node with the extension list that Envoy sends, until it has about `size` bytes.
func nodeOf(id string, size int) []byte {
	node := append(field(1, []byte(id)), field(2, []byte("bench"))...)
	node = append(node, field(6, []byte("envoy"))...)
	for i := 0; len(node) < size; i++ {
		name := fmt.Sprintf("envoy.filters.http.extension_%04d", i)
		extension := append(field(1, []byte(name)), field(2, []byte("envoy.filters.http"))...)
		url := "envoy.extensions.filters.http.extension.v3.Extension"
		extension = append(extension, field(6, []byte(url))...)
		node = append(node, field(9, extension)...)
	}
	return node
}

// weights reads index and weight of each endpoint of the assignment in a response.
func weights(response []byte, isDelta bool, visit func(index int, weight int)) {
	path := []int{2, 2}
	if isDelta {
		path = []int{2, 2, 2}
	}
	fields(nested(response, path...), func(number int, locality []byte, _ uint64) bool {
		if number == 2 {
			fields(locality, func(number int, host []byte, _ uint64) bool {
				if number == 2 {
					visitHost(host, visit)
				}
				return true
			})
		}
		return true
	})
}

func visitHost(host []byte, visit func(index int, weight int)) {
	var identity []byte
	weight := uint64(1)
	fields(host, func(number int, value []byte, _ uint64) bool {
		if number == 1 {
			identity = value
		} else if number == 4 {
			weight, _ = binary.Uvarint(value[1:])
		}
		return true
	})
	if weight != 1 {
		visit(indexOf(nested(identity, 1, 1, 2)), int(weight))
	}
}

// addressOf gives each instance an address of 127.0.0.0/8 that nobody ever connects to.
func addressOf(index int) string {
	return fmt.Sprintf("127.%d.%d.%d", index>>16&255, index>>8&255, index&255)
}

func indexOf(address []byte) int {
	index, part := 0, 0
	for _, char := range address {
		if char == '.' {
			index, part = index<<8|part, 0
		} else {
			part = part*10 + int(char-'0')
		}
	}
	return (index<<8 | part) & 0xffffff
}
