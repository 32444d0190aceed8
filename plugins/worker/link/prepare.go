package link

import (
	wire "encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Script is JavaScript with the name that stack traces show.
type Script struct{ Name, Source string }

// Guest is a running instance of what Building returned.
type Guest interface {
	// Call calls an exported function; without a result it returns 0.
	Call(name string, args ...uint64) (uint64, error)
	// Read returns a copy of memory, and whether there is so much of it.
	Read(at, n uint32) ([]byte, bool)
	Write(at uint32, b []byte) bool
	// Size is that of the memory, in bytes.
	Size() uint32
}

// ScriptError is an exception that a script ended with.
type ScriptError struct{ Script, Message, Stack string }

func (e *ScriptError) Error() string { return fmt.Sprintf("%s: %s\n%s", e.Script, e.Message, e.Stack) }

// Prepare evaluates the scripts one after the other and returns the memory that they
// leave, for Bake. The first of them is the runtime: its __edge holds the handlers.
// Each entry of the finished module may compute for limit nanoseconds before its
// JavaScript is interrupted; 0 is no bound.
func (m *Module) Prepare(g Guest, scripts []Script, limit uint64) ([]byte, error) {
	if _, err := g.Call("build_begin"); err != nil {
		return nil, err
	}
	for i, s := range scripts {
		if err := evaluate(g, s); err != nil {
			return nil, err
		}
		if i == 0 {
			if _, err := g.Call("build_keep"); err != nil {
				return nil, err
			}
		}
	}
	if _, err := g.Call("build_settle"); err != nil {
		return nil, err
	}
	memory, ok := g.Read(0, g.Size())
	if !ok {
		return nil, errors.New("the engine's memory cannot be read")
	}
	clear(memory[output:engineStack]) // what calls left on the stack
	wire.LittleEndian.PutUint64(memory[cellLimit:], limit)
	return memory, nil
}

func evaluate(g Guest, s Script) error {
	var at [2]uint32
	for i, text := range []string{s.Source, s.Name} {
		p, err := g.Call("malloc", uint64(len(text)+1))
		if err != nil {
			return err
		}
		if p == 0 || !g.Write(uint32(p), append([]byte(text), 0)) {
			return errors.New("no memory for " + s.Name)
		}
		at[i] = uint32(p)
	}
	failed, err := g.Call("build_eval", uint64(at[0]), uint64(len(s.Source)), uint64(at[1]))
	if err != nil {
		return err
	}
	if failed != 0 {
		return &ScriptError{s.Name, text(g, cellViews), text(g, cellViews+16)}
	}
	for _, p := range at {
		if _, err := g.Call("free", uint64(p)); err != nil {
			return err
		}
	}
	return nil
}

// text reads what view wrote to a cell.
func text(g Guest, cell uint32) string {
	b, ok := g.Read(cell, 8)
	if !ok {
		return ""
	}
	b, _ = g.Read(wire.LittleEndian.Uint32(b), wire.LittleEndian.Uint32(b[4:]))
	return string(slices.Clone(b))
}
