// One client of endpoint discovery on a connection of its own: raw HTTP/2 with windows as wide as Envoy's, and every
// response ACKed at once. Only its own goroutine writes to it once it is open.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

const (
	frameData, frameHeaders, frameReset, frameSettings       = 0, 1, 3, 4
	framePing, frameGoAway, frameWindowUpdate                = 6, 7, 8
	flagEndStream, flagAck, flagEndHeaders                   = 1, 1, 4
	settingInitialWindow                                     = 4
	frameHead, messageHead, maxFrame                         = 9, 5, 16384
	widestWindow, replenishAt, defaultWindow           int64 = 1<<31 - 1, 1 << 29, 65535
)

type stream struct {
	conn     net.Conn
	reader   *bufio.Reader
	isDelta  bool
	node     []byte // sent with every ACK; empty: only with the first request
	names    []byte
	message  []byte
	have     int // bytes of head and message that have come
	head     [messageHead]byte
	pending  []byte // waits for the server's windows
	out      []byte
	consumed int64
	// What the server lets us send.
	connWindow, streamWindow, initialWindow int64
	responses, bytes                        int64
	// onResponse is called for each response when its ACK is written.
	onResponse func(message []byte)
	onError    func(error)
}

// open sends the first request; nothing is read before run.
func open(port int, isDelta bool, id string, nodeBytes int, inEveryAck bool, service string) (*stream, error) {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, reader: bufio.NewReaderSize(conn, 8192), isDelta: isDelta}
	s.connWindow, s.streamWindow, s.initialWindow = defaultWindow, defaultWindow, defaultWindow
	path, nodeField, typeField, nameField := "StreamEndpoints", 2, 4, 3
	if isDelta {
		path, nodeField, typeField, nameField = "DeltaEndpoints", 1, 2, 3
	}
	node := field(nodeField, nodeOf(id, nodeBytes))
	s.names = field(typeField, []byte(typeURL))
	subscribe := field(nameField, []byte(service))
	if !isDelta {
		s.names = append(s.names, subscribe...)
		subscribe = nil
	}
	if inEveryAck {
		s.node = node
	}
	s.out = append(s.out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"...)
	setting := binary.BigEndian.AppendUint16(nil, settingInitialWindow)
	s.frame(frameSettings, 0, 0, binary.BigEndian.AppendUint32(setting, uint32(widestWindow)))
	s.frame(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(widestWindow-defaultWindow)))
	s.frame(frameHeaders, flagEndHeaders, 1, requestHeaders("/envoy.service.endpoint.v3.EndpointDiscoveryService/"+path))
	s.send(node, s.names, subscribe)
	return s, s.flush()
}

func requestHeaders(path string) []byte {
	block := []byte{0x83, 0x86} // POST, http
	for _, pair := range [][2]string{{":path", path}, {":authority", "bench"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		block = append(block, 0, byte(len(pair[0])))
		block = append(append(block, pair[0]...), byte(len(pair[1])))
		block = append(block, pair[1]...)
	}
	return block
}

// run reads until the connection ends.
func (s *stream) run() {
	head := make([]byte, frameHead)
	for {
		if _, err := io.ReadFull(s.reader, head); err != nil {
			s.onError(err)
			return
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		var err error
		if head[3] == frameData {
			err = s.data(length)
		} else {
			err = s.control(head[3], head[4], binary.BigEndian.Uint32(head[5:]), length)
		}
		if err == nil && s.reader.Buffered() < frameHead {
			err = s.flush()
		}
		if err != nil {
			s.onError(err)
			return
		}
	}
}

func (s *stream) control(kind, flags byte, id uint32, length int) error {
	payload := make([]byte, length)
	if _, err := io.ReadFull(s.reader, payload); err != nil {
		return err
	}
	switch {
	case kind == frameSettings && flags&flagAck == 0:
		for ; len(payload) >= 6; payload = payload[6:] {
			if binary.BigEndian.Uint16(payload) == settingInitialWindow {
				initial := int64(binary.BigEndian.Uint32(payload[2:]))
				s.streamWindow += initial - s.initialWindow
				s.initialWindow = initial
			}
		}
		s.frame(frameSettings, flagAck, 0, nil)
	case kind == framePing && flags&flagAck == 0:
		s.frame(framePing, flagAck, 0, payload)
	case kind == frameWindowUpdate && id == 0:
		s.connWindow += int64(binary.BigEndian.Uint32(payload))
	case kind == frameWindowUpdate:
		s.streamWindow += int64(binary.BigEndian.Uint32(payload))
	case kind == frameReset, kind == frameGoAway, kind == frameHeaders && flags&flagEndStream != 0:
		return fmt.Errorf("the server ended the stream: frame %d %q", kind, bytes.ToValidUTF8(payload, nil))
	}
	return nil
}

// data takes a DATA frame: a part of a message, or of several.
func (s *stream) data(length int) error {
	s.consumed += int64(length)
	for length > 0 {
		var into []byte
		if s.have < messageHead {
			into = s.head[s.have:]
		} else {
			into = s.message[s.have-messageHead:]
		}
		into = into[:min(len(into), length)]
		if _, err := io.ReadFull(s.reader, into); err != nil {
			return err
		}
		s.have += len(into)
		length -= len(into)
		size := int(binary.BigEndian.Uint32(s.head[1:]))
		if s.have == messageHead {
			if cap(s.message) < size {
				s.message = make([]byte, size)
			}
			s.message = s.message[:size]
		}
		if s.have == messageHead+size {
			s.have = 0
			s.bytes += int64(size)
			s.responses++
			s.ack()
			if err := s.flush(); err != nil {
				return err
			}
			s.onResponse(s.message)
		}
	}
	return nil
}

func (s *stream) close() { s.conn.Close() }
