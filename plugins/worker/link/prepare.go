package link

import (
	wire "encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Script is JavaScript with the name that stack traces show.
type Script struct{ Name, Source string }

// Guest is a fresh instance of what Building returned. Its edge1 functions may all
// answer UNSUPPORTED.
type Guest interface {
	// Call calls an exported function; without a result it returns 0.
	Call(name string, args ...uint64) (uint64, error)
	// Read returns a copy of memory, and whether there is so much of it.
	Read(at, n uint32) ([]byte, bool)
	// Memory returns all of memory, which is the caller's then: nothing is asked of the
	// guest any more.
	Memory() []byte
	// Write changes memory, and says whether there is so much of it.
	Write(at uint32, b []byte) bool
	// Size is that of the memory, in bytes.
	Size() uint32
	// Grow adds pages of 64 KiB to the memory, and says whether there is room.
	Grow(pages uint32) bool
}

// Messages of a ScriptError whose script was stopped.
const (
	// Interrupted is that of one that computed for too long.
	Interrupted = "InternalError: interrupted"
	// OutOfMemory is that of one that took too much memory, or NoError if that was too
	// little for an Error. A script can throw both itself: see ScriptError.Starved.
	OutOfMemory = "InternalError: out of memory"
	NoError     = "null"
)

// ScriptError is an exception that a script ended with.
type ScriptError struct {
	// Script is the name of the script.
	Script string
	// Message is the exception as a string, as "TypeError: x is not a function".
	Message string
	// Stack has a line for each call, innermost first; empty for what is no Error.
	Stack string
	// Starved says that there was no memory for something before it.
	Starved bool
}

func (e *ScriptError) Error() string { return fmt.Sprintf("%s: %s\n%s", e.Script, e.Message, e.Stack) }

// errMemory is a guest without room for what it is to do.
var errMemory = errors.New("the engine has not enough memory")

// Compile returns bytecode of the runtime for Start, whose functions do not know their
// source. The guest is of no use then.
func (m *Module) Compile(g Guest, runtime Script) ([]byte, error) {
	if _, err := g.Call("build_begin"); err != nil {
		return nil, err
	}
	if err := run(g, "build_compile", runtime.Name, runtime.Source, runtime.Name); err != nil {
		return nil, err
	}
	return []byte(text(g, cellViews)), nil
}

// Start has the guest run the runtime, as Compile returned it: its __edge then holds
// the handlers. It returns the memory that it leaves.
func (m *Module) Start(g Guest, runtime []byte) ([]byte, error) {
	if _, err := g.Call("build_begin"); err != nil {
		return nil, err
	}
	if err := run(g, "build_run", "the runtime", string(runtime)); err != nil {
		return nil, err
	}
	if _, err := g.Call("build_keep"); err != nil {
		return nil, err
	}
	return settled(g, "the runtime")
}

// Continue has the guest evaluate the scripts, one after the other, on top of base,
// which Start or Continue returned, and returns the memory that they leave for
// Bake. base must not change after that.
func (m *Module) Continue(g Guest, base []byte, scripts []Script) ([]byte, error) {
	if size := g.Size(); uint32(len(base)) > size && !g.Grow((uint32(len(base))-size)/wasmPage) || !g.Write(0, base) {
		return nil, errMemory
	}
	m.mu.Lock()
	if m.base == nil || len(m.base.memory) != len(base) || len(base) > 0 && &m.base.memory[0] != &base[0] {
		m.base = encodeImage(base, nil)
	}
	m.mu.Unlock()
	name := ""
	for _, s := range scripts {
		if err := run(g, "build_eval", s.Name, s.Source, s.Name); err != nil {
			return nil, err
		}
		name = s.Name
	}
	return settled(g, name)
}

// settled runs what was left to be done, collects garbage and returns the memory. name
// is that of the script which left it.
func settled(g Guest, name string) ([]byte, error) {
	stopped, err := g.Call("build_settle")
	if err != nil {
		return nil, err
	}
	if stopped != 0 {
		return nil, &ScriptError{Script: name, Message: Interrupted}
	}
	memory := g.Memory()
	if len(memory) < engineStack {
		return nil, errors.New("the engine's memory cannot be read")
	}
	clear(memory[dead:engineStack]) // what calls left on the stack
	return memory, nil
}

// starvedToo is what a function of the build returns that failed, in place of 1, if there
// was no memory for something.
const starvedToo = 2

// run calls a function with texts, and the length of the first after it. name is for
// errors.
func run(g Guest, function, name string, texts ...string) error {
	var args, sent []uint64
	for i, text := range texts {
		p, err := g.Call("malloc", uint64(len(text)+1))
		if err != nil {
			return err
		}
		if p == 0 || !g.Write(uint32(p), append([]byte(text), 0)) {
			return fmt.Errorf("%w: %s has %d bytes", errMemory, name, len(texts[0]))
		}
		args, sent = append(args, p), append(sent, p)
		if i == 0 {
			args = append(args, uint64(len(text)))
		}
	}
	failed, err := g.Call(function, args...)
	if err != nil {
		return err
	}
	if failed != 0 {
		return &ScriptError{Script: name, Message: text(g, cellViews), Stack: text(g, cellViews+16), Starved: failed == starvedToo}
	}
	for _, p := range sent {
		if _, err := g.Call("free", p); err != nil {
			return err
		}
	}
	return nil
}

// text reads what a view's cell shows.
func text(g Guest, cell uint32) string {
	b, ok := g.Read(cell, 8)
	if !ok {
		return ""
	}
	b, _ = g.Read(wire.LittleEndian.Uint32(b), wire.LittleEndian.Uint32(b[4:]))
	return string(slices.Clone(b))
}
