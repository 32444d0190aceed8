package main

import (
	"os"
	"path/filepath"
	"syscall"
)

// userCache is where edge dev, for all projects of a user, and commands that run no edge
// keep compiled code: edge in the user's cache ($XDG_CACHE_HOME, ~/.cache). It is empty
// where there is none that belongs to this user alone: what lies in it is executed, and
// with sudo the home can be another user's.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return privateCache(filepath.Join(dir, "edge"))
}

// privateCache makes a folder that is this user's alone, and returns its name; empty if
// it cannot be that. A link has to be the user's, too: root would take, and close to all
// others, whatever folder of its own somebody else's leads to.
func privateCache(dir string) string {
	if os.MkdirAll(dir, 0o700) != nil || !isOwn(dir) || os.Chmod(dir, 0o700) != nil {
		return ""
	}
	return dir
}

// isOwn tells whether a file, or the link that it is, belongs to this process' user.
func isOwn(path string) bool {
	st, err := os.Lstat(path)
	if err != nil {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}
