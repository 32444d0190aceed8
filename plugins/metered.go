package plugins

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"edge/plugins/archive"
	"edge/plugins/meter"
)

const (
	// meteredName is the folder with metered code, in the one with compiled code.
	meteredName = "metered"
	// maxMetered is how many files of it are kept; those that were used last stay.
	maxMetered = 64
)

// metered is meter.Rewrite with a folder that keeps what it made, in files that begin
// with the SHA-256 of the rest. What the folder cannot do is done without it. An empty
// cacheDir is no folder.
func metered(cacheDir string, digest [sha256.Size]byte, code []byte, o meter.Options) ([]byte, error) {
	if cacheDir == "" {
		return meter.Rewrite(code, o)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%d %+v %x", meter.Revision, o, digest))
	path := filepath.Join(cacheDir, meteredName, hex.EncodeToString(key[:]))
	if b, err := archive.ReadFile(path, 2*meter.MaxModule); err == nil && len(b) > sha256.Size {
		if sum := sha256.Sum256(b[sha256.Size:]); bytes.Equal(sum[:], b[:sha256.Size]) {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // it stays longer
			return b[sha256.Size:], nil
		}
	}
	b, err := meter.Rewrite(code, o)
	if err == nil {
		keepMetered(path, b)
	}
	return b, err
}

// keepMetered writes a file of the folder, as far as that is possible, and makes room.
func keepMetered(path string, code []byte) {
	dir := filepath.Dir(path)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(code)
	_, err = f.Write(append(sum[:], code...))
	if f.Close() != nil || err != nil || os.Rename(f.Name(), path) != nil {
		_ = os.Remove(f.Name())
	}
	prune(dir, maxMetered)
}

const (
	// pruneAfter is how long an entry of a folder with code that is one too many stays
	// after its last use: a process that starts with more modules than are kept must not
	// remove what it is about to open, nor what another process has just opened.
	pruneAfter = 24 * time.Hour
	// maxCrowd is how many times as many entries as are kept there may be at most.
	maxCrowd = 8
)

// prune removes the entries of a folder that were not used for longest, all but so many,
// unless they were used in the last day; of those, too, what is beyond maxCrowd times as
// many.
func prune(dir string, keep int) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= keep {
		return
	}
	old := time.Now().Add(-pruneAfter)
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) })
	for i, f := range files {
		if i >= keep && (f.ModTime().Before(old) || i >= maxCrowd*keep) {
			_ = os.RemoveAll(filepath.Join(dir, f.Name()))
		}
	}
}
