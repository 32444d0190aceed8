package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"edge/plugins/replay"
)

// caseFile is a YAML file of cases: requests to a plugin and what is expected of
// its decisions (replay.Suite). It can be given other expectations without a
// change to anything else in it.
type caseFile struct {
	path  string
	lines []string // each with its end
	suite *replay.Suite
	nodes []*ast.MappingNode // the cases
}

// findCases returns the files of cases among paths: files as they are, and the
// YAML files in folders.
func findCases(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %s", path, reason(err))}
		}
		if !st.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if ext := filepath.Ext(file); err == nil && !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
				files = append(files, file)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, usageError{fmt.Errorf("%s holds no .yaml files", path)}
		}
	}
	return files, nil
}

// readCases reads a file of cases. Its errors name file and line.
func readCases(path string) (*caseFile, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, problem{place{file: path}, "cannot be read: " + reason(err)}
	}
	if len(content) > maxConfigBytes {
		return nil, problem{place{file: path}, "is larger than 1 MiB"}
	}
	f := &caseFile{path: path, lines: slices.Collect(strings.Lines(string(content)))}
	root, err := f.parse(content)
	if err != nil {
		return nil, err
	}
	text, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, (&document{file: path}).syntax(err)
	}
	if f.suite, err = replay.ParseSuite(text); err != nil {
		return nil, problem{f.placeOf(root, err), "is no file of cases: " + err.Error()}
	}
	f.nodes = caseNodes(root)
	return f, nil
}

func (f *caseFile) parse(content []byte) (ast.Node, error) {
	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, (&document{file: f.path}).syntax(err)
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, problem{place{file: f.path}, "holds no cases; want the keys cases, config, secrets, calls and so on"}
	}
	return parsed.Docs[0].Body, nil
}

// placeOf is where the key stands that an error quotes, if it quotes one.
func (f *caseFile) placeOf(root ast.Node, err error) place {
	_, rest, _ := strings.Cut(err.Error(), `"`)
	word, _, found := strings.Cut(rest, `"`)
	finder := &keyFinder{word: word}
	if found {
		ast.Walk(finder, root)
	}
	return place{f.path, finder.line, finder.column}
}

// keyFinder looks for the first key or value of a name.
type keyFinder struct {
	word         string
	line, column int
}

// Visit implements ast.Visitor.
func (k *keyFinder) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(*ast.StringNode); ok && s.Value == k.word && k.line == 0 {
		k.line, k.column = s.Token.Position.Line, s.Token.Position.Column
	}
	return k
}

// entry returns the value under a key of a mapping, with its key's node.
func entry(n ast.Node, key string) *ast.MappingValueNode {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, v := range m.Values {
		if v.Key.String() == key {
			return v
		}
	}
	return nil
}

// caseNodes are the mappings below "cases".
func caseNodes(root ast.Node) []*ast.MappingNode {
	cases := entry(root, "cases")
	if cases == nil {
		return nil
	}
	list, ok := cases.Value.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	nodes := make([]*ast.MappingNode, len(list.Values))
	for i, v := range list.Values {
		nodes[i], _ = v.(*ast.MappingNode)
	}
	return nodes
}

// expect writes what is expected of cases, by their number, into the file. All else
// stays as it is.
func (f *caseFile) expect(changed map[int]map[string]json.RawMessage) error {
	for i := len(f.nodes) - 1; i >= 0; i-- { // from the end: lines before stay where they are
		expect, ok := changed[i]
		if !ok {
			continue
		}
		if err := f.expectOne(i, expect); err != nil {
			return err
		}
	}
	return replaceFile(f.path, []byte(strings.Join(f.lines, "")))
}

func (f *caseFile) expectOne(i int, expect map[string]json.RawMessage) error {
	node := f.nodes[i]
	if node == nil || node.IsFlowStyle || len(node.Values) == 0 {
		return problem{place{file: f.path}, fmt.Sprintf("the case %q is written in braces; --update wants each of its keys on a line of its own", f.suite.Cases[i].Name)}
	}
	first := node.Values[0].Key.GetToken().Position
	indent := first.Column - 1
	begin, end := first.Line, f.endOfBlock(first.Line, indent-1) // the dash stands left of the keys
	if e := entry(node, "expect"); e != nil {
		at := e.Key.GetToken().Position
		if at.Line == first.Line {
			return problem{place{f.path, at.Line, at.Column}, "expect is the case's first key; --update wants name or request before it"}
		}
		begin, end = at.Line-1, f.endOfBlock(at.Line, indent)
	} else {
		begin = end
	}
	text, err := expectText(expect, indent)
	if err != nil {
		return err
	}
	if begin > 0 && !strings.HasSuffix(f.lines[begin-1], "\n") {
		f.lines[begin-1] += "\n"
	}
	f.lines = slices.Replace(f.lines, begin, end, text...)
	return nil
}

// endOfBlock is the number of lines up to the end of the block whose first line is
// given, from 1, and whose other lines are indented by more than indent. Blank lines
// and comments after it do not count.
func (f *caseFile) endOfBlock(line, indent int) int {
	end := line
	for n := line; n < len(f.lines); n++ {
		text := strings.TrimRight(f.lines[n], "\r\n")
		bare := strings.TrimLeft(text, " ")
		switch {
		case bare == "":
			continue
		case len(text)-len(bare) <= indent:
			return end
		case !strings.HasPrefix(bare, "#"):
			end = n + 1
		}
	}
	return end
}

// expectText is the YAML of the key expect, line by line.
func expectText(expect map[string]json.RawMessage, indent int) ([]string, error) {
	var object bytes.Buffer
	object.WriteString(`{"expect":{`)
	for _, key := range replay.ExpectKeys() {
		if value, given := expect[key]; given {
			if object.Bytes()[object.Len()-1] != '{' {
				object.WriteByte(',')
			}
			fmt.Fprintf(&object, "%q:%s", key, value)
		}
	}
	object.WriteString("}}")
	text, err := yaml.JSONToYAML(object.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write what is expected: %w", err)
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		if strings.TrimSpace(l) != "" {
			l = strings.Repeat(" ", indent) + l
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// replaceFile writes a file so that it holds the old content or the new, and keeps
// its mode.
func replaceFile(path string, content []byte) error {
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the error says why it is there
	}
	return err
}
