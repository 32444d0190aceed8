//go:build !linux

package netns

import (
	"context"
	"errors"
	"net"
)

var errUnsupported = errors.New("dialling into a network namespace needs Linux")

// Gate bounds how many threads are in foreign namespaces at once.
type Gate struct{}

// Namespace is a network namespace that can be dialled into.
type Namespace struct{}

// NewGate returns a Gate whose Open fails: there are no namespaces here.
func NewGate(int) *Gate { return &Gate{} }

// Open fails: there are no network namespaces here.
func Open(int) (*Namespace, error) { return nil, errUnsupported }

// Open fails: there are no network namespaces here.
func (*Gate) Open(int) (*Namespace, error) { return nil, errUnsupported }

// Dial fails: there are no network namespaces here.
func (*Namespace) Dial(context.Context, int) (net.Conn, error) { return nil, errUnsupported }

// Close does nothing.
func (*Namespace) Close() error { return nil }
