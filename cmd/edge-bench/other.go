//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

// errLinux is that the load and the backend are made of epoll.
var errLinux = errors.New("measures on Linux only")

func measure(context.Context, options, io.Writer) (*results, error) { return nil, errLinux }

func echoCommand(context.Context, []string, io.Writer) error { return errLinux }

func reverseProxyCommand(context.Context, []string, io.Writer) error { return errLinux }
