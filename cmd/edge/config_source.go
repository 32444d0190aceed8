package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"edge/plugins/source"
)

// sourceKind is what a plugin's module comes from.
type sourceKind string

// The kinds of sources.
const (
	sourceFile     sourceKind = "file"       // one .wasm file
	sourceGo       sourceKind = "go"         // a folder with Go sources, which edge dev builds
	sourceWorker   sourceKind = "worker"     // a Worker in TypeScript or JavaScript, which the edge builds
	sourceVersions sourceKind = "versions"   // a folder with .wasm files, of which the newest by name serves
	sourceUpload   sourceKind = "upload"     // the admin API
	sourceLayout   sourceKind = "oci-layout" // an OCI image layout on disk
	sourceRegistry sourceKind = "oci"        // a registry
)

const (
	// defaultPoll is how often a registry is asked whether a tag moved.
	defaultPoll = time.Minute
	// minPoll keeps a registry from being asked all the time.
	minPoll = time.Second
)

// wantedSource is what a source may be, for messages.
const wantedSource = "a .wasm file, a Worker like worker.ts, a folder with Go sources or with .wasm files, upload, oci-layout:PATH[:TAG] or oci://REGISTRY/REPOSITORY[:TAG]"

// readSource checks that the source is something the edge can run, build or
// fetch, and that what is on this machine is there.
func (c *Config) readSource(v value, p *Plugin) {
	p.At = v.place()
	s, ok := v.text(wantedSource)
	if !ok {
		return
	}
	switch {
	case s == string(sourceUpload):
		p.Kind, p.Source = sourceUpload, s
	case strings.HasPrefix(s, source.LayoutScheme):
		c.readLayout(v, s, p)
	case strings.HasPrefix(s, source.RegistryScheme), strings.HasPrefix(s, source.PlainScheme):
		p.Kind, p.Source = sourceRegistry, s
		if _, err := source.ParseRegistry(s); err != nil {
			v.fail("%v", err)
		}
	default:
		c.readSourcePath(v, s, p)
	}
}

// readLayout reads a source that is an OCI image layout (its specification, "image
// layout"), which a file of that name marks.
func (c *Config) readLayout(v value, s string, p *Plugin) {
	ref, err := source.ParseLayout(s)
	if err != nil {
		v.fail("%v", err)
		return
	}
	ref.Path = c.abs(ref.Path)
	p.Kind, p.Source = sourceLayout, ref.String()
	if _, err := os.Stat(filepath.Join(ref.Path, "oci-layout")); err != nil {
		v.fail("the folder %s is no OCI image layout: its file oci-layout: %s", ref.Path, reason(err))
	}
}

// readSourcePath reads a source that is a file or folder.
func (c *Config) readSourcePath(v value, s string, p *Plugin) {
	p.Kind, p.Source = sourceFile, c.abs(s)
	st, err := os.Stat(p.Source)
	switch {
	case err != nil:
		v.fail("%s: %s", s, reason(err))
	case st.IsDir():
		p.Kind = folderKind(p.Source)
		if p.Kind == "" {
			v.fail("the folder %s holds neither Go sources nor .wasm files; of a Worker, name the file: %s/worker.ts", s, s)
		}
	case isWorkerSource(s) && !st.Mode().IsRegular():
		v.fail("%s is not a regular file", s)
	case isWorkerSource(s):
		p.Kind = sourceWorker
	case strings.HasSuffix(s, ".go"):
		v.fail("%s is one file; want the folder it is in, or a .wasm file", s)
	case !strings.HasSuffix(s, ".wasm"):
		v.fail("%s is neither a .wasm file nor a Worker in TypeScript or JavaScript; want one, or a folder with Go sources", s)
	case !st.Mode().IsRegular():
		v.fail("%s is not a regular file", s)
	}
}

// folderKind tells what a folder is a source of: Go sources come before modules,
// because a build leaves one beside them. It is empty if the folder holds neither.
func folderKind(dir string) sourceKind {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var kind sourceKind
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".go":
			return sourceGo
		case ".wasm":
			kind = sourceVersions
		}
	}
	return kind
}

// readPoll reads how often a registry is asked.
func (p *Plugin) readPoll(v value) {
	d, ok := v.duration(maxSpan)
	switch {
	case !ok:
	case d < minPoll:
		v.fail("%s is less than %s, which no registry should be asked", d, minPoll)
	default:
		p.Poll = d
	}
}

// settlePoll fills the default in, once the whole entry is read.
func (p *Plugin) settlePoll(v value) {
	switch {
	case p.Kind == sourceRegistry && p.Poll == 0:
		p.Poll = defaultPoll
	case p.Kind != sourceRegistry && p.Kind != "" && p.Poll != 0:
		v.fail("poll is how often a registry is asked; the source %s is watched", p.Source)
	}
}
