package docker

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"edge/sandboxmgr"
)

const (
	// buildRepo names the images that BuildImage makes; their tags are edges and bindings.
	buildRepo         = "edge-build"
	defaultDockerfile = "Dockerfile"
	ignoreFile        = ".dockerignore"
	buildTimeout      = time.Hour
	// lastLines is how many lines of a build that failed are told, of at most
	// maxBuildLine bytes each.
	lastLines    = 20
	maxBuildLine = 500
)

// BuildImage builds the image of that name from a folder and its Dockerfile, a
// path in that folder ("" is Dockerfile). What .dockerignore excludes is not
// sent. The engine reuses what it has built before. A build that fails is
// ErrBuildFailed.
func (r *Runtime) BuildImage(ctx context.Context, name, folder, dockerfile string) (string, error) {
	ref := buildRepo + ":" + name
	file := filepath.ToSlash(filepath.Clean(cmp.Or(dockerfile, defaultDockerfile)))
	if !filepath.IsLocal(file) {
		return "", fmt.Errorf("build image of %s: the Dockerfile %s is not in the folder %s", name, dockerfile, folder)
	}
	if !isFile(filepath.Join(folder, file)) {
		return "", fmt.Errorf("build image of %s: there is no file %s", name, filepath.Join(folder, file))
	}
	before, err := r.inspectImage(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("build image of %s: %w", name, err)
	}
	if err := r.build(ctx, ref, folder, file); err != nil {
		return "", fmt.Errorf("build image of %s: %w", name, err)
	}
	r.removeReplaced(ctx, ref, before.ID)
	return ref, nil
}

// RemoveImage removes the name of an image that BuildImage built, and the image and what
// was prepared from it where nothing else needs them. It returns what it was called, ""
// if there is none.
func (r *Runtime) RemoveImage(ctx context.Context, name string) (string, error) {
	ref := buildRepo + ":" + name
	built, err := r.inspectImage(ctx, ref)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err == nil {
		err = r.removeUnused(ctx, preparedRef(built.ID))
	}
	if err == nil {
		err = r.removeUnused(ctx, ref)
	}
	if err != nil {
		return "", fmt.Errorf("remove image %s: %w", ref, err)
	}
	return ref, nil
}

// removeUnused removes an image, unless there is none or a container is made of it.
func (r *Runtime) removeUnused(ctx context.Context, ref string) error {
	err := r.call(ctx, callTimeout, func(ctx context.Context) error {
		_, err := r.client.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
		return err
	})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// build sends the folder to the engine and reads what comes of it.
func (r *Runtime) build(ctx context.Context, ref, folder, file string) error {
	archive, in := io.Pipe()
	packed := make(chan error, 1)
	go packFolder(in, folder, file, packed)
	err := r.call(ctx, buildTimeout, func(ctx context.Context) error {
		res, err := r.client.ImageBuild(ctx, archive, build.ImageBuildOptions{
			Tags: []string{ref}, Dockerfile: file, Remove: true, ForceRemove: true,
		})
		switch {
		case errdefs.IsInvalidParameter(err): // the Dockerfile makes no sense
			return fmt.Errorf("%w: %w", sandboxmgr.ErrBuildFailed, err)
		case err != nil:
			return err
		}
		defer res.Body.Close()
		return readBuild(res.Body)
	})
	archive.CloseWithError(errUnread) // ends packFolder, whatever it does
	if perr := <-packed; perr != nil && !errors.Is(perr, errUnread) {
		return perr // the engine's error follows from it
	}
	return err
}

// removeReplaced removes the image that had the name before, if it has none any
// more and nothing was made of it.
func (r *Runtime) removeReplaced(ctx context.Context, ref, before string) {
	after, err := r.inspectImage(ctx, ref)
	if err != nil || before == "" || after.ID == before {
		return
	}
	if err := r.removeUnused(ctx, before); err != nil {
		r.log.Debug("an image that was built anew stays behind", "image", before, "error", err)
	}
}

// readBuild reads an engine's report of a build to its end.
func readBuild(report io.Reader) error {
	var last []string
	for d := json.NewDecoder(report); ; {
		var line struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		}
		switch err := d.Decode(&line); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read the engine's report: %w", err)
		}
		for text := range strings.SplitSeq(line.Stream, "\n") {
			if text = strings.TrimRight(text, "\r "); text != "" {
				last = append(last, text[:min(len(text), maxBuildLine)])
			}
		}
		last = last[max(0, len(last)-lastLines):]
		if line.Error != "" {
			return fmt.Errorf("%w: %s; it printed last:\n%s", sandboxmgr.ErrBuildFailed, line.Error, strings.Join(last, "\n"))
		}
	}
}

// packFolder writes the archive of a build's folder and tells what came of it.
func packFolder(w *io.PipeWriter, folder, file string, done chan<- error) {
	err := pack(w, folder, file)
	w.CloseWithError(err) // nil is the end
	done <- err
}

// pack writes an archive, not compressed, of what is in the folder and not
// excluded.
func pack(w io.Writer, folder, file string) error {
	excluded, err := exclusions(folder, file)
	if err != nil {
		return err
	}
	to := tar.NewWriter(w)
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, name)
		if err != nil || rel == "." {
			return err
		}
		skip, err := excluded.MatchesOrParentMatches(rel)
		switch {
		case err != nil:
			return err
		case skip && entry.IsDir() && !excluded.Exclusions():
			return filepath.SkipDir
		case skip:
			return nil
		}
		return packOne(to, name, filepath.ToSlash(rel), entry)
	})
	return errors.Join(err, to.Close())
}

// exclusions reads .dockerignore. It and the Dockerfile are sent in any case: the
// engine reads them.
func exclusions(folder, file string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	f, err := os.Open(filepath.Join(folder, ignoreFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		defer f.Close()
		if patterns, err = ignorefile.ReadAll(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	if len(patterns) > 0 {
		patterns = append(patterns, "!"+ignoreFile, "!"+file)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, ignoreFile), err)
	}
	return m, nil
}

// packOne adds one entry; sockets, pipes and devices are none of a build.
func packOne(to *tar.Writer, name, rel string, entry fs.DirEntry) error {
	st, err := entry.Info()
	if err != nil {
		return err
	}
	var link string
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		if link, err = os.Readlink(name); err != nil {
			return err
		}
	case !st.Mode().IsRegular() && !st.IsDir():
		return nil
	}
	h, err := tar.FileInfoHeader(st, link)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = rel, 0, 0, "", ""
	if st.IsDir() {
		h.Name = path.Clean(rel) + "/"
	}
	if err := to.WriteHeader(h); err != nil || !st.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}
