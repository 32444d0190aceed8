//go:build !wasip1

package abi

import (
	"embed"
	"io/fs"
)

// sources are the Go SDK as it is compiled into this program: this package, and
// below guest the packages that plugins and their tests import. The files are
// named one by one because a pattern would take the tests too; a test of this
// package says when the list is out of date.
//
//go:embed code.go decision.go doc.go duration.go environment.go errno.go error.go event.go execstream.go fetch.go files.go header.go json.go kv.go
//go:embed lifecycle.go metric.go operation.go origin.go plan.go plancheck.go policy.go ports.go process.go readiness.go request.go sandbox.go session.go
//go:embed socket.go stream.go streamcall.go terminal.go wake.go websocketurl.go wire.go
//go:embed guest/doc.go guest/envelope.go guest/errors.go guest/event.go guest/fetch.go guest/files.go guest/handle.go guest/kv.go guest/log.go
//go:embed guest/memory.go guest/metric.go guest/names.go guest/plan.go guest/ports.go guest/surroundings.go
//go:embed guest/process.go guest/request.go guest/response.go guest/sandbox.go guest/server.go guest/session.go guest/stream.go guest/websocket.go
//go:embed guest/guesttest/border.go guest/guesttest/fetch.go guest/guesttest/host.go guest/guesttest/kv.go
//go:embed guest/guesttest/socket.go guest/guesttest/surroundings.go guest/guesttest/work.go
//go:embed guest/internal/edge1/edge1.go guest/internal/edge1/exports_wasip1.go
//go:embed guest/internal/edge1/imports_stub.go guest/internal/edge1/imports_wasip1.go
//go:embed call.go
var sources embed.FS

// GoSDKModule is the SDK's go.mod: it requires nothing, so that a plugin builds
// without a network. GoSDKVersion is the Go that it asks for.
const (
	GoSDKVersion = "1.26.0"
	GoSDKModule  = "module edge\n\ngo " + GoSDKVersion + "\n"
)

// GoSDK returns the sources of the Go SDK, as they lie in this package's folder:
// "wire.go", "guest/handle.go". A plugin's project that holds them in
// edge-sdk/abi, and GoSDKModule as edge-sdk/go.mod, needs
//
//	require edge v0.0.0
//	replace edge => ./edge-sdk
//
// and builds offline.
func GoSDK() fs.FS { return sources }
