package plugins

import (
	"errors"
	"fmt"

	"edge/plugins/archive"
)

// maxModule bounds the size of a module. A larger one could not be kept.
const maxModule = archive.MaxModule

// Module is the content of a plugin, wherever it comes from.
type Module struct {
	// Bytes is a WebAssembly module; the registry keeps it and the caller must not
	// change it any more.
	Bytes []byte
	// Signature is an ed25519 signature (RFC 8032, 64 bytes) of the 32 bytes of the
	// module's SHA-256; nil is none.
	Signature []byte
	// Origin says where the module is from, for people: a file's path, "upload",
	// an image's reference.
	Origin string
	// Asked is true for a module that somebody asked for just now. It is tried
	// even if it was refused before, and leaves quarantine.
	Asked bool

	digest string // Digest's, once it is known
}

// Digest returns the SHA-256 of Bytes, in hexadecimal. It is computed once; copies of m
// that are made afterwards know it too.
func (m *Module) Digest() string {
	if m.digest == "" {
		m.digest = digestOf(m.Bytes)
	}
	return m.digest
}

// Step is a part of the way that every new module goes before it serves.
type Step string

// The steps, in their order. They are append-only.
const (
	StepRead       Step = "read"       // the source can be read, and is not too large
	StepDigest     Step = "digest"     // it is the module that Spec.Digest names
	StepSignature  Step = "signature"  // Spec.SignedBy signed it
	StepQuarantine Step = "quarantine" // it was not given up before
	StepMeter      Step = "meter"      // it is a module, and fuel can be counted in it
	StepCompile    Step = "compile"
	StepImports    Step = "imports"   // what it imports is there and granted, what it must export too
	StepStart      Step = "start"     // instantiating it, _initialize
	StepInit       Step = "init"      // edge_init
	StepSelfTest   Step = "self-test" // edge_selftest
	StepReplay     Step = "replay"    // Spec.Replay
	StepCanary     Step = "canary"    // a share of the requests, Spec.Canary
	StepService    Step = "service"   // all of them, Spec.Rollback
)

// RefusedError is a module that is not taken. errors.Is(err, ErrRefused) is
// true.
type RefusedError struct {
	Step Step
	Err  error // why, in one line
}

// Error says why in one line.
func (e *RefusedError) Error() string { return ErrRefused.Error() + ": " + e.Err.Error() }

// Unwrap is ErrRefused and the reason.
func (e *RefusedError) Unwrap() []error { return []error{ErrRefused, e.Err} }

// ErrNoPlugin is a name that no plugin of the registry has.
var ErrNoPlugin = errors.New("there is no such plugin")

// ErrNoVersion is a digest, or the lack of one, that names no version which
// Rollback could bring back.
var ErrNoVersion = errors.New("there is no such version")

// readModule reads a module's file and its signature, if it has one.
func readModule(path string) (Module, error) {
	content, err := readFile(path, maxModule)
	if err != nil {
		return Module{}, err
	}
	signature, err := readSignature(path)
	return Module{Bytes: content, Signature: signature, Origin: path}, err
}

// readFile reads a whole file of at most most bytes; the error for one that is not
// to be read, such as a named pipe, is a *RefusedError.
func readFile(path string, most int64) ([]byte, error) {
	content, err := archive.ReadFile(path, most)
	var unfit *archive.UnfitError
	if errors.As(err, &unfit) {
		return nil, &RefusedError{StepRead, unfit}
	}
	return content, err
}

func tooLarge(most int64) error {
	return &RefusedError{StepRead, fmt.Errorf("it is larger than %d bytes", most)}
}

// stepOf returns the step at which a load ended with err, which had come as far
// as step.
func stepOf(err error, step Step) Step {
	var refused *RefusedError
	var guest *guestError
	switch {
	case errors.As(err, &refused) && refused.Step != "":
		return refused.Step
	case !errors.As(err, &guest):
		return step
	}
	switch guest.step {
	case "edge_init":
		return StepInit
	case "edge_selftest":
		return StepSelfTest
	case "compiling it":
		return StepCompile
	}
	return StepStart
}
