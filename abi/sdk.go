//go:build !wasip1

package abi

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
)

// sources are the Go SDK as it is compiled into this program: this package, and
// below guest the packages that plugins and their tests import. The files are
// named one by one because a pattern would take the tests too; a test of this
// package says when the list is out of date.
//
//go:embed code.go decision.go doc.go duration.go errno.go error.go files.go json.go lifecycle.go
//go:embed operation.go policy.go ports.go process.go readiness.go request.go sandbox.go socket.go wire.go
//go:embed guest/doc.go guest/errors.go guest/handle.go guest/log.go guest/names.go guest/ports.go
//go:embed guest/process.go guest/request.go guest/response.go guest/sandbox.go guest/websocket.go
//go:embed guest/guesttest/border.go guest/guesttest/host.go guest/guesttest/socket.go guest/guesttest/work.go
//go:embed guest/internal/edge1/edge1.go guest/internal/edge1/exports_wasip1.go
//go:embed guest/internal/edge1/imports_stub.go guest/internal/edge1/imports_wasip1.go
var sources embed.FS

// sdkModule is the SDK's go.mod. It requires nothing, so that a plugin builds
// without a network.
const sdkModule = "module edge\n\ngo 1.26.0\n"

// GoSDK returns the Go SDK as a module of its own: go.mod, and the sources below
// abi. A plugin's project that holds it as the folder edge-sdk needs
//
//	require edge v0.0.0
//	replace edge => ./edge-sdk
//
// and builds offline. The error would be a defect of this function.
func GoSDK() (fs.FS, error) {
	// An archive in memory is the shortest way from a list of names to a
	// complete fs.FS.
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	err := fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		return addFile(w, "abi/"+name, content)
	})
	if err == nil {
		err = addFile(w, "go.mod", []byte(sdkModule))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("collect the Go SDK: %w", err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return nil, fmt.Errorf("collect the Go SDK: %w", err)
	}
	return r, nil
}

func addFile(w *zip.Writer, name string, content []byte) error {
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write(content)
	}
	return err
}
