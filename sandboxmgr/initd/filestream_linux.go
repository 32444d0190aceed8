package initd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"syscall"

	"edge/abi"
)

// readFileStream sends what a file is, and then its bytes: no more than it had
// when it was opened, so that a file which grows as fast as it is read has an end.
// Files that say they have none, such as those of /proc, are read to their end.
func readFileStream(ctx context.Context, req *abi.ReadFileStreamRequest, s *stream) error {
	path, err := resolvePath(req.Path)
	if err != nil {
		return err
	}
	if req.Offset < 0 || req.Length < 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "offset is %d and length %d; want 0 or more", req.Offset, req.Length)
	}
	f, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.Open(); err != nil {
		return err
	}
	if err := s.Event(openFileInfo(path, f.info)); err != nil {
		return err
	}
	size := f.info.Size()
	if size == 0 {
		size = math.MaxInt64
	}
	n := max(size-req.Offset, 0)
	if req.Length > 0 {
		n = min(n, req.Length)
	}
	if n == 0 {
		return nil
	}
	if _, err := f.Seek(req.Offset, io.SeekStart); err != nil {
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOVERFLOW) { // beyond what such a file can have
			return nil
		}
		return fileError(path, err)
	}
	return sendFile(ctx, path, f, n, s)
}

// sendFile sends the next n bytes of a file, or those that there are.
func sendFile(ctx context.Context, path string, f io.Reader, n int64, s *stream) error {
	b := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(b)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := f.Read((*b)[:min(n, abi.MaxStreamBinary)])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fileError(path, err)
		}
		if _, err := s.Write((*b)[:got]); err != nil {
			return err
		}
		n -= int64(got)
	}
	return nil
}

// writeFileStream writes a file beside its place and moves it there once the edge
// has said that it was all.
func writeFileStream(ctx context.Context, req *abi.WriteFileStreamRequest, s *stream) error {
	to, err := writeTo(req.Path, req.Mode)
	if err != nil {
		return err
	}
	f, err := to.draft()
	if err != nil {
		return err
	}
	size, err := receiveFile(ctx, f, s)
	if err != nil {
		f.discard()
		return err
	}
	if err := f.commit(); err != nil {
		return err
	}
	return s.Event(abi.WriteFileResponse{Path: to.asked, Size: size})
}

// receiveFile writes what comes until the edge says that it was all.
func receiveFile(ctx context.Context, f *draft, s *stream) (size int64, err error) {
	if err := s.Open(); err != nil {
		return 0, err
	}
	for {
		text, data, err := s.Next()
		switch {
		case err == io.EOF:
			return 0, abi.Errorf(abi.CodeInvalidRequest, "the upload of %.200s ended without {\"type\":\"end\"}; nothing was changed", f.to.asked)
		case ctx.Err() != nil: // the edge hung up
			return 0, ctx.Err()
		case err != nil:
			return 0, err
		case text != nil:
			return size, checkEnd(text)
		}
		n, err := f.Write(data)
		size += int64(n)
		if err != nil {
			return 0, fileError(f.to.asked, err)
		}
	}
}

// checkEnd wants a text message to an upload to be the one that ends it.
func checkEnd(text []byte) error {
	var in abi.StreamInput
	if err := json.Unmarshal(text, &in); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "a message to an upload is malformed: %v", err)
	}
	if in.Type != abi.InputEnd {
		return abi.Errorf(abi.CodeInvalidRequest, "a message of type %.40q to an upload: want bytes, and \"end\" after them", in.Type)
	}
	return nil
}
