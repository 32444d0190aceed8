package source

import (
	"context"
	"errors"
	"fmt"
)

// MaxModuleBytes bounds a module. What says that it is larger is not fetched.
const MaxModuleBytes = 256 << 20

// Errors of sources.
var (
	// ErrNoModule is the error of a source that holds no module, or none that is
	// named.
	ErrNoModule = errors.New("no module")
	// ErrTooLarge is the error of a module of more than MaxModuleBytes, and of a
	// manifest that is larger than any is.
	ErrTooLarge = errors.New("too large")
	// ErrDenied is the error of a registry that wants other credentials.
	ErrDenied = errors.New("the registry refuses the credentials")
)

// Module is one version of a plugin as its source has it.
type Module struct {
	Bytes []byte
	// Signature is the ed25519 signature that came with the module, nil for none.
	// Nobody has verified it.
	Signature []byte
	// Origin says where it was found, for people: "registry.example/chat:v2".
	Origin string
}

// Version names what a source holds at a time. Two that are equal are of the same
// bytes. It is one line of text.
type Version string

// Source is where the versions of one module are found.
type Source interface {
	// Look returns the version that is to serve now. It is cheap.
	Look(ctx context.Context) (Version, error)
	// Fetch returns the module of a version that Look returned. If the source
	// has moved on meanwhile it may be an error.
	Fetch(ctx context.Context, v Version) (Module, error)
	// Folder is the folder whose changes are a reason to look, "" for none, and
	// Concerns tells of a file in it whether that one's are.
	Folder() string
	Concerns(file string) bool
}

// tooLarge is the error of something of size bytes, of which there may be most.
func tooLarge(what string, size int64, most int) error {
	return fmt.Errorf("%w: %s of %d bytes; at most %d are taken", ErrTooLarge, what, size, most)
}
