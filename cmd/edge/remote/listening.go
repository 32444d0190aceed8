package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// heard is a port that something in a sandbox listens on, and that is not exposed.
type heard struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
	abi.ListeningPort
}

// unexposed lists the ports that something listens on and that are not exposed, one
// for each number. An edge that cannot tell has none.
func (c *Client) unexposed(ctx context.Context, ref Ref, exposed []abi.ExposedPort) ([]heard, error) {
	list, err := Call(ctx, c, ref, abi.GetListeningPorts, &abi.Empty{})
	if errors.Is(err, abi.CodeUnknownOperation.Err()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []heard
	last := 0
	for _, p := range list.Ports {
		if p.Port == last || slices.ContainsFunc(exposed, func(e abi.ExposedPort) bool { return e.Port == p.Port }) {
			continue
		}
		last = p.Port
		all = append(all, heard{ref.Binding, ref.ID, p})
	}
	return all, nil
}

// hint says how the port gets a URL.
func (h heard) hint() string {
	if abi.CheckPort(h.Port) != nil {
		return "only ports from 1024 on can be exposed"
	}
	return fmt.Sprintf("edge expose %s %d", Ref{h.Binding, h.ID}, h.Port)
}

// accessText is who may use an exposure, for people: a URL alone does not tell that
// requests have to show a token.
func accessText(p abi.ExposedPort) string {
	if p.Access == abi.AccessToken && p.Token != "" {
		return "token in request"
	}
	return string(p.Access)
}

// statusText is what an exposure is, for people: how its server ended, if it has.
func statusText(p abi.ExposedPort) string {
	e := p.Ended
	if e == nil {
		return p.Status
	}
	how := "ended"
	switch {
	case e.OOMKilled:
		how = "out of memory"
	case e.Signal != "":
		how = "ended by " + e.Signal
	case e.ExitCode != nil:
		how = "exit code " + strconv.Itoa(*e.ExitCode)
	}
	return fmt.Sprintf("%s: %s", e.ProcessID, how)
}

// portsText lists ports with the processes that listen: "3000 web, 9229".
func portsText(ports []abi.ListeningPort) string {
	var texts []string
	for _, p := range ports {
		text := strconv.Itoa(p.Port)
		if p.ProcessID != "" {
			text += " " + p.ProcessID
		}
		texts = append(texts, text)
	}
	return shortList(slices.Compact(texts))
}

// portsOf lists the ports of one process.
func portsOf(process string, ports []abi.ListeningPort) string {
	var texts []string
	for _, p := range ports {
		if p.ProcessID == process {
			texts = append(texts, strconv.Itoa(p.Port))
		}
	}
	return shortList(slices.Compact(texts))
}

// maxListed is how many ports a column names.
const maxListed = 8

func shortList(texts []string) string {
	if more := len(texts) - maxListed; more > 0 {
		texts = append(slices.Clone(texts[:maxListed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
