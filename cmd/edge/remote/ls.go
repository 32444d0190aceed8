package remote

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"edge/abi"
)

type lsCommand struct {
	Connection
	Output
	Long  bool   `short:"l" help:"With mode, size and time."`
	All   bool   `short:"a" help:"Also names that begin with a dot."`
	Place string `arg:"" complete:"path" help:"[BINDING/]ID or [BINDING/]ID:PATH; default /workspace."`
}

// Run lists a folder, or tells of a file.
func (v *lsCommand) Run(ctx context.Context, env *Env) error {
	sandbox, dir, found := splitPlace(v.Place)
	if !found {
		sandbox, dir = v.Place, ""
	}
	dir = cmp.Or(dir, abi.DefaultCwd)
	return v.in(ctx, env, sandbox, func(s *session) error {
		req := &abi.ListFilesRequest{Path: dir, IncludeHidden: v.All}
		list, err := Call(ctx, s.Client, s.ref, abi.ListFiles, req)
		if isCode(err, abi.CodeNotDirectory) {
			list, err = s.single(ctx, dir, err)
		}
		if err != nil {
			return err
		}
		if err := v.print(env.Out, list); err != nil {
			return err
		}
		if list.Truncated {
			fmt.Fprintf(env.Err, "edge: there are more than these %d\n", len(list.Files))
		}
		return nil
	})
}

// single is the list of the one file at a path that is no folder.
func (s *session) single(ctx context.Context, file string, notDirectory error) (*abi.ListFilesResponse, error) {
	there, err := Call(ctx, s.Client, s.ref, abi.Exists, &abi.PathRequest{Path: file})
	if err != nil {
		return nil, err
	}
	if !there.Exists || there.Info == nil {
		return nil, notDirectory
	}
	there.Info.Name = file
	return &abi.ListFilesResponse{Files: []abi.FileInfo{*there.Info}}, nil
}

func (v *lsCommand) print(w io.Writer, list *abi.ListFilesResponse) error {
	if v.json() {
		return writeJSON(w, list)
	}
	if !v.Long {
		return printNames(w, list.Files)
	}
	widest := 0
	for _, f := range list.Files {
		widest = max(widest, len(strconv.FormatInt(f.Size, 10)))
	}
	var b strings.Builder
	for _, f := range list.Files {
		name := oneLine(f.Name)
		if f.Target != "" {
			name += " -> " + oneLine(f.Target)
		}
		fmt.Fprintf(&b, "%s  %*d  %s  %s\n", modeText(f), widest, f.Size, timeText(f.ModifiedAt, time.Now()), name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printNames prints names in columns on a terminal, else one a line.
func printNames(w io.Writer, files []abi.FileInfo) error {
	names, widest := make([]string, len(files)), 0
	for i, f := range files {
		names[i] = oneLine(f.Name)
		if f.Type == abi.FileTypeDirectory {
			names[i] += "/"
		}
		widest = max(widest, utf8.RuneCountInString(names[i]))
	}
	columns := 1
	if room := columnsOf(w); room != unbounded {
		columns = max(1, (room+2)/(widest+2))
	}
	rows := (len(names) + columns - 1) / columns
	var b strings.Builder
	for r := range rows {
		for i := r; i < len(names); i += rows {
			b.WriteString(names[i])
			if i+rows < len(names) {
				b.WriteString(strings.Repeat(" ", widest+2-utf8.RuneCountInString(names[i])))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// modeText is "drwxr-xr-x".
func modeText(f abi.FileInfo) string {
	text := []byte("?rwxrwxrwx")
	switch f.Type {
	case abi.FileTypeFile:
		text[0] = '-'
	case abi.FileTypeDirectory:
		text[0] = 'd'
	case abi.FileTypeSymlink:
		text[0] = 'l'
	}
	mode, err := strconv.ParseUint(f.Mode, 8, 32)
	if err != nil {
		mode = 0
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	return string(text)
}

// timeText is a time of this year with its hour, of another one with its year.
func timeText(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Year() == now.Year() {
		return t.Format("Jan _2 15:04")
	}
	return t.Format("Jan _2  2006")
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	const units = "KMGT"
	if n < 1<<10 {
		return counted(int(n), "byte", "bytes")
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
