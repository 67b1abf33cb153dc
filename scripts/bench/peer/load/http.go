// A client of HTTP/1.1 on one kept connection: requests are bytes that were made before.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

type caller struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(port int) *caller {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		panic(err)
	}
	return &caller{conn, bufio.NewReader(conn)}
}

// call panics on any answer but a 2xx: a benchmark of refusals measures nothing.
func (c *caller) call(request []byte) []byte {
	if _, err := c.conn.Write(request); err != nil {
		panic(err)
	}
	status, length := 0, 0
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			panic(err)
		}
		if status == 0 {
			status, _ = strconv.Atoi(string(line[9:12]))
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.reader, body); err != nil {
		panic(err)
	}
	if status/100 != 2 {
		panic(fmt.Sprintf("HTTP %d: %s", status, body))
	}
	return body
}

func httpRequest(method, path string, headers string, body string) []byte {
	if body != "" {
		headers += "content-type: application/json\r\n"
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%scontent-length: %d\r\n\r\n", method, path, headers, len(body))
	return []byte(head + body)
}
