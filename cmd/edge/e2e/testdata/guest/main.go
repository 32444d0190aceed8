// Guest is what the benchmarks run inside sandboxes: trivial servers, and a program
// that prints. Outside it is a client in a process of its own.
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
	"time"
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
	case len(args) == 2 && args[0] == "web":
		return serve(args[1], web)
	case len(args) == 1 && args[0] == "load":
		return load(os.Stdin, os.Stdout)
	case len(args) == 4 && args[0] == "names":
		return names(args[1], args[2], args[3])
	}
	return fmt.Errorf("arguments %q; want serve PORT, upgrade PORT, web PORT, print BYTES, names PORT COUNT NAME or load", args)
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

// names serves HTTP on so many ports from the first on, and answers everything with
// the name and the port.
func names(first, count, name string) error {
	port, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for p := port; p < port+n; p++ {
		ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			return err
		}
		go func() {
			failed <- http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%s:%d", name, p) }))
		}()
	}
	fmt.Println("listening")
	return <-failed
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

// page is an answer as an application gives it.
const page = "HTTP/1.1 200 OK\r\nServer: guest\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Cache-Control: no-store\r\nSet-Cookie: visit=1; Path=/; HttpOnly\r\nContent-Length: 13\r\n\r\nHello, world!"

// web answers every request with the page. Requests are short: each comes with one
// read.
func web(c net.Conn) {
	defer c.Close()
	b := make([]byte, 8<<10)
	for {
		if n, err := c.Read(b); err != nil || n < 4 {
			return
		}
		if _, err := io.WriteString(c, page); err != nil {
			return
		}
	}
}

// load makes requests as the lines say that come, "127.0.0.1:80 a.localhost 8 1000"
// for 1000 of them to that host there over 8 connections, and answers each line with
// how many nanoseconds they took.
func load(in io.Reader, out io.Writer) error {
	conns := map[string][]*client{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var addr, host string
		var wide, n int
		if _, err := fmt.Sscan(lines.Text(), &addr, &host, &wide, &n); err != nil {
			return err
		}
		for len(conns[addr]) < wide {
			c, err := newClient(addr, host)
			if err != nil {
				return err
			}
			conns[addr] = append(conns[addr], c)
		}
		began := time.Now()
		failed := make(chan error, wide)
		for _, c := range conns[addr] {
			go func() { failed <- c.ask(n / wide) }()
		}
		for range wide {
			if err := <-failed; err != nil {
				return err
			}
		}
		fmt.Fprintln(out, time.Since(began).Nanoseconds())
	}
	return nil
}

// client is one connection on which requests are made.
type client struct {
	net.Conn
	r       *bufio.Reader
	request string
}

func newClient(addr, host string) (*client, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReader(c), "GET /api/items?page=2 HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\n" +
		"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip\r\nReferer: http://" + host + "/items\r\nCookie: session=0123456789abcdef\r\n\r\n"}, nil
}

// ask makes n requests and wants the page for each.
func (c *client) ask(n int) error {
	for range n {
		if _, err := io.WriteString(c, c.request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.HasSuffix(page, string(body)) {
			return fmt.Errorf("status %d, %q: %v", resp.StatusCode, body, err)
		}
	}
	return nil
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
