// Guest is the init of the containers in this package's tests: a static program
// that serves echo on a few ports and does what a socket of the host tells it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type command struct {
	Write, Text string
	Read        string
	Env         string
	Eat         int
}

type answer struct{ Text, Err string }

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		os.Exit(7)
	}()
	for _, a := range []string{"127.0.0.1:8080", "[::1]:8081", "0.0.0.0:8082"} {
		ln, err := net.Listen("tcp", a)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go serveEcho(ln)
	}
	for {
		c, err := net.Dial("unix", "/.edge/run/s")
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		obey(c)
	}
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func obey(c net.Conn) {
	defer c.Close()
	for s := bufio.NewScanner(c); s.Scan(); {
		var cmd command
		if err := json.Unmarshal(s.Bytes(), &cmd); err != nil {
			return
		}
		b, _ := json.Marshal(cmd.run())
		if _, err := c.Write(append(b, '\n')); err != nil {
			return
		}
	}
}

func (c command) run() (a answer) {
	var err error
	switch {
	case c.Write != "":
		err = os.WriteFile(c.Write, []byte(c.Text), 0o644)
	case c.Read != "":
		var b []byte
		b, err = os.ReadFile(c.Read)
		a.Text = string(b)
	case c.Env != "":
		a.Text = os.Getenv(c.Env)
	case c.Eat > 0:
		b := make([]byte, c.Eat)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		a.Text = fmt.Sprint(len(b))
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}
