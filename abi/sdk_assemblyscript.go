//go:build !wasip1

package abi

import (
	"embed"
	"io/fs"
)

// assemblyScript is the AssemblyScript SDK as it is compiled into this program.
//
//go:embed assemblyscript/*.ts assemblyscript/*.json assemblyscript/*.mjs assemblyscript/README.md
var assemblyScript embed.FS

// AssemblyScriptSDK returns the sources of the AssemblyScript SDK, which a plugin's
// project holds in its folder edge-sdk: "index.ts", "edge-test.mjs". With
//
//	"dependencies": {"edge-sdk": "file:./edge-sdk"}
//
// in package.json a plugin imports it as "edge-sdk".
func AssemblyScriptSDK() fs.FS {
	sdk, err := fs.Sub(assemblyScript, "assemblyscript")
	if err != nil { // the name is a constant and valid
		panic(err)
	}
	return sdk
}
