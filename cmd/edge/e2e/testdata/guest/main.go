// Guest is what the benchmarks run inside sandboxes: a trivial server, and a
// program that prints.
package main

import (
	"bufio"
	"fmt"
	"net"
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
		return serve(args[1])
	case len(args) == 2 && args[0] == "print":
		return printBlocks(args[1])
	}
	return fmt.Errorf("arguments %q; want serve PORT or print BYTES", args)
}

// serve sends everybody back what they send, and says when it can be reached.
func serve(port string) error {
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
		go echo(c)
	}
}

// echo ends when whoever is there has enough.
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
