package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"edge/cmd/edge/remote"
)

// Scripts for shells. Each asks "edge __complete WORDS", whose last word is the
// one under the cursor, for lines of a word, a tab and what it means. A line
// ":files" has the shell offer its own paths as well. No space is put behind what
// ends in ":", "=" or "/".
const (
	bashCompletion = `# edge completion for bash: source <(edge completion bash)
_edge() {
  local word about files=
  local cur="${COMP_LINE:0:COMP_POINT}"
  local -a words
  read -r -a words <<<"$cur"
  [[ $cur == *[[:space:]] ]] && words+=("")
  cur="${words[-1]}"
  COMPREPLY=()
  while IFS=$'\t' read -r word about; do
    if [[ $word == :files ]]; then files=1; else COMPREPLY+=("$word"); fi
  done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
  if [[ -n $files ]]; then
    (( ${#COMPREPLY[@]} )) || compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${cur##*=}")
  fi
  (( ${#COMPREPLY[@]} == 1 )) && [[ ${COMPREPLY[0]} == *[:=/] ]] && compopt -o nospace 2>/dev/null
  # bash replaces what stands behind the last ":" or "=" alone.
  local i head="${cur%"${cur##*[:=]}"}"
  [[ -n $head ]] && for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]="${COMPREPLY[i]#"$head"}"; done
}
complete -F _edge edge
`
	zshCompletion = `#compdef edge
# edge completion for zsh: source <(edge completion zsh)
_edge() {
  local -a plain open
  local line word files=
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    word="${line%%$'\t'*}"
    case $word in
      '') ;;
      :files) files=1 ;;
      *[:=/]) open+=("$word") ;;
      *) plain+=("${word//:/\\:}${line#"$word"}") ;;
    esac
  done
  plain=("${(@)plain/$'\t'/:}")
  (( $#open )) && compadd -S '' -- "${(@)open}"
  (( $#plain )) && _describe edge plain
  [[ -n $files ]] && _files
}
(( $+functions[compdef] )) && compdef _edge edge
`
	fishCompletion = `# edge completion for fish: edge completion fish | source
function __edge_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
    switch $line
      case ':files*'
        __fish_complete_path (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c edge -f -a '(__edge_complete)'
`
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints the script.
func (c *completionCommand) Run(t *terminal) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := io.WriteString(t.out, script)
	return err
}

// completionTime bounds the questions to the edge while a person waits for the shell. An
// edge that runs answers within milliseconds, and where none does a socket says so at
// once: it is for one that hangs, and long enough for a machine with much else to do.
const completionTime = 3 * time.Second

type completeCommand struct {
	Words []string `arg:"" optional:""`
}

// Run prints what the last word may become.
func (c *completeCommand) Run(ctx context.Context, t *terminal, parser *kong.Kong) error {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	words := c.Words
	if len(words) == 0 {
		words = []string{""}
	}
	l := newLine(parser.Model.Node)
	for _, w := range words[:len(words)-1] {
		l.read(w)
	}
	for _, candidate := range l.candidates(ctx, t, words[len(words)-1]) {
		line := oneLineOf(candidate.Word)
		if candidate.About != "" {
			line += "\t" + oneLineOf(candidate.About)
		}
		fmt.Fprintln(t.out, line)
	}
	return nil
}

func oneLineOf(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(s))
}

// line is a command line as far as it is written.
type line struct {
	node *kong.Node
	// flag is the one whose value comes next.
	flag *kong.Flag
	// args are the positional arguments so far; literal is set once everything
	// that follows is one.
	args    []string
	literal bool

	connection remote.Connection
}

func newLine(root *kong.Node) *line { return &line{node: root} }

// read takes one finished word.
func (l *line) read(word string) {
	switch {
	case l.flag != nil:
		l.value(l.flag, word)
		l.flag = nil
	case l.literal:
		l.args = append(l.args, word)
	case word == "--":
		l.literal = true
	case strings.HasPrefix(word, "-") && len(word) > 1:
		name, value, found := strings.Cut(word, "=")
		if f := l.find(name); f != nil && found {
			l.value(f, value)
		} else if f != nil && !f.IsBool() {
			l.flag = f
		}
	default:
		if child := l.child(word); child != nil {
			l.node = child
			return
		}
		l.args = append(l.args, word)
		if p := l.positional(len(l.args) - 1); p != nil && p.Passthrough {
			l.literal = true
		}
	}
}

// value keeps what says which edge is meant.
func (l *line) value(f *kong.Flag, value string) {
	switch f.Name {
	case "admin":
		l.connection.Admin = value
	case "config":
		l.connection.Config = value
	case "token-file":
		l.connection.TokenFile = value
	}
}

func (l *line) child(word string) *kong.Node {
	for _, n := range l.node.Children {
		if len(l.args) == 0 && (n.Name == word || slices.Contains(n.Aliases, word)) {
			return n
		}
	}
	return nil
}

// flags are those of the command and of what is above it, and of the command that
// is meant when none is named.
func (l *line) flags() []*kong.Flag {
	var flags []*kong.Flag
	if l.node.DefaultCmd != nil {
		flags = append(flags, l.node.DefaultCmd.Flags...)
	}
	for n := l.node; n != nil; n = n.Parent {
		flags = append(flags, n.Flags...)
	}
	return slices.DeleteFunc(flags, func(f *kong.Flag) bool { return f.Hidden })
}

// find returns the flag "--name" or "-n", of "-abc" the last.
func (l *line) find(word string) *kong.Flag {
	for _, f := range l.flags() {
		long, isLong := strings.CutPrefix(word, "--")
		if isLong && f.Name == long || !isLong && f.Short != 0 && strings.HasSuffix(word, string(f.Short)) {
			return f
		}
	}
	return nil
}

// positional is the argument at that place; the last one may stand for many.
func (l *line) positional(i int) *kong.Positional {
	list := l.node.Positional
	if i < len(list) {
		return list[i]
	}
	if len(list) > 0 && list[len(list)-1].Target.Kind() == reflect.Slice {
		return list[len(list)-1]
	}
	return nil
}

// candidates are what the word that is being written may become.
func (l *line) candidates(ctx context.Context, t *terminal, word string) []remote.Candidate {
	begins := func(list []remote.Candidate, with string) []remote.Candidate {
		return slices.DeleteFunc(list, func(c remote.Candidate) bool { return !strings.HasPrefix(c.Word, with) })
	}
	switch {
	case l.flag != nil:
		return l.valuesOf(ctx, t, l.flag.Value, word, "")
	case !l.literal && strings.HasPrefix(word, "--") && strings.Contains(word, "="):
		name, value, _ := strings.Cut(word, "=")
		if f := l.find(name); f != nil {
			return l.valuesOf(ctx, t, f.Value, value, name+"=")
		}
		return nil
	case !l.literal && strings.HasPrefix(word, "-"):
		return begins(l.flagNames(), word)
	case len(l.node.Children) > 0:
		var list []remote.Candidate
		for _, n := range l.node.Children {
			if !n.Hidden {
				list = append(list, remote.Candidate{Word: n.Name, About: n.Help})
			}
		}
		return begins(list, word)
	}
	if p := l.positional(len(l.args)); p != nil {
		return l.valuesOf(ctx, t, p, word, "")
	}
	return nil
}

func (l *line) flagNames() []remote.Candidate {
	var list []remote.Candidate
	for _, f := range l.flags() {
		list = append(list, remote.Candidate{Word: "--" + f.Name, About: f.Help})
	}
	return list
}

// valuesOf are what a flag or an argument may be.
func (l *line) valuesOf(ctx context.Context, t *terminal, v *kong.Value, word, before string) []remote.Candidate {
	var list []remote.Candidate
	kind := v.Tag.Get("complete")
	switch {
	case v.Enum != "":
		for _, e := range v.EnumSlice() {
			if e = strings.TrimSpace(e); e != "" {
				list = append(list, remote.Candidate{Word: e})
			}
		}
	case kind == "file":
		return []remote.Candidate{{Word: ":files"}}
	case kind != "":
		sandbox := ""
		if len(l.args) > 0 {
			sandbox = l.args[0]
		}
		list = remote.Candidates(ctx, t.remoteEnv(), l.connection, kind, word, sandbox)
	}
	list = slices.DeleteFunc(list, func(c remote.Candidate) bool {
		return !strings.HasPrefix(c.Word, word) || slices.Contains(l.args, c.Word)
	})
	for i := range list {
		list[i].Word = before + list[i].Word
	}
	if kind == "path" && !strings.Contains(word, ":") || kind == "loadable" {
		list = append(list, remote.Candidate{Word: ":files"})
	}
	return list
}
