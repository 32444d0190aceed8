package initd

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// maxSearchBytes is what matches may take as JSON, about.
const maxSearchBytes = 16 << 20

// searchFiles finds files by name and lines by what they hold.
func (s *server) searchFiles(ctx context.Context, req *abi.SearchFilesRequest) (*abi.SearchFilesResponse, error) {
	q, path, err := newSearch(req)
	if err != nil {
		return nil, err
	}
	top, leave, err := s.enterFolder(ctx, path)
	if err != nil {
		return nil, err
	}
	defer leave()
	w := &walk{ctx: ctx, hidden: req.IncludeHidden, visit: func(in *folder, e entry) (bool, error) {
		return true, q.visit(ctx, in, e)
	}}
	if err := w.run(top); err != nil {
		if ctx.Err() != nil {
			err = lateError(ctx, "the search", path, "search a folder further down, or with a narrower glob")
		}
		return nil, fileError(path, err)
	}
	q.resp.Truncated = q.resp.Truncated || w.missed
	return q.resp, nil
}

// search is one search and what it has found.
type search struct {
	glob  *glob       // nil for any
	text  *textSearch // nil for none
	limit int
	size  int // of the answer, about
	resp  *abi.SearchFilesResponse
}

// newSearch checks a request and returns the folder to be searched too.
func newSearch(req *abi.SearchFilesRequest) (q *search, path string, err error) {
	if req.Glob == "" && req.Text == "" {
		return nil, "", abi.Errorf(abi.CodeInvalidRequest, "neither glob nor text is given")
	}
	path = req.Path
	if path == "" {
		path = abi.DefaultCwd
	}
	if path, err = resolvePath(path); err != nil {
		return nil, "", err
	}
	q = &search{resp: &abi.SearchFilesResponse{Matches: []abi.SearchMatch{}}}
	if q.limit, err = limitOf(req.Limit, abi.DefaultSearchLimit, abi.MaxSearchLimit); err != nil {
		return nil, "", err
	}
	if req.Glob != "" {
		if q.glob, err = compileGlob(req.Glob); err != nil {
			return nil, "", err
		}
	}
	if req.Text != "" {
		if q.text, err = newTextSearch(req); err != nil {
			return nil, "", err
		}
	}
	return q, path, nil
}

func (q *search) visit(ctx context.Context, in *folder, e entry) error {
	path := in.rel(e.name)
	if q.glob != nil && !q.glob.match(path) {
		return nil
	}
	match := abi.SearchMatch{Path: path, Type: typeOf(e.kind)}
	if q.text == nil {
		return q.add(match)
	}
	if !e.kind.IsRegular() {
		return nil
	}
	err := q.searchFile(ctx, in, e.name, func(l textLine) error {
		match.Line, match.Text = l.number, l.text
		return q.add(match)
	})
	switch {
	case err == nil || errors.Is(err, errEnough) || ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrNotExist): // gone since the folder was read
		return nil
	}
	q.resp.Truncated = true // a file that cannot be read
	return nil
}

// searchFile looks through one file.
func (q *search) searchFile(ctx context.Context, in *folder, name string, found func(textLine) error) error {
	fd, err := openAt(in.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	f, err := asRegular(in.abs(name), os.NewFile(uintptr(fd), in.abs(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	if f.info.Size() > maxSearched {
		q.resp.Truncated = true
		return nil
	}
	all, err := q.text.file(ctx, f, found)
	if err == nil && !all {
		q.resp.Truncated = true
	}
	return err
}

func (q *search) add(m abi.SearchMatch) error {
	q.size += textSize(m.Path) + textSize(m.Text) + infoSize/2
	if len(q.resp.Matches) == q.limit || q.size > maxSearchBytes {
		q.resp.Truncated = true
		return errEnough
	}
	q.resp.Matches = append(q.resp.Matches, m)
	return nil
}
