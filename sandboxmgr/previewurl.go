package sandboxmgr

import (
	"strconv"
	"strings"

	"edge/abi"
)

// maxLabel is the longest label of a host name (RFC 1035, section 2.3.4).
const maxLabel = 63

// label is the whole first label of an exposure's host name, "{port}-{id}-{token}",
// or "{port}-{id}" if it holds no token. Its parts cannot be told apart again, since
// an id may hold "-": it is only ever looked up. The path form has the same parts,
// "/_preview/{port}/{id}-{token}/".
func (e *Exposure) label() string { return strconv.Itoa(e.Port) + "-" + e.pathKey() }

func (e *Exposure) pathKey() string {
	if e.secretLabel() {
		return e.Ref.ID + "-" + e.Token
	}
	return e.Ref.ID
}

// urls returns an exposure's URL and its WebSocket form. What cannot be built
// is an error: a wrong URL would lead somewhere else.
func (p *PreviewConfig) urls(e *Exposure) (url, wsURL string, err error) {
	l := e.label()
	// "_" is no letter of a host name, but of a label in the DNS and in every
	// browser; tokens may hold it, as in the seeds.
	if !validLabel(strings.ReplaceAll(l, "_", "x")) {
		return "", "", abi.Errorf(abi.CodeInvalidRequest, "port %d of sandbox %.60q makes no host name: its label would have %d bytes of a-z, 0-9 and inner \"-\", and %d are possible", e.Port, e.Ref.ID, len(l), maxLabel)
	}
	address := l + "." + p.Domains[0]
	inPath := p.TokensInPath && e.secretLabel()
	if inPath {
		address = p.Domains[0]
	}
	if p.Port != 0 && p.Port != map[string]int{"http": 80, "https": 443}[p.Scheme] {
		address += ":" + strconv.Itoa(p.Port)
	}
	address += "/"
	if inPath {
		address += "_preview/" + strconv.Itoa(e.Port) + "/" + e.pathKey() + "/"
	}
	return p.Scheme + "://" + address, "ws" + strings.TrimPrefix(p.Scheme, "http") + "://" + address, nil
}
