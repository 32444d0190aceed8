package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// shownFolder is a folder of this machine that sandboxes of a binding see.
type shownFolder struct {
	key value
	dir string // absolute
}

// tools returns the folders, which must exist.
func (c *Config) tools(v value) []string {
	var dirs []string
	v.list(func(_ int, item value) {
		if dir := c.shownFolder(item); dir != "" {
			dirs = append(dirs, dir)
		}
	})
	return dirs
}

// shownFolder is existingFolder for one that sandboxes will see.
func (c *Config) shownFolder(v value) string {
	dir := c.existingFolder(v)
	if dir != "" {
		c.shown = append(c.shown, shownFolder{v, dir})
	}
	return dir
}

// existingFolder returns the absolute path of a folder, or nothing if there is
// none, which is a problem.
func (c *Config) existingFolder(v value) string {
	s, ok := v.text("a folder")
	if !ok {
		return ""
	}
	dir := c.abs(s)
	switch st, err := os.Stat(dir); {
	case err != nil:
		v.fail("%s: %s", s, reason(err))
	case !st.IsDir():
		v.fail("%s is a file; want the folder that it is in", s)
	default:
		return dir
	}
	return ""
}

// refuseShownSecrets returns an error for each folder that would show sandboxes
// what is the edge's own: its state, which holds the admin token, the keys of
// previews and other sandboxes' files, or the admin API's socket. Links count as
// what they lead to.
func (c *Config) refuseShownSecrets(s Settings) error {
	own := []struct{ name, path string }{{"the state folder", s.State}}
	if s.Admin.Socket != "" {
		own = append(own, struct{ name, path string }{"the admin API's socket", s.Admin.Socket},
			struct{ name, path string }{"the admin API's token", s.Admin.Token})
	}
	var errs []error
	for _, f := range c.shown {
		dir := resolved(f.dir)
		for _, o := range own {
			path := resolved(o.path)
			how := ""
			switch {
			case within(dir, path):
				how = "holds"
			case within(path, dir):
				how = "is inside"
			default:
				continue
			}
			errs = append(errs, problem{f.key.place(), fmt.Sprintf("%s: %s %s %s (%s), which no sandbox may see; want a folder apart from it", f.key.path, f.dir, how, o.name, o.path)})
			break
		}
	}
	return errors.Join(errs...)
}

// within tells whether path is dir or below it; both are absolute.
func within(dir, path string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rest)
}

// resolved is the path without links, as far as it exists: what is missing yet
// will be made where the rest leads to.
func resolved(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if !errors.Is(err, fs.ErrNotExist) || dir == path {
		return path
	}
	return filepath.Join(resolved(dir), filepath.Base(path))
}
