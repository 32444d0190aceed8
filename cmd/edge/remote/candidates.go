package remote

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"edge/abi"
)

// Candidate is what a word of a command line may become.
type Candidate struct{ Word, About string }

// Candidates returns what may stand where an argument of the kind is due (the
// complete tag of the verbs), asking the edge where it takes that. word is what
// is written of it, sandbox the sandbox or plugin that the command line names so far. An
// edge that does not answer before ctx ends has nothing to offer, and nothing is started.
func Candidates(ctx context.Context, env *Env, c Connection, kind, word, sandbox string) []Candidate {
	switch kind {
	case "operation":
		list := make([]Candidate, 0, len(abi.Operations))
		for _, row := range abi.Operations {
			list = append(list, Candidate{row.Name(), row.Doc()})
		}
		return list
	case "signal":
		return words("TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "CONT")
	case "filter":
		return words("binding=", "id=", "state=", "runtime=", "label=")
	}
	client, err := c.open(ctx, env)
	if err != nil {
		return nil
	}
	defer client.Close()
	switch kind {
	case "path":
		if box, file, found := splitPlace(word); found {
			return client.fileCandidates(ctx, box, file)
		}
		list := client.sandboxCandidates(ctx, word)
		for i := range list {
			list[i].Word += ":"
		}
		return list
	case "sandbox":
		return client.sandboxCandidates(ctx, word)
	case "connection", "connected-plugin":
		return client.connectionCandidates(ctx, kind)
	case "plugin", "loadable", "generation":
		return client.pluginCandidates(ctx, kind, sandbox)
	case "process", "port":
		ref, err := client.resolve(ctx, sandbox)
		if err != nil {
			return nil
		}
		return (&session{client, ref}).candidates(ctx, kind)
	}
	return nil
}

func words(list ...string) []Candidate {
	candidates := make([]Candidate, len(list))
	for i, w := range list {
		candidates[i] = Candidate{Word: w}
	}
	return candidates
}

// sandboxCandidates are the sandboxes: by id alone where there is one binding
// and the word does not begin with it.
func (c *Client) sandboxCandidates(ctx context.Context, word string) []Candidate {
	boxes, err := c.list(ctx, "")
	if err != nil {
		return nil
	}
	var bindings bindingList
	_ = c.read(ctx, "/v1/bindings", &bindings) // without it names are written in full
	var list []Candidate
	for _, l := range boxes {
		name := l.ref().String()
		if len(bindings.Bindings) == 1 && bindings.Bindings[0].Name == l.Binding && !strings.Contains(word, "/") {
			name = l.ID
		}
		list = append(list, Candidate{name, stateText(l.SandboxState)})
	}
	return list
}

// fileCandidates are the files in the folder that a place in a sandbox names.
func (c *Client) fileCandidates(ctx context.Context, box, file string) []Candidate {
	ref, err := c.resolve(ctx, box)
	if err != nil {
		return nil
	}
	st, err := Call(ctx, c, ref, abi.GetState, &abi.Empty{})
	if err != nil || !alive(st.State) {
		return nil
	}
	dir, name := path.Split(file)
	req := &abi.ListFilesRequest{Path: cmp.Or(dir, "."), IncludeHidden: strings.HasPrefix(name, ".")}
	files, err := Call(ctx, c, ref, abi.ListFiles, req)
	if err != nil {
		return nil
	}
	var list []Candidate
	for _, f := range files.Files {
		word := box + ":" + dir + f.Name
		if f.Type == abi.FileTypeDirectory {
			word += "/"
		}
		list = append(list, Candidate{Word: word})
	}
	return cleaned(list)
}

// candidates are the processes or the exposed ports of a sandbox.
func (s *session) candidates(ctx context.Context, kind string) []Candidate {
	var list []Candidate
	if kind == "process" {
		processes, err := s.processes(ctx)
		if err != nil {
			return nil
		}
		for _, p := range processes.Processes {
			list = append(list, Candidate{p.ID, string(p.Status) + ", " + p.Command})
		}
		return cleaned(list)
	}
	ports, err := Call(ctx, s.Client, s.ref, abi.GetExposedPorts, &abi.Empty{})
	if err != nil {
		return nil
	}
	for _, p := range ports.Ports {
		list = append(list, Candidate{strconv.Itoa(p.Port), p.Name})
	}
	return cleaned(list)
}

// cleaned leaves out words that mean more than themselves on a shell's line: bash
// puts them there as they are, and what a sandbox calls its files and processes
// must not become a command of the person who completes it.
func cleaned(list []Candidate) []Candidate {
	return slices.DeleteFunc(list, func(c Candidate) bool {
		return strings.HasPrefix(c.Word, "-") || strings.ContainsFunc(c.Word, steersShell)
	})
}

func steersShell(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("._-+@%,=:/", r)
}
