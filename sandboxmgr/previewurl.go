package sandboxmgr

import (
	"strconv"
	"strings"

	"edge/abi"
)

// maxLabel is the longest label of a host name (RFC 1035, section 2.3.4).
const maxLabel = 63

// label is the whole first label of an exposure's host name. Its parts cannot
// be told apart again, since an id may hold "-": it is only ever looked up.
func label(port int, id, token string) string {
	l := strconv.Itoa(port) + "-" + id
	if token != "" {
		l += "-" + token
	}
	return l
}

// urls returns an exposure's URL and its WebSocket form. What cannot be built
// is an error: a wrong URL would lead somewhere else.
func (p *PreviewConfig) urls(port int, id, token string) (url, wsURL string, err error) {
	l := label(port, id, token)
	// "_" is no letter of a host name, but of a label in the DNS and in every
	// browser; tokens may hold it, as in the seeds.
	if !validLabel(strings.ReplaceAll(l, "_", "x")) {
		return "", "", abi.Errorf(abi.CodeInvalidRequest, "port %d of sandbox %.60q makes no host name: the label %.90q has %d bytes, and %d are possible", port, id, l, len(l), maxLabel)
	}
	host := l + "." + p.Domains[0]
	if p.Port != 0 && p.Port != map[string]int{"http": 80, "https": 443}[p.Scheme] {
		host += ":" + strconv.Itoa(p.Port)
	}
	return p.Scheme + "://" + host + "/", "ws" + strings.TrimPrefix(p.Scheme, "http") + "://" + host + "/", nil
}
