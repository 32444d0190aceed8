package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// serve answers HTTP on every address that is given, until it is killed. "own:PORT" is
// the sandbox's first address besides loopback, "only6:PORT" the IPv6 ones without
// IPv4, and "FIRST+N:PORT" an address with as many ports from that one on.
func serve(args []string) error {
	return serveEach(args, func(ln net.Listener) error {
		return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/crash":
				fmt.Fprintln(os.Stderr, "boom: the server crashes")
				os.Exit(3)
			case "/eat":
				_ = eat([]string{"1024"}) // MiB
			}
			fmt.Fprintf(w, "hello from %s", ln.Addr())
		}))
	})
}

// hangUp accepts connections and closes them at once.
func hangUp(args []string) error {
	return serveEach(args, func(ln net.Listener) error {
		for {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			c.Close()
		}
	})
}

func serveEach(addrs []string, one func(net.Listener) error) error {
	failed := make(chan error)
	for _, addr := range addrs {
		lns, err := listenOn(addr)
		if err != nil {
			return err
		}
		for _, ln := range lns {
			go func() { failed <- one(ln) }()
		}
	}
	return <-failed
}

// listenOn listens on what an argument of serve means.
func listenOn(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	network, count := "tcp", 1
	if plain, more, ok := strings.Cut(host, "+"); ok {
		host = plain
		if count, err = strconv.Atoi(more); err != nil {
			return nil, err
		}
	}
	switch host {
	case "own":
		if host, err = ownAddress(); err != nil {
			return nil, err
		}
	case "only6":
		host, network = "::", "tcp6"
	case "0.0.0.0":
		network = "tcp4" // else it is IPv6 too
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	var lns []net.Listener
	for i := range count {
		ln, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(first+i)))
		if err != nil {
			return nil, err
		}
		lns = append(lns, ln)
	}
	return lns, nil
}

func ownAddress() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			return ip.IP.String(), nil
		}
	}
	return "", errors.New("no address but loopback")
}

// daemon serves from a process of its own session whose parent has ended.
func daemon(args []string) error {
	cmd := exec.Command("/.edge/init", append([]string{"serve"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	return cmd.Start()
}
