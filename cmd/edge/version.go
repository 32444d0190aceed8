package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"edge/sandboxmgr/initproto"
)

// version is set by the linker (-X main.version=...); empty otherwise.
var version string

// abiVersion is the major version of the plugin ABI: the digit of "edge1".
const abiVersion = 1

type versionCommand struct{}

// Run prints one line for each part.
func (c *versionCommand) Run(t *terminal) error {
	b := readBuild()
	fmt.Fprintf(t.out, "edge   %s\n", b)
	fmt.Fprintf(t.out, "go     %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(t.out, "abi    %d\n", abiVersion)
	writeInitVersion(t.out)
	return nil
}

func writeInitVersion(w io.Writer) {
	speaks := fmt.Sprintf("protocol %d", initproto.Version)
	if content, err := embeddedInit(assets, runtime.GOARCH); err == nil {
		fmt.Fprintf(w, "init   %s, embedded %s\n", speaks, shortDigest(digestOf(content)))
		return
	}
	fmt.Fprintf(w, "init   %s, this binary itself\n", speaks)
}

// build is what is known of how this binary was built.
type build struct {
	version, commit string
	modified        bool
}

func readBuild() build {
	b := build{version: version}
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.version == "" {
		b.version = bi.Main.Version
	}
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

// String is "v1.2.0 (commit 0123456789ab, modified)".
func (b build) String() string {
	v := b.version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	if b.commit == "" {
		return v
	}
	dirty := ""
	if b.modified {
		dirty = ", modified"
	}
	return fmt.Sprintf("%s (commit %.12s%s)", v, b.commit, dirty)
}
