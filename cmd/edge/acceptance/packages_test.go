package acceptance

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// install unpacks npm packages, with all that they depend on, into
// /workspace/node_modules: what "npm install" does where there is a network.
func (s *sandbox) install(names ...string) {
	s.t.Helper()
	folders := map[string]bool{}
	for _, name := range names {
		if err := depend(folders, filepath.Join(root, "node_modules"), name); err != nil {
			s.t.Fatal(err)
		}
	}
	archive, w := io.Pipe()
	packed := make(chan error, 1)
	go pack(w, folders, packed)
	s.unpack("/workspace/node_modules", archive)
	archive.Close()
	if err := <-packed; err != nil {
		s.t.Fatal(err)
	}
}

// depend adds a package's folder and those of what it depends on. A package is
// looked for as Node does: in node_modules of the folder and of those above it.
func depend(folders map[string]bool, from, name string) error {
	folder, err := resolve(from, name)
	if err != nil || folders[folder] {
		return err
	}
	folders[folder] = true
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return err
	}
	var manifest struct{ Dependencies, OptionalDependencies, PeerDependencies map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	for dependency := range manifest.Dependencies {
		// npm writes optional ones to both.
		if _, optional := manifest.OptionalDependencies[dependency]; !optional {
			err = errors.Join(err, depend(folders, folder, dependency))
		}
	}
	for _, optional := range []map[string]string{manifest.OptionalDependencies, manifest.PeerDependencies} {
		for dependency := range optional {
			if missing := depend(folders, folder, dependency); missing != nil && !errors.Is(missing, fs.ErrNotExist) {
				err = errors.Join(err, missing)
			}
		}
	}
	return err
}

func resolve(from, name string) (string, error) {
	for folder := from; len(folder) >= len(root); folder = filepath.Dir(folder) {
		candidate := filepath.Join(folder, "node_modules", name)
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
	}
	return "", &fs.PathError{Op: "resolve", Path: filepath.Join(from, name), Err: fs.ErrNotExist}
}

// pack writes packages as a tar archive with names below node_modules, and says
// how that went.
func pack(w *io.PipeWriter, folders map[string]bool, packed chan<- error) {
	archive := tar.NewWriter(w)
	var err error
	for folder := range folders {
		err = errors.Join(err, filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return packOne(archive, folder, name, entry)
		}))
	}
	err = errors.Join(err, packCommands(archive, folders), archive.Close())
	w.CloseWithError(err)
	packed <- err
}

// packOne adds one file. Packages inside of packages are in the archive by
// themselves; what only editors and debuggers read is left out.
func packOne(archive *tar.Writer, folder, name string, entry fs.DirEntry) error {
	if entry.IsDir() {
		if entry.Name() == "node_modules" && name != folder {
			return fs.SkipDir
		}
		return nil
	}
	if !entry.Type().IsRegular() || strings.HasSuffix(name, ".map") || strings.HasSuffix(name, ".d.ts") || strings.HasSuffix(name, ".md") {
		return nil
	}
	below, err := filepath.Rel(filepath.Join(root, "node_modules"), name)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info, err := entry.Info(); err == nil && info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	header := &tar.Header{Name: filepath.ToSlash(below), Mode: mode, Size: int64(len(content))}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}

// packCommands adds the links in .bin that lead to the packages.
func packCommands(archive *tar.Writer, folders map[string]bool) error {
	bin := filepath.Join(root, "node_modules", ".bin")
	commands, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, command := range commands {
		link, err := os.Readlink(filepath.Join(bin, command.Name()))
		if err != nil {
			return err
		}
		below := strings.Split(strings.TrimPrefix(filepath.ToSlash(link), "../"), "/")
		packed := folders[filepath.Join(root, "node_modules", below[0])]
		if strings.HasPrefix(below[0], "@") {
			packed = folders[filepath.Join(root, "node_modules", below[0], below[1])]
		}
		if !packed {
			continue
		}
		header := &tar.Header{Typeflag: tar.TypeSymlink, Name: ".bin/" + command.Name(), Linkname: link, Mode: 0o777}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}
