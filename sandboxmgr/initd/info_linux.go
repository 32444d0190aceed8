package initd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// fileInfo makes the answer's form of what stat said.
func fileInfo(name, path string, st *unix.Stat_t) abi.FileInfo {
	return abi.FileInfo{
		Name: name, Path: path, Type: fileType(st.Mode), Size: st.Size, Mode: octal(st.Mode),
		ModifiedAt: time.Unix(st.Mtim.Unix()).UTC(),
	}
}

// openFileInfo is fileInfo of a regular file that is open.
func openFileInfo(path string, info os.FileInfo) abi.FileInfo {
	return abi.FileInfo{
		Name: filepath.Base(path), Path: path, Type: abi.FileTypeFile, Size: info.Size(), Mode: octal(info.Sys().(*syscall.Stat_t).Mode),
		ModifiedAt: info.ModTime().UTC(),
	}
}

// octal is "0644", and "4755" for a program that runs as its owner.
func octal(mode uint32) string {
	s := strconv.FormatUint(uint64(mode&0o7777), 8)
	return "0000"[:max(0, 4-len(s))] + s
}

func fileType(mode uint32) abi.FileType {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return abi.FileTypeFile
	case unix.S_IFDIR:
		return abi.FileTypeDirectory
	case unix.S_IFLNK:
		return abi.FileTypeSymlink
	}
	return abi.FileTypeOther
}

// typeOf is fileType of a directory's entry.
func typeOf(kind fs.FileMode) abi.FileType {
	switch {
	case kind.IsRegular():
		return abi.FileTypeFile
	case kind.IsDir():
		return abi.FileTypeDirectory
	case kind&fs.ModeSymlink != 0:
		return abi.FileTypeSymlink
	}
	return abi.FileTypeOther
}

// exists tells what is at a path; a link is not followed.
func exists(_ context.Context, req *abi.PathRequest) (*abi.ExistsResponse, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Lstat(path, &st)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &abi.ExistsResponse{}, nil
	case err != nil:
		return nil, fileError(path, err)
	}
	info := fileInfo(filepath.Base(path), path, &st)
	if info.Type == abi.FileTypeSymlink {
		info.Target, _ = os.Readlink(path) // it may have gone since
	}
	return &abi.ExistsResponse{Exists: true, Info: &info}, nil
}

// maxListBytes is what a list may take as JSON, about.
const maxListBytes = 32 << 20

// listFiles lists a folder.
func (s *server) listFiles(ctx context.Context, req *abi.ListFilesRequest) (*abi.ListFilesResponse, error) {
	path, err := resolvePath(req.Path)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(req.Limit, abi.DefaultListLimit, abi.MaxListLimit)
	if err != nil {
		return nil, err
	}
	top, leave, err := s.enterFolder(ctx, path)
	if err != nil {
		return nil, err
	}
	defer leave()
	resp := &abi.ListFilesResponse{Files: []abi.FileInfo{}}
	size := 0
	w := &walk{ctx: ctx, hidden: req.IncludeHidden, visit: func(in *folder, e entry) (bool, error) {
		info, ok := entryInfo(in, e.name)
		if !ok {
			return false, nil
		}
		size += textSize(info.Path) + textSize(info.Name) + textSize(info.Target) + infoSize
		if len(resp.Files) == limit || size > maxListBytes {
			resp.Truncated = true
			return false, errEnough
		}
		resp.Files = append(resp.Files, info)
		return req.Recursive, nil
	}}
	if err := w.run(top); err != nil {
		if ctx.Err() != nil {
			err = lateError(ctx, "the listing", path, "list a folder further down, or without recursive")
		}
		return nil, fileError(path, err)
	}
	resp.Truncated = resp.Truncated || w.missed
	return resp, nil
}

// infoSize is what a FileInfo takes as JSON beside its texts, about.
const infoSize = 160

// entryInfo tells what an entry is, unless it has gone.
func entryInfo(in *folder, name string) (abi.FileInfo, bool) {
	st, err := in.lstat(name)
	if err != nil {
		return abi.FileInfo{}, false
	}
	info := fileInfo(name, in.rel(name), st)
	if info.Type == abi.FileTypeSymlink {
		b := make([]byte, unix.PathMax)
		if n, err := unix.Readlinkat(in.fd(), name, b); err == nil {
			info.Target = string(b[:n])
		}
	}
	return info, true
}

func limitOf(n, def, most int) (int, error) {
	if n < 0 || n > most {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "limit is %d; want 1 to %d", n, most)
	}
	if n == 0 {
		n = def
	}
	return n, nil
}
