// Package source says where the modules of plugins come from when that is not
// one file: a folder of versions, an OCI image layout, a registry.
//
// A Source tells cheaply which version it holds now, and fetches a version's
// bytes; it knows nothing of what a module is for. A Follower keeps one plugin at
// what its source holds: it looks when the source's folder changes or at
// intervals, fetches what is new, and offers it to whoever loads plugins. It
// backs off from a registry that fails, and remembers on disk which version was
// taken last, so that a restart neither loads that again nor brings back what an
// operator has rolled back.
//
// The artifact is an OCI image manifest (OCI image specification, "manifest")
// whose layer of media type application/wasm, or application/vnd.wasm.content.
// layer.v1+wasm, is the module; a single layer of any other type is taken if its
// bytes begin as a module's do. The manifest's annotation dev.edge.signature is
// the module's ed25519 signature in base64.
package source
