package initd

import (
	"path"
	"slices"
	"strings"

	"edge/abi"
)

// unwatched are folders with very much in them that people seldom mean. They are
// left out unless include names them.
var unwatched = []string{"node_modules", ".git"}

// watchFilter says what a watch tells.
type watchFilter struct {
	only             string // nothing but this path, unless it is empty
	include, exclude []*glob
	named            []string // of unwatched, those that include names
}

func newWatchFilter(req *abi.WatchRequest) (f watchFilter, err error) {
	if f.include, err = compileGlobs(req.Include); err != nil {
		return f, err
	}
	if f.exclude, err = compileGlobs(req.Exclude); err != nil {
		return f, err
	}
	for _, text := range req.Include {
		f.named = append(f.named, strings.Split(text, "/")...)
	}
	return f, nil
}

// wants tells whether changes of a path are told.
func (f *watchFilter) wants(p string) bool {
	if temp, _ := isTemp(path.Base(p)); temp || f.only != "" && p != f.only || matchAny(f.exclude, p) {
		return false
	}
	return len(f.include) == 0 || matchAny(f.include, p)
}

// enters tells whether a folder is watched.
func (f *watchFilter) enters(p string) bool {
	name := path.Base(p)
	if slices.Contains(unwatched, name) && !slices.Contains(f.named, name) {
		return false
	}
	temp, _ := isTemp(name)
	return !temp && !matchAny(f.exclude, p)
}

// moved is the event of a move, of which one side may not be told: something came
// then, or went. It returns false if neither is.
func (f *watchFilter) moved(from, to string, isDir bool) (abi.WatchEvent, bool) {
	e := abi.WatchEvent{Path: to, IsDir: isDir}
	switch wasTold, isTold := f.wants(from), f.wants(to); {
	case wasTold && isTold:
		e.Type, e.OldPath = abi.WatchMove, from
	case wasTold:
		e.Type, e.Path = abi.WatchDelete, from
	case isTold:
		e.Type = abi.WatchCreate
		if _, replaces := isTemp(path.Base(from)); replaces {
			e.Type = abi.WatchModify
		}
	default:
		return e, false
	}
	return e, true
}
