// Guest is what the benchmarks run inside sandboxes: trivial servers, and a program
// that prints.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1], echo)
	case len(args) == 2 && args[0] == "print":
		return printBlocks(args[1])
	case len(args) == 2 && args[0] == "upgrade":
		return serve(args[1], upgrade)
	}
	return fmt.Errorf("arguments %q; want serve PORT, upgrade PORT or print BYTES", args)
}

// serve has everybody answered, and says when it can be reached.
func serve(port string, answer func(net.Conn)) error {
	ln, err := net.Listen("tcp", "0.0.0.0:"+port)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

// upgrade accepts a WebSocket (RFC 6455, section 4.2.2) and says nothing on it.
func upgrade(c net.Conn) {
	defer c.Close()
	req, err := http.ReadRequest(bufio.NewReaderSize(c, 1<<10))
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	io.Copy(io.Discard, c)
}

// echo sends back what comes, and ends when whoever is there has enough.
func echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 512)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// blockBytes is the size of a numbered block: a line with the number, and one that
// is always the same.
const blockBytes = 4096

// printBlocks prints that many bytes, a multiple of blockBytes.
func printBlocks(size string) error {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(os.Stdout, 16*blockBytes)
	rest := strings.Repeat("x", blockBytes-17) + "\n"
	for i := range n / blockBytes {
		if _, err := fmt.Fprintf(w, "%015d\n%s", i, rest); err != nil {
			return err
		}
	}
	return w.Flush()
}
