package worker

import (
	"embed"
	"io/fs"
)

//go:embed types/*.d.ts
var declared embed.FS

// Types are the declarations of what Workers have besides the web platform, for
// editors and TypeScript's compiler: *.d.ts, one file a subject. They are ambient: a
// project includes them, and keeps "lib" to ["ES2022", "WebWorker"].
func Types() fs.FS {
	types, err := fs.Sub(declared, "types")
	if err != nil {
		panic(err) // the name is a constant
	}
	return types
}
