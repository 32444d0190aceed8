//go:build !wasip1

package abi

import (
	"embed"
	"io/fs"
)

//go:embed rust/Cargo.toml rust/README.md rust/src
var rustSources embed.FS

// RustSDK returns the sources of the Rust SDK: the crate "edge", which needs no
// other. "src/lib.rs" is its root, for rustc as for Cargo.
func RustSDK() fs.FS { return below(rustSources, "rust") }

//go:embed c/README.md c/edge.h c/edge_*.h c/edge_*.c c/fake
var cSources embed.FS

// CSDK returns the sources of the C SDK: "edge.h" is what a plugin includes,
// "edge_*.c" are compiled with it, and "fake" is for its tests.
func CSDK() fs.FS { return below(cSources, "c") }

// below is a folder of embedded files, which is there: its name is a constant
// that the embedding was checked with.
func below(files embed.FS, folder string) fs.FS {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		panic(err)
	}
	return sub
}
