// The sending half of a stream: ACKs, and frames within the windows that the server grants.
package main

import (
	"encoding/binary"
)

func (s *stream) ack() {
	versionField, nonceField, ackNonceField := 1, 5, 5
	if s.isDelta {
		ackNonceField = 6
	}
	var version, nonce []byte
	fields(s.message, func(number int, value []byte, _ uint64) bool {
		if number == versionField {
			version = value
		} else if number == nonceField {
			nonce = value
		}
		return true
	})
	if s.isDelta {
		s.send(s.node, s.names, field(ackNonceField, nonce))
	} else {
		s.send(field(versionField, version), s.node, s.names, field(ackNonceField, nonce))
	}
}

// send queues a message.
func (s *stream) send(parts ...[]byte) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	s.pending = append(s.pending, 0)
	s.pending = binary.BigEndian.AppendUint32(s.pending, uint32(size))
	for _, part := range parts {
		s.pending = append(s.pending, part...)
	}
}

// flush writes what is queued, as far as the windows go.
func (s *stream) flush() error {
	for len(s.pending) > 0 {
		size := min(int64(len(s.pending)), s.connWindow, s.streamWindow, maxFrame)
		if size <= 0 {
			break
		}
		s.frame(frameData, 0, 1, s.pending[:size])
		s.connWindow -= size
		s.streamWindow -= size
		s.pending = s.pending[size:]
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
	if s.consumed > replenishAt {
		granted := binary.BigEndian.AppendUint32(nil, uint32(s.consumed))
		s.frame(frameWindowUpdate, 0, 0, granted)
		s.frame(frameWindowUpdate, 0, 1, granted)
		s.consumed = 0
	}
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = nil
	return err
}

func (s *stream) frame(kind, flags byte, id uint32, payload []byte) {
	length := len(payload)
	s.out = append(s.out, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	s.out = binary.BigEndian.AppendUint32(s.out, id)
	s.out = append(s.out, payload...)
}
