// Package linear gives the instances of a WebAssembly module their linear memory as
// private mappings of one image, so that an instance costs what it writes and not what
// the module's data is large: Linux copies a page when it is written to first. (Wasmtime
// calls this copy-on-write images.)
//
// NewImage puts what every instance finds in its memory into a sealed file in memory,
// once. Map reserves addresses for one instance, as many as its memory may ever have,
// and puts the image at their beginning:
//
//	0             content       image.Size            most
//	| zeros       | of the file | zeros | after growing | not accessible |
//
// Reallocate has it grow in place, and Free gives the addresses back. Reallocate and
// Free are those of wazero's experimental.LinearMemory.
//
// Elsewhere, and where the kernel refuses, the error is ErrUnavailable: the caller does
// without.
package linear

import "errors"

// ErrUnavailable is memory that cannot be mapped: the system has no such mappings, or
// refuses one more of them.
var ErrUnavailable = errors.New("memory cannot be mapped from an image")

// page is the unit of a memory's size (WebAssembly 2.0, section 4.2.8), in bytes. The
// system's own pages are smaller, or as large.
const page = 64 << 10
