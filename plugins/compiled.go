package plugins

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"github.com/tetratelabs/wazero"
)

const (
	// compiledName is the folder with machine code, a folder for each module.
	compiledName = "compiled"
	// maxCompiled is how many modules of it are kept; those that were used last stay.
	maxCompiled = 64
)

// compiledCache opens the module's folder of machine code. Several processes may have
// it open: wazero writes a file under another name and renames it. The caller closes it.
func compiledCache(cacheDir string, module []byte) (wazero.CompilationCache, error) {
	digest := sha256.Sum256(module)
	dir := filepath.Join(cacheDir, compiledName, hex.EncodeToString(digest[:]))
	now := time.Now()
	known := os.Chtimes(dir, now, now) == nil // it stays longer
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err == nil && !known {
		prune(filepath.Dir(dir), maxCompiled)
	}
	return cache, err
}
